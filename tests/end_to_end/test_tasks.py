"""Tasks over the real server and Temporal: errors of workers, HTTP requests, and task definitions."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError

from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import definition
from tests.end_to_end.task_worker import working
from tests.endpoint import answer, endpoint

QUICK = {"maxAttempts": 3, "initialInterval": 20}


@pytest.fixture
def api(heddle, workspace) -> Api:
    return Api(heddle.channel, workspace)


def one(**step):
    return definition("start > a; a > end", a=step) | {"outputExpression": {"src": "__steps__.a.outputData"}}


def run_of(api: Api, execution):
    return api.call("GetStepRun", step_run_id=f"{execution.id}/a/1").step_run


@activity.defn(name="charge")
async def charge(task):
    if task["step"]["attempt"] < task["input"]["succeeds"]:
        raise ApplicationError("the bank is closed", {"category": "TRANSIENT", "bank": "north"}, type="BANK_CLOSED")
    if task["input"]["succeeds"] == 0:
        raise ApplicationError("no money", {"category": "BUSINESS", "missing": 5}, type="CARD_REFUSED")
    return {"paid": task["input"]["succeeds"], "key": task["idempotencyKey"]}


def test_a_step_run_tells_attempts_and_the_last_error_of_a_worker(api, temporal_address):
    queue = f"q-{secrets.token_hex(4)}"
    version = api.publish(one(type="task", task="charge", taskQueue=queue, retry=QUICK))
    with working(temporal_address, queue, charge):
        done = api.await_end(api.start(version, {"succeeds": 3}).execution.id)
        refusal = api.await_end(api.start(version, {"succeeds": 0}).execution.id)

    run = run_of(api, done)
    assert (status(done), run.attempt, json.loads(done.output_json)["paid"]) == ("COMPLETED", 3, 3)
    assert (run.error.code, run.error.category, run.error.retriable) == ("BANK_CLOSED", "TRANSIENT", True)
    assert (run.error.message, run.error.details_json) == ("the bank is closed", '{"bank":"north"}')
    run = run_of(api, refusal)
    assert (status(refusal), refusal.error.code, run.attempt) == ("FAILED", "CARD_REFUSED", 1)
    assert (run.error.category, run.error.details_json, run.error.retriable) == ("BUSINESS", '{"missing":5}', False)


def test_a_task_set_free_again_runs_anew_though_its_worker_has_not_heard_that_it_was_disabled(api, temporal_address):
    queue, runs = f"q-{secrets.token_hex(4)}", []

    @activity.defn(name="deaf")
    async def deaf(task):
        runs.append(task["idempotencyKey"])
        await asyncio.sleep(0 if len(runs) == 3 else 60)

    with working(temporal_address, queue, deaf):
        id = api.start(one(type="task", task="deaf", taskQueue=queue)).execution.id
        for turn in (1, 2):
            api.await_that(id, lambda _, turn=turn: len(runs) == turn)
            for to in ("STATUS_DISABLED", "STATUS_RUNNING"):
                api.call("UpdateStep", execution_id=id, step_id="a", status=to)
        done = api.await_end(id)

    assert status(done) == "COMPLETED"
    assert runs == [f"{id}/a/1"] * 3


def test_a_definition_with_an_output_that_it_does_not_allow_fails_with_output_invalid(api, temporal_address):
    queue = f"q-{secrets.token_hex(4)}"
    api.call(
        "CreateTaskDefinition",
        key="pay",
        type="TYPE_AUTOMATED",
        input_schema_json='{"required": ["succeeds"]}',
        output_schema_json='{"properties": {"paid": {"const": 1}}}',
        implementation_json=json.dumps({"type": "task", "task": "charge", "taskQueue": queue, "retry": QUICK}),
    )
    version = api.publish(one(type="task", taskDefinition="pay"))
    with working(temporal_address, queue, charge):
        fine, output, input = (
            api.await_end(api.start(version, value).execution.id) for value in ({"succeeds": 1}, {"succeeds": 2}, {})
        )

    assert status(fine) == "COMPLETED"
    assert (output.error.code, input.error.code) == ("OUTPUT_INVALID", "INPUT_INVALID")
    assert run_of(api, output).error.category == "VALIDATION"


def test_requests_go_where_the_settings_allow_and_definitions_are_pinned(own_heddle, workspace):
    behaviours = (answer(status=503), *(answer({"n": n}, Content_Type="application/json") for n in range(9)))
    with endpoint(*behaviours) as served, endpoint(answer(b"hidden")) as hidden:
        heddle = own_heddle(HEDDLE_HTTP_ALLOW=f"127.0.0.1:{served.port}")
        api = Api(heddle.channel, workspace)
        written = {"type": "http", "method": "POST", "url": served.url, "retry": QUICK}
        made = api.call(
            "CreateTaskDefinition", key="pay", type="TYPE_INTEGRATION", implementation_json=json.dumps(written)
        ).task_definition
        version = api.publish(one(type="task", taskDefinition="pay", input={"id": "{% __context__.id %}"}))
        elsewhere = json.dumps(written | {"url": hidden.url})
        api.call("UpdateTaskDefinition", task_definition_id=made.id, implementation_json=elsewhere)
        changed = api.publish(one(type="task", taskDefinition="pay"))
        api.call("DeleteTaskDefinition", task_definition_id=made.id)

        done = api.await_end(api.start(version, {"id": 7}).execution.id)
        kept_out = api.await_end(api.start(changed).execution.id)
        plain = api.await_end(
            api.start(one(type="http", url=f"{{% '{served.url}?id=' & __context__.id %}}"), {"id": 8}).execution.id
        )

    run = run_of(api, done)
    assert (status(done), json.loads(done.output_json), run.attempt) == ("COMPLETED", {"n": 0}, 2)
    assert (run.error.code, run.error.category, json.loads(run.error.details_json)["status"]) == (
        "HTTP_503",
        "TRANSIENT",
        503,
    )
    assert json.loads(run.input_json) == {"id": 7}
    assert [request.document for request in served.requests[:2]] == [{"id": 7}] * 2
    assert {request.headers["idempotency-key"] for request in served.requests[:2]} == {f"{done.id}/a/1"}
    assert (json.loads(plain.output_json), served.requests[2].line) == ({"n": 1}, "GET /data?id=8 HTTP/1.1")
    assert (kept_out.error.code, hidden.requests) == ("HTTP_NOT_ALLOWED", [])


@pytest.mark.parametrize("host", ["169.254.169.254", "localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
def test_nothing_is_asked_where_the_settings_list_nothing(api, host):
    with endpoint(answer(b"secret")) as served:
        done = api.await_end(api.start(one(type="http", url=f"http://{host}:{served.port}/")).execution.id)

    run = run_of(api, done)
    assert (done.error.code, run.attempt, run.error.category) == ("HTTP_NOT_ALLOWED", 1, "SECURITY")
    assert served.requests == []


def test_a_manual_task_is_completed_by_a_person(api):
    schema = {"type": "object", "required": ["approved"]}
    implementation = {"type": "human.form", "formSchema": schema, "assignment": {"roles": ["{% __input__.role %}"]}}
    api.call(
        "CreateTaskDefinition",
        key="approve",
        type="TYPE_MANUAL",
        output_schema_json=json.dumps(schema),
        implementation_json=json.dumps(implementation),
    )
    started = api.start(one(type="task", taskDefinition="approve", input={"amount": 5, "role": "clerk"}))
    run = run_of(api, started.execution)

    assert (status(run), run.step_type, json.loads(run.request.form.schema_json)) == ("WAITING", "human.form", schema)
    assert json.loads(run.input_json)["input"] == {"amount": 5, "role": "clerk"}
    inbox = api.call("ListHumanTasks", roles=["clerk"]).human_tasks
    assert [(one.execution_id, one.step_id) for one in inbox] == [(started.execution.id, "a")]
    with refused("INVALID_ARGUMENT", "OUTPUT_INVALID"):
        api.complete(started.execution.id, "a", {})
    assert status(api.complete(started.execution.id, "a", {"approved": True}).execution) == "COMPLETED"
