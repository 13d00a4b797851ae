"""Variables of an execution: what is set, who sets it first, and who is told to read again."""

from __future__ import annotations

import json
import threading

import grpc
import psycopg2
import pytest

from tests.end_to_end.api import Api, Refusal, refused, status
from tests.end_to_end.definitions import definition
from tests.rpc.registry import at_once

WAITS = definition("start > a; a > b; b > end", name="Waits", b={"title": "{% __variables__.word %}"})


@pytest.fixture
def execution(api):
    """An execution under way that waits for somebody."""
    id = api.start(WAITS).execution.id
    return api.await_that(id, lambda one: status(one) == "STARTED")


def put(api, execution, variables, expected=0, **fields):
    return api.call(
        "SetVariables",
        execution_id=execution.id,
        variables_json=json.dumps(variables),
        expected_revision=expected,
        **fields,
    ).execution


def variables(execution):
    return json.loads(execution.variables_json)


def changes(api, id):
    return [entry["data"]["variables"] for entry in api.ledger(id) if entry["type"] == "VARIABLES_CHANGED"]


def test_what_is_set_is_seen_by_readers_and_by_expressions(api, execution):
    assert not execution.HasField("variables_json")

    after = put(api, execution, {"word": "first", "n": 2**53 + 1, "x": 1.10})
    assert variables(after) == {"word": "first", "n": 2**53 + 1, "x": 1.1}
    after = put(api, after, {"word": "second", "list": [{"ü": None}]})

    assert variables(after) == {"list": [{"ü": None}], "n": 2**53 + 1, "word": "second", "x": 1.1}
    assert api.execution(execution.id) == after
    assert "9007199254740993" in after.variables_json
    assert not api.call("ListExecutions").executions[0].HasField("variables_json")
    api.complete(execution.id, "a")
    assert api.call("GetStepRun", step_run_id=f"{execution.id}/b/1").step_run.request.title == "second"
    assert len(changes(api, execution.id)) == 2


def test_b8_of_two_writers_one_is_told_the_revision_of_the_other(api, execution):
    read = execution.revision

    outcomes = at_once(*[lambda n=n: put(api, execution, {f"w{n}": n}, read) for n in range(2)])

    (won,) = [one for one in outcomes if not isinstance(one, Refusal)]
    (lost,) = [one for one in outcomes if isinstance(one, Refusal)]
    assert won.revision == read + 1
    assert (lost.code, lost.reason, lost.facts["revision"]) == ("ABORTED", "REVISION_CONFLICT", str(read + 1))
    assert f"has revision {read + 1}, not {read}" in lost.message
    loser = "w0" if "w1" in variables(won) else "w1"

    again = put(api, execution, {loser: 1}, api.execution(execution.id).revision)

    assert again.revision == read + 2
    assert set(variables(again)) == {"w0", "w1"}


def test_20_writers_at_once_each_set_their_own_once(api, execution):
    read = execution.revision
    conflicts = []

    def write(number):
        own = Api(api.channel, api.workspace)
        while True:
            revision = own.execution(execution.id).revision
            try:
                return put(own, execution, {f"w{number}": number}, revision)
            except grpc.RpcError as error:
                refusal = Refusal(error)
                assert refusal.reason == "REVISION_CONFLICT", refusal.message
                assert int(refusal.facts["revision"]) > revision
                conflicts.append(revision)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    after = api.execution(execution.id)
    assert variables(after) == {f"w{number}": number for number in range(20)}
    assert after.revision == read + 20
    assert len(changes(api, execution.id)) == 20
    assert conflicts


def test_without_an_expected_revision_everybody_sets(api, execution):
    outcomes = at_once(*[lambda n=n: put(api, execution, {f"w{n}": n}) for n in range(8)])

    assert not [one for one in outcomes if isinstance(one, Refusal)]
    assert variables(api.execution(execution.id)) == {f"w{n}": n for n in range(8)}


def test_a_request_that_is_sent_again_sets_once(api, execution):
    after = put(api, execution, {"a": 1}, execution.revision, request_id="set")

    assert put(api, execution, {"a": 1}, execution.revision, request_id="set") == after
    assert len(changes(api, execution.id)) == 1
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        put(api, execution, {"a": 2}, execution.revision, request_id="set")


def test_any_change_makes_an_expected_revision_old(api, execution):
    api.complete(execution.id, "a")

    with refused("ABORTED", "REVISION_CONFLICT"):
        put(api, execution, {"a": 1}, execution.revision)

    assert not changes(api, execution.id)


def test_variables_of_one_that_is_still_on_its_way_and_of_one_that_has_ended(api):
    id = api.start(WAITS, subject={"type": "CASE", "id": "v"}).execution.id
    after = api.call("SetVariables", subject={"type": "CASE", "id": "v"}, variables_json='{"a": 1}').execution
    assert (after.id, variables(after)) == (id, {"a": 1})
    api.call("CancelExecution", execution_id=id)

    with refused("FAILED_PRECONDITION", "EXECUTION_ENDED"):
        put(api, after, {"a": 2})

    assert variables(api.execution(id)) == {"a": 1}


def test_steps_set_variables_that_readers_see(api):
    sets = {"type": "data.set", "values": {"total": "{% 1 + 1 %}", "name": "x"}}
    started = api.start(
        definition("start > set; set > a; a > again; again > end", set=sets, again=sets | {"values": {"name": "y"}})
    )
    assert variables(started.execution) == {"total": 2, "name": "x"}

    ended = api.complete(started.execution.id, "a").execution

    assert variables(ended) == {"total": 2, "name": "y"}


@pytest.mark.parametrize("revision", [-1])
def test_no_revision_is_negative(api, execution, revision):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        put(api, execution, {}, revision)

    assert refusals[0].fields == ["expected_revision"]


def test_a_forgotten_request_id_may_stand_for_another_request(api, execution, heddle):
    put(api, execution, {"word": "first"}, request_id="r1")
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        put(api, execution, {"word": "second"}, request_id="r1")
    with psycopg2.connect(heddle.settings.database_url) as session, session.cursor() as cursor:
        cursor.execute("DELETE FROM requests WHERE workspace = %s", (api.workspace,))

    assert variables(put(api, execution, {"word": "second"}, request_id="r1")) == {"word": "second"}
