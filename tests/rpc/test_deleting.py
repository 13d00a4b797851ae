"""Deleting executions: with all below them, once they have ended, and without a trace but of the request."""

from __future__ import annotations

import pytest

from storage.database import query
from tests.end_to_end.api import entity, refused
from tests.end_to_end.definitions import definition
from tests.rpc.registry import at_once, reasons

DONE = definition("start > end", name="Done")
OPEN = definition("start > a; a > end", name="Open")
UNKNOWN = "0197c5a0-0000-7000-8000-000000000000"


@pytest.fixture
def done(api):
    """A version whose executions have ended when they are started."""
    return api.publish(DONE)


def start(api, version, **fields):
    return api.call("StartExecution", version_id=version.id, **fields).execution.id


def family(api, version, *shape):
    """Make executions a family: one for each number, which is the place of its parent in the list."""
    ids = [start(api, version) for _ in range(len(shape) + 1)]
    for place, parent in enumerate(shape, start=1):
        query(
            "UPDATE executions SET parent_id = %s, root_id = %s WHERE workspace = %s AND id = %s RETURNING 1",
            (ids[parent], ids[0], api.workspace, ids[place]),
        )
    return ids


def set_status(api, id, status):
    query(
        "UPDATE executions SET status = %s, phase = CASE %s WHEN 'STARTED' THEN 'RUNNING' ELSE 'NONE' END, "
        "end_time = CASE %s WHEN 'STARTED' THEN NULL ELSE now() END, launch_state = NULL "
        "WHERE workspace = %s AND id = %s RETURNING 1",
        (status, status, status, api.workspace, id),
    )


def delete(api, id, **fields):
    return api.call("DeleteExecution", execution_id=id, **fields).deleted_executions


def listed(api):
    return {execution.id for execution in api.call("ListExecutions", page_size=200).executions}


def rows(api, table):
    return query(f"SELECT count(*) FROM {table} WHERE workspace = %s", (api.workspace,))[0][0]


def test_an_execution_goes_with_its_step_runs_and_its_ledger(api, done):
    kept, gone = start(api, done), start(api, done)

    assert delete(api, gone) == 1

    assert listed(api) == {kept}
    for table in ("step_runs", "ledger"):
        assert query(f"SELECT DISTINCT execution_id FROM {table} WHERE workspace = %s", (api.workspace,)) == [(kept,)]
    for method in ("GetExecution", "ListStepRuns", "ListLedgerEntries", "DeleteExecution", "CancelExecution"):
        with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
            api.call(method, execution_id=gone)


def test_all_below_go_with_it(api, done):
    ids = family(api, done, 0, 0, 1, 3, 3)
    other = start(api, done)

    assert delete(api, ids[0]) == 6

    assert listed(api) == {other}


def test_a_branch_goes_without_the_others(api, done):
    ids = family(api, done, 0, 0, 1, 3)

    assert delete(api, ids[1]) == 3

    assert listed(api) == {ids[0], ids[2]}


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "FAILED_TO_START"])
def test_whatever_has_ended_is_deleted(api, done, status):
    id = start(api, done)
    set_status(api, id, status)

    assert delete(api, id) == 1


def test_what_has_not_started_yet_is_not_deleted(api):
    id = start(api, api.publish(OPEN))  # Temporal is away

    with refused("FAILED_PRECONDITION", "EXECUTION_NOT_ENDED") as refusals:
        delete(api, id)

    assert refusals[0].message == f"cannot delete execution {id}: it is CREATED"
    assert (refusals[0].facts["execution_id"], refusals[0].facts["status"]) == (id, "CREATED")
    assert listed(api) == {id}


def test_while_one_below_goes_on_nothing_is_deleted(api, done):
    ids = family(api, done, 0, 0, 1, 3)
    set_status(api, ids[4], "STARTED")

    with refused("FAILED_PRECONDITION", "EXECUTION_NOT_ENDED") as refusals:
        delete(api, ids[0])

    assert refusals[0].message == f"cannot delete execution {ids[0]}: execution {ids[4]} below it is STARTED"
    assert listed(api) == set(ids)
    assert delete(api, ids[2]) == 1


@pytest.mark.parametrize(("status", "words"), [("STARTED", "is STARTED;"), ("FAILED", "is FAILED and may be retried;")])
def test_what_a_parent_goes_by_is_not_deleted(api, done, status, words):
    ids = family(api, done, 0, 1)
    set_status(api, ids[0], status)

    with refused("FAILED_PRECONDITION", "EXECUTION_NEEDED") as refusals:
        delete(api, ids[1])

    assert words in refusals[0].message
    assert refusals[0].facts["parent_execution_id"] == ids[0]
    assert listed(api) == set(ids)


@pytest.mark.parametrize("status", ["COMPLETED", "CANCELLED", "FAILED_TO_START"])
def test_a_child_whose_parent_needs_it_no_more_is_deleted(api, done, status):
    ids = family(api, done, 0)
    set_status(api, ids[0], status)

    assert delete(api, ids[1]) == 1


def test_deleting_again_by_the_same_request_is_answered_the_same(api, done):
    id = start(api, done)

    assert delete(api, id, request_id="d1") == delete(api, id, request_id="d1") == 1
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        delete(api, start(api, done), request_id="d1")


def test_the_request_that_started_it_starts_nothing_again(api, done):
    fields = {"version_id": done.id, "request_id": "order-1"}
    delete(api, api.call("StartExecution", **fields).execution.id)

    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND") as refusals:
        api.call("StartExecution", **fields)
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("StartExecution", name="another", **fields)
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        api.call("CreateTemplate", name="x", request_id="order-1")

    assert refusals[0].message == 'the execution that request_id "order-1" started was deleted'
    assert not listed(api)


def test_cq9_a_purchase_delivered_again_after_its_execution_was_deleted_starts_nothing(api, done):
    purchase = entity("PRODUCT", "p")
    api.call("CreateLink", entity=purchase, template_id=done.template_id)
    started = api.call("StartExecution", entity=purchase, request_id="purchase-1").execution
    delete(api, started.id)

    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
        api.call("StartExecution", entity=purchase, request_id="purchase-1")

    (record,) = api.call("ListTriggerRecords", entity=purchase).trigger_records
    assert (record.execution_id, record.request_id) == (started.id, "purchase-1")


def test_a_deleted_execution_no_longer_keeps_its_template(api, done):
    id = start(api, done)
    with refused("FAILED_PRECONDITION", "TEMPLATE_IN_USE"):
        api.call("DeleteTemplate", template_id=done.template_id)

    delete(api, id)

    api.call("DeleteTemplate", template_id=done.template_id)


def test_another_workspaces_execution_is_not_found(api, other, done):
    id = start(api, done)

    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND") as foreign:
        delete(other, id)
    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND") as missing:
        delete(other, UNKNOWN)

    assert foreign[0].message.replace(id, UNKNOWN) == missing[0].message
    assert listed(api) == {id}


@pytest.mark.parametrize("round_", range(5))
def test_a_family_that_is_deleted_from_two_sides_is_gone_in_the_end(api, done, round_):
    ids = family(api, done, 0, 1, 2)

    outcomes = at_once(lambda: delete(api, ids[0]), lambda: delete(api, ids[2]), lambda: delete(api, ids[0]))

    assert set(reasons(outcomes)) <= {"EXECUTION_NOT_FOUND"}
    assert not listed(api)
    assert [rows(api, table) for table in ("step_runs", "ledger")] == [0, 0]


def test_a_family_of_thousands_goes_at_once(api, done):
    (top,) = family(api, done)
    columns = "name, plan_digest, template_id, version_id"
    query(
        f"INSERT INTO executions (workspace, id, request_id, request_digest, {columns}, status, phase, input, root_id, "
        "parent_id, correlation_id, subject_type, subject_id, entity_type, entity_id, last_number, create_time, "
        f"update_time) SELECT workspace, id || '-' || n, id || n, '', {columns}, 'COMPLETED', 'NONE', '{{}}', id, id, "
        "'', '', '', '', '', 1, now(), now() FROM executions, generate_series(1, 5000) n WHERE workspace = %s "
        "RETURNING 1",
        (api.workspace,),
    )
    query(
        "INSERT INTO ledger SELECT workspace, id, 1, 1, '[]' FROM executions WHERE workspace = %s AND id <> %s "
        "RETURNING 1",
        (api.workspace, top),
    )

    assert delete(api, top) == 5001

    assert [rows(api, table) for table in ("executions", "ledger")] == [0, 0]
