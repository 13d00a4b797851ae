"""Families of executions through the real server: as trees, in lists, and deleted."""

from __future__ import annotations

import pytest

from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.test_reads import pages
from tests.end_to_end.world import SHORT, await_children, family_of


@pytest.fixture
def family(api: Api) -> list[str]:
    """A grandparent with two children, each of which has two: their ids in the order of the tree."""
    leaf = api.publish(SHORT)
    middle = api.publish(family_of(leaf.id))
    top = api.start(family_of(middle.id)).execution.id
    ids = [top]
    for child in await_children(api, top):
        ids += [child, *await_children(api, child)]
    return ids


def tree(api: Api, id: str, size: int = 50):
    found = [page.executions for page in pages(api, "GetExecutionTree", size, execution_id=id)]
    assert {len(page) for page in found[:-1]} <= {size}
    return [execution for page in found for execution in page]


def listed(api: Api, **fields):
    return {execution.id for execution in api.call("ListExecutions", page_size=200, **fields).executions}


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_tree_tells_a_family_in_order(api: Api, family, size):
    found = tree(api, family[0], size)

    assert [execution.id for execution in found] == family
    assert [(execution.depth, execution.item) for execution in found] == [
        (0, 0),
        *[(1, 0), (2, 0), (2, 1)],
        *[(1, 1), (2, 0), (2, 1)],
    ]
    assert [execution.parent_execution_id for execution in found[1:4]] == [family[0], family[1], family[1]]
    assert not any(execution.input_json for execution in found)
    assert [execution.id for execution in tree(api, family[4], size)] == family[4:]


def test_a_family_is_listed_by_root_and_parent(api: Api, family):
    other = api.start(SHORT).execution.id

    assert listed(api, root_execution_id=family[0]) == set(family)
    assert listed(api, root_execution_id=family[0], phase="PHASE_WAITING_FOR_INPUT") == {
        family[n] for n in (2, 3, 5, 6)
    }
    assert listed(api, parent_execution_id=family[0]) == {family[1], family[4]}
    assert listed(api, parent_execution_id=family[1], root_execution_id=family[0]) == {family[2], family[3]}
    assert listed(api, parent_execution_id=family[1], root_execution_id=other) == set()
    assert other in listed(api)


def test_a_family_is_deleted_once_all_have_ended(api: Api, family):
    other = api.start(SHORT).execution.id
    with refused("FAILED_PRECONDITION", "EXECUTION_NOT_ENDED"):
        api.call("DeleteExecution", execution_id=family[0])
    api.complete(family[2], "a")
    with refused("FAILED_PRECONDITION", "EXECUTION_NEEDED"):
        api.call("DeleteExecution", execution_id=family[2])
    api.call("CancelExecution", execution_id=family[0])
    for id in family:
        api.await_end(id)

    answer = api.call("DeleteExecution", execution_id=family[0], request_id="gone")

    assert answer.deleted_executions == len(family)
    assert listed(api) == {other}
    assert api.call("DeleteExecution", execution_id=family[0], request_id="gone") == answer
    for id in family:
        with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
            api.call("GetExecutionTree", execution_id=id)
    assert status(api.execution(other)) == "STARTED"


def test_a_tree_does_not_go_on_behind_what_was_deleted(api: Api, family):
    api.call("CancelExecution", execution_id=family[0])
    for id in family:
        api.await_end(id)
    token = api.call("GetExecutionTree", execution_id=family[0], page_size=3).next_page_token
    api.call("DeleteExecution", execution_id=family[2])

    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID") as refusals:
        api.call("GetExecutionTree", execution_id=family[0], page_size=3, page_token=token)

    assert "has been deleted" in refusals[0].message
