"""A changing request has its effect once, however often and from wherever it is sent (F1 to F3)."""

from __future__ import annotations

import pytest

from storage import requests
from storage.database import query
from tests.end_to_end.api import Refusal, refused
from tests.end_to_end.definitions import definition
from tests.rpc.registry import VALID, a_draft, a_template, at_once, reasons


def count(api):
    return len(api.call("ListTemplates", page_size=200).templates)


def test_a_request_sent_again_gets_the_same_answer_and_changes_nothing(api):
    first = api.call("CreateTemplate", request_id="r1", name="A")
    api.call("UpdateTemplate", template_id=first.template.id, name="B")

    assert api.call("CreateTemplate", request_id="r1", name="A") == first
    assert count(api) == 1


def test_every_changing_answer_is_remembered(api):
    template = a_template(api)
    version = a_draft(api, template)

    for method, fields in {
        "UpdateVersion": {"version_id": version.id, "note": "x"},
        "PublishVersion": {"version_id": version.id},
        "ActivateVersion": {"version_id": version.id},
        "DeactivateTemplate": {"template_id": template.id},
        "DeprecateVersion": {"version_id": version.id},
        "DeleteVersion": {"version_id": version.id},
        "ArchiveTemplate": {"template_id": template.id},
        "UnarchiveTemplate": {"template_id": template.id},
        "DeleteTemplate": {"template_id": template.id},
    }.items():
        first = api.call(method, request_id=f"r-{method}", **fields)
        assert api.call(method, request_id=f"r-{method}", **fields) == first, method


def test_a_request_id_is_not_used_for_another_request(api):
    api.call("CreateTemplate", request_id="r1", name="A")

    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED") as refusals:
        api.call("CreateTemplate", request_id="r1", name="B")
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("DeleteTemplate", request_id="r1", template_id="t")

    assert refusals[0].message == 'request_id "r1" was used before for another request'
    assert count(api) == 1


def forget_all(api):
    """Let all requests of a workspace be forgotten, as a sweep does when they are old."""
    query("DELETE FROM requests WHERE workspace = %s RETURNING 1", (api.workspace,))


def test_a_request_that_was_forgotten_is_a_new_one(api):
    first = api.call("CreateTemplate", request_id="r1", name="A").template
    forget_all(api)

    with refused("ALREADY_EXISTS", "TEMPLATE_KEY_EXISTS"):
        api.call("CreateTemplate", request_id="r1", name="A")
    assert api.call("CreateTemplate", request_id="r1", name="B").template.id != first.id
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("CreateTemplate", request_id="r1", name="C")


def test_a_request_that_is_forgotten_while_it_comes_again_is_a_new_one(api, monkeypatch):
    first = api.call("CreateTemplate", request_id="r1", name="A").template
    find = requests.find

    def too_late(workspace, request_id):
        forget_all(api)
        return find(workspace, request_id)

    monkeypatch.setattr(requests, "find", too_late)

    assert api.call("CreateTemplate", request_id="r1", name="B").template.id != first.id


def test_a_start_is_found_again_for_as_long_as_its_execution_is_there(api):
    version = api.publish(definition("start > end", name="Done"))
    fields = {"request_id": "order-1", "version_id": version.id}
    first = api.call("StartExecution", **fields).execution
    forget_all(api)

    assert api.call("StartExecution", **fields).execution == first
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("StartExecution", name="another", **fields)
    assert len(api.call("ListExecutions").executions) == 1


def test_a_deleted_execution_is_remembered_from_its_deletion_on(api):
    version = api.publish(definition("start > end", name="Done"))
    fields = {"request_id": "order-1", "version_id": version.id}
    for make_old in (
        "UPDATE requests SET create_time = now() - interval '40 days' WHERE workspace = %s RETURNING 1",
        "DELETE FROM requests WHERE workspace = %s AND request_id LIKE 'order%%' RETURNING 1",
    ):
        first = api.call("StartExecution", **fields).execution
        query(make_old, (api.workspace,))
        api.call("DeleteExecution", execution_id=first.id)
        requests.forget(30, 1_000)

        with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
            api.call("StartExecution", **fields)
        with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
            api.call("StartExecution", name="another", **fields)
        forget_all(api)


def test_a_request_that_took_over_the_id_of_a_forgotten_start_stays_what_it_is(api):
    version = api.publish(definition("start > end", name="Done"))
    fields = {"request_id": "order-1", "version_id": version.id}
    started = api.call("StartExecution", **fields).execution
    forget_all(api)
    template = api.call("CreateTemplate", request_id="order-1", name="A").template

    assert api.call("StartExecution", **fields).execution.id == started.id
    api.call("DeleteExecution", execution_id=started.id)

    assert api.call("CreateTemplate", request_id="order-1", name="A").template == template
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("StartExecution", **fields)


def test_an_event_is_found_again_for_as_long_as_it_is_kept(api):
    fields = {"request_id": "p1", "event_id": "e1", "name": "a.b"}
    first = api.call("PublishEvent", **fields)
    forget_all(api)

    assert api.call("PublishEvent", **fields) == first
    with refused("ALREADY_EXISTS", "EVENT_ID_REUSED"):
        api.call("PublishEvent", payload_json='{"x": 1}', **fields)


def test_each_workspace_has_request_ids_of_its_own(api, other):
    first = api.call("CreateTemplate", request_id="r1", name="A").template

    assert other.call("CreateTemplate", request_id="r1", name="A").template.id != first.id


def test_a_refused_request_may_be_sent_again(api):
    with refused("NOT_FOUND"):
        api.call("CreateVersion", request_id="r1", template_id="t", label="1", definition_json=VALID)
    template = a_template(api)

    api.call("CreateVersion", request_id="r1", template_id=template.id, label="1", definition_json=VALID)


@pytest.mark.parametrize("round_", range(5))
def test_eight_callers_with_one_request_have_one_effect(api, round_):
    outcomes = at_once(*[lambda: api.call("CreateTemplate", request_id="r1", name="A")] * 8)

    assert not reasons(outcomes)
    assert len({outcome.template.id for outcome in outcomes}) == 1
    assert count(api) == 1


@pytest.mark.parametrize("round_", range(5))
def test_of_two_requests_with_one_id_one_wins(api, round_):
    calls = [lambda name=name: api.call("CreateTemplate", request_id="r1", name=name) for name in "AB" * 8]

    outcomes = at_once(*calls)

    assert reasons(outcomes) == ["REQUEST_ID_REUSED"] * 8
    assert len({outcome.template.id for outcome in outcomes if not isinstance(outcome, Refusal)}) == 1
    assert count(api) == 1
