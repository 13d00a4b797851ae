"""Executions with child executions, through the real server, Temporal and PostgreSQL."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition

CHILD = definition("start > collect; collect > issue; issue > end", name="DSC Procurement") | {
    "outputExpression": {"src": "__context__.directorId"}
}


def parent_of(version_id, **more):
    """The flagship: a batch of children, one for each director who lacks a certificate."""
    step = {
        "type": "sys.sub_workflow",
        "mode": "BATCH",
        "childWorkflowTemplateVersionId": version_id,
        "iterable": {"type": "EXPRESSION", "expr": {"src": "__context__.directors[hasDsc = false]"}},
        "inputMapping": [
            {"id": "m1", "targetPath": "directorId", "value": {"expr": {"src": "__each__.id"}}},
            {
                "id": "m2",
                "targetPath": "companyId",
                "value": {"type": "field", "ref": {"source": "CONTEXT", "path": "company.id"}},
            },
        ],
        "childWorkflowName": {"src": "'DSC - ' & __each__.name"},
    }
    return definition("start > dsc; dsc > file; file > end", name="India Pvt Ltd", dsc={**step, **more})


D1, D2, D3 = (
    {"id": "d1", "name": "A", "hasDsc": False},
    {"id": "d2", "name": "B", "hasDsc": True},
    {"id": "d3", "name": "C", "hasDsc": False},
)


def flagship(api: Api, directors, **more):
    """Start a parent, and wait until its children are there; gives its id and the children by item."""
    child = api.publish(CHILD, activate=False)  # "DSC Procurement" has no active version
    id = api.start(parent_of(child.id, **more), {"directors": directors, "company": {"id": "c9"}}).execution.id
    wanted = sum(not director["hasDsc"] for director in directors)
    return id, children(api, id, wanted)


def children(api: Api, id: str, number: int):
    """The children of the step, once there are so many."""
    api.await_that(id, lambda _: len(api.call("ListExecutions", parent_execution_id=id).executions) >= number)
    listed = api.call("ListExecutions", parent_execution_id=id, page_size=200).executions
    return sorted(listed, key=lambda child: child.item)


def family(api: Api, id: str, step: str = "dsc/1"):
    return api.call("GetStepRun", step_run_id=f"{id}/{step}").step_run.children


def finish(api: Api, child_id: str):
    api.complete(child_id, "collect")
    return api.complete(child_id, "issue")


def test_a5_each_director_who_lacks_a_certificate_has_a_child(api: Api):
    id, found = flagship(api, [D1, D2, D3])

    assert [child.name for child in found] == ["DSC - A", "DSC - C"]
    inputs = [json.loads(api.execution(child.id).input_json) for child in found]
    assert inputs == [{"directorId": "d1", "companyId": "c9"}, {"directorId": "d3", "companyId": "c9"}]
    assert {(c.parent_execution_id, c.root_execution_id, c.depth) for c in found} == {(id, id, 1)}
    told = family(api, id)
    assert [(child.id, child.name, child.item) for child in told.executions] == [
        (child.id, child.name, child.item) for child in found
    ]
    assert (told.total, told.running, told.completed, told.failed) == (2, 2, 0, 0)
    assert api.open(id) == ["dsc"]

    finish(api, found[1].id)

    assert api.open(found[0].id) == ["collect"]
    told = family(api, id)
    assert (told.running, told.completed) == (1, 1)
    finish(api, found[0].id)
    assert api.open(id) == ["file"] or api.await_that(id, lambda _: api.open(id) == ["file"])
    run = api.call("GetStepRun", step_run_id=f"{id}/dsc/1").step_run
    assert json.loads(run.output_json) == ["d1", "d3"]
    api.complete(id, "file")
    assert status(api.await_end(id)) == "COMPLETED"


def test_a5_one_director_lacking_has_one_child(api: Api):
    id, found = flagship(api, [D2, D3])
    assert [child.name for child in found] == ["DSC - C"]
    finish(api, found[0].id)
    api.await_that(id, lambda _: api.open(id) == ["file"])


@pytest.mark.parametrize("directors", [[D2], []])
def test_a5_none_lacking_has_no_children(api: Api, directors):
    id, found = flagship(api, directors)
    assert found == []
    assert api.open(id) == ["file"]


def test_cq16_cancelling_a_parent_cancels_its_descendants(api: Api):
    grandchild = api.publish(CHILD)
    middle = api.publish(parent_of(grandchild.id))
    top = definition(
        "start > sub; sub > end",
        sub={
            "type": "sys.sub_workflow",
            "mode": "SINGLE",
            "childWorkflowTemplateVersionId": middle.id,
            "inputMapping": [
                {"id": "m", "targetPath": "directors", "value": {"expr": {"src": "__context__.directors"}}}
            ],
        },
    )
    id = api.start(top, {"directors": [D1, D3]}).execution.id
    (child,) = children(api, id, 1)
    grandchildren = children(api, child.id, 2)
    assert {(g.root_execution_id, g.parent_execution_id, g.depth) for g in grandchildren} == {(id, child.id, 2)}

    api.call("CancelExecution", execution_id=id, reason="no longer")

    below = api.call("ListExecutions", root_execution_id=id).executions
    assert len(below) == 4
    assert {status(execution) for execution in below} == {"CANCELLED"}


def test_cq15_a_child_that_fails_fails_its_parent_and_cancels_its_brothers_and_a_retry_goes_on(api: Api):
    id, found = flagship(api, [D1, D3, {**D1, "id": "d4", "name": "D"}])
    finish(api, found[0].id)
    api.call("CancelExecution", execution_id=found[1].id)

    parent = api.await_end(id)
    assert status(parent) == "FAILED"
    assert (parent.error.code, parent.error.step_id) == ("CHILD_FAILED", "dsc")
    assert found[1].id in parent.error.message
    assert status(api.await_end(found[2].id)) == "CANCELLED"

    api.call("RetryExecution", execution_id=id)
    api.await_that(id, lambda _: family(api, id, "dsc/2").running == 2)
    told = family(api, id, "dsc/2")
    assert (told.total, told.running, told.completed, told.failed) == (3, 2, 1, 0)
    assert told.executions[0].id == found[0].id
    for child in told.executions[1:]:
        assert child.id not in [old.id for old in found]
        finish(api, child.id)
    api.await_that(id, lambda _: api.open(id) == ["file"])
    api.complete(id, "file")
    assert status(api.await_end(id)) == "COMPLETED"
    assert api.execution(id).retries == 1


def test_a_retry_keeps_nothing_of_a_try_that_the_step_began_anew(api: Api):
    id, first = flagship(api, [D1, D3])
    finish(api, first[0].id)
    api.call("UpdateStep", execution_id=id, step_id="dsc", status="STATUS_DISABLED")
    api.call("UpdateStep", execution_id=id, step_id="dsc", status="STATUS_RUNNING")
    api.await_that(id, lambda _: family(api, id).running == 2)
    second = family(api, id).executions
    finish(api, second[0].id)
    api.call("CancelExecution", execution_id=second[1].id)
    assert status(api.await_end(id)) == "FAILED"

    api.call("RetryExecution", execution_id=id)

    api.await_that(id, lambda _: family(api, id, "dsc/2").running == 1)
    told = family(api, id, "dsc/2")
    assert [child.item for child in told.executions] == [0, 1]
    assert told.executions[0].id == second[0].id
    finish(api, told.executions[1].id)
    api.await_that(id, lambda _: api.open(id) == ["file"])


def test_the_answer_of_a_call_that_leads_into_children_comes_when_they_are_there(api: Api):
    child = api.publish(CHILD)
    step = parent_of(child.id)["steps"]
    dsc = next(one for one in step if one["id"] == "dsc")
    chain = definition("start > dsc; dsc > a; a > dsc2; dsc2 > end", dsc=dsc, dsc2={**dsc, "id": "dsc2"})

    id = api.start(chain, {"directors": [D1, D3]}).execution.id
    first = family(api, id)
    assert [one.item for one in first.executions] == [0, 1]
    finish(api, first.executions[0].id)
    api.complete(first.executions[1].id, "collect")
    api.call("CancelExecution", execution_id=first.executions[1].id)
    assert status(api.execution(id)) == "FAILED"
    api.call("RetryExecution", execution_id=id)
    again = family(api, id, "dsc/2")
    assert [one.item for one in again.executions] == [0, 1]
    finish(api, again.executions[1].id)
    api.await_that(id, lambda _: api.open(id) == ["a"])

    api.complete(id, "a")

    assert [one.item for one in family(api, id, "dsc2/1").executions] == [0, 1]
