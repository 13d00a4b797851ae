"""Steps that send requests, and steps compiled from task definitions: what they ask for and what they take."""

from __future__ import annotations

from datetime import timedelta

import pytest

from service.definition.compiling import examine
from service.definition.surroundings import Surroundings
from service.engine.advancing import open_commands
from service.engine.commands import OWN_QUEUE, RunTask
from service.engine.observations import Cancelled, StepCompleted, TaskCompleted, TaskFailed, TimerFired
from service.engine.run import Refused
from tests.definition.definitions import chain, step, task_definition
from tests.engine.graphs import Player

ORDER = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
PAID = {"type": "object", "required": ["paid"]}


def play(written, *definitions, input=None) -> Player:
    plan = examine("graph", chain(written), Surroundings(task_definitions=definitions)).plan
    assert plan is not None
    return Player(plan, input)


def command(player: Player) -> RunTask:
    (found,) = open_commands(player.plan, player.state)
    assert isinstance(found, RunTask)
    return found


def failure(player: Player):
    assert player.state.status == "FAILED"
    return player.entries[-1].data["error"]


def http(**more):
    return step("a", "http", **({"url": "https://x.example/"} | more))


def test_a_request_is_made_when_the_step_begins_and_stands_in_the_ledger():
    written = http(
        method="{% 'POST' %}",
        url="{% 'https://x.example/' & __context__.id %}",
        headers={"X-Id": "{% __context__.id %}", "X-None": "{% __context__.none %}"},
        body={"list": ["{% __context__.id + 1 %}"]},
        timeout=2000,
    )
    player = play(written, input={"id": 7})

    request = {"method": "POST", "url": "https://x.example/7", "headers": {"X-Id": 7}, "body": {"list": [8]}}
    assert player.state.open["a/1"].input == request
    assert command(player) == RunTask(
        key="a/1",
        attempt=1,
        task="heddle.http",
        task_queue=OWN_QUEUE,
        input={"request": request, "output": "BODY", "timeout": 2.0},
        timeout=7.0,
    )


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({"url": "{% __context__.nothing %}"}, "/url: an address is a string"),
        ({"url": "{% 'http://u:p@x.example/' %}"}, "/url"),
        ({"url": "{% 'file:///etc/passwd' %}"}, "/url"),
        ({"url": "{% 'https://x.example/a b' %}"}, "/url"),
        ({"url": "{% 'https://x.example/ü' %}"}, "/url"),
        ({"url": "{% '{% 1 %}' %}"}, "/url"),
        ({"method": "{% 'TRACE' %}"}, "/method"),
        ({"headers": "{% 'x' %}"}, "/headers: headers are an object"),
        ({"headers": {"X": "{% 'a\r\nb' %}"}}, "/headers/X"),
        ({"headers": {"X": "{% [1] %}"}}, "/headers/X"),
        ({"headers": "{% {'Host': 'x'} %}"}, "/headers/Host"),
        ({"method": "{% 'GET' %}", "body": "{% 1 %}"}, "/body: a GET has no body"),
        ({"method": "POST", "body": "{% $pad('', 300000, 'x') %}"}, ""),
    ],
)
def test_a_request_that_cannot_be_sent_fails_the_step(written, says):
    error = failure(play(http(**written)))

    assert says in error["message"]
    assert error["code"] == ("HTTP_REQUEST_INVALID" if says else error["code"])


def test_attempts_of_a_request_are_those_of_a_task():
    player = play(http(retry={"maxAttempts": 2}))
    error = {"code": "HTTP_503", "message": "no", "category": "TRANSIENT", "retriable": True}
    due = player.see(TaskFailed("a/1", 1, error)).commands[-1].due

    assert due - player.now == timedelta(seconds=1)
    player.see(TimerFired("a/1"))
    assert command(player).attempt == 2
    player.see(TaskCompleted("a/1", 2, {"outcome": "PAID"}))
    assert (player.state.status, player.state.results["a"].outcome) == ("COMPLETED", "PAID")


@pytest.mark.parametrize("on", ["HTTP_404", "PERMANENT", "ERROR"])
def test_a_status_may_be_caught(on):
    document = chain(http(), step("no", "human.confirm"))
    document["stepTransitions"] = [
        {"id": "t1", "fromStepId": "start", "toStepId": "a"},
        {"id": "t2", "fromStepId": "a", "toStepId": "end"},
        {"id": "t3", "fromStepId": "a", "toStepId": "no", "on": on},
        {"id": "t4", "fromStepId": "no", "toStepId": "a"},
    ]
    player = Player(examine("graph", document).plan)
    details = {"status": 404, "body": {"reason": "GONE"}}
    error = {"code": "HTTP_404", "message": "no", "category": "PERMANENT", "retriable": False, "details": details}

    player.see(TaskFailed("a/1", 1, error))

    assert player.open == ["no/1"]


def test_an_answer_is_held_against_the_schema_of_the_step():
    player = play(http(outputSchema=PAID))

    player.see(TaskCompleted("a/1", 1, "text"))

    assert (failure(player)["code"], failure(player)["category"]) == ("OUTPUT_INVALID", "VALIDATION")


# Task definitions.


def task(**more):
    return step("a", "task", taskDefinition="pay", **more)


def test_a_task_gets_only_what_its_definition_takes():
    definition = task_definition("pay", input_schema=ORDER)

    assert command(play(task(), definition, input={"id": 7})).input == {"id": 7}
    error = failure(play(task(input={"id": "{% 'x' %}"}), definition))
    assert (error["code"], error["category"], error["retriable"]) == ("INPUT_INVALID", "VALIDATION", False)
    assert error["details"] == {"violations": [{"pointer": "/id", "message": '"x" is not of type "integer"'}]}


@pytest.mark.parametrize("more", [{}, {"outputSchema": {"type": "object"}}])
def test_a_task_gives_only_what_its_definition_gives(more):
    player = play(
        task(retry={"retryableErrors": ["OUTPUT_INVALID"]}, **more), task_definition("pay", output_schema=PAID)
    )

    player.see(TaskCompleted("a/1", 1, {}))

    error = failure(player)
    assert (error["code"], error["category"], error["pointer"]) == ("OUTPUT_INVALID", "VALIDATION", "")


def test_the_schema_of_the_step_holds_beside_that_of_the_definition():
    player = play(task(outputSchema={"required": ["more"]}), task_definition("pay", output_schema=PAID))

    player.see(TaskCompleted("a/1", 1, {"paid": True}))

    assert "more" in failure(player)["message"]


def test_the_request_of_a_definition_is_made_of_the_input_of_the_task():
    implementation = {
        "type": "http",
        "method": "PUT",
        "url": "{% 'https://x.example/' & __input__.id %}",
        "headers": {"X-Id": "{% __input__.id %}"},
        "output": "RESPONSE",
    }
    definition = task_definition("pay", input_schema=ORDER, implementation=implementation)
    player = play(task(input={"id": "{% __context__.order %}"}), definition, input={"order": 7})

    assert player.state.open["a/1"].input == {"id": 7}
    assert command(player).input == {
        "request": {"method": "PUT", "url": "https://x.example/7", "headers": {"X-Id": 7}, "body": {"id": 7}},
        "output": "RESPONSE",
        "timeout": 30.0,
    }
    assert failure(play(task(input={"id": "x"}), definition))["code"] == "INPUT_INVALID"


def test_a_request_that_an_input_makes_wrong_fails_the_step():
    definition = task_definition("pay", implementation={"type": "http", "url": "{% __input__.url %}"})

    assert failure(play(task(input={"url": "http://u:p@x/"}), definition))["code"] == "HTTP_REQUEST_INVALID"


def test_a_person_is_asked_for_what_the_definition_gives():
    implementation = {"type": "human.form", "formSchema": PAID, "title": "{% 'Pay order ' & __input__.id %}"}
    definition = task_definition(
        "pay", type="MANUAL", input_schema=ORDER, output_schema={"minProperties": 2}, implementation=implementation
    )
    player = play(task(input={"id": 7}), definition)

    assert player.state.open["a/1"].input == {"title": "Pay order 7", "input": {"id": 7}}
    for output in ({}, {"paid": True}):
        with pytest.raises(Refused) as refusal:
            player.see(StepCompleted("a", output=output))
        assert refusal.value.reason == "OUTPUT_INVALID"
    player.see(StepCompleted("a", output={"paid": True, "by": "cash"}))
    assert player.state.status == "COMPLETED"


def test_whose_work_it_is_may_depend_on_the_input_of_the_task():
    implementation = {
        "type": "human.confirm",
        "assignment": {"assignee": "{% __input__.owner %}", "roles": ["clerk"]},
        "priority": "{% __input__.urgent ? 'HIGH' : 'LOW' %}",
        "dueIn": "{% __input__.days * 86400000 %}",
    }
    definition = task_definition("pay", type="MANUAL", implementation=implementation)
    player = play(task(input={"owner": "ann", "urgent": True, "days": 2}), definition)

    found = player.state.open["a/1"].task
    assert (found["assignee"], found["roles"], found["priority"]) == ("ann", ["clerk"], "HIGH")
    assert found["due"] == "2026-01-03T00:00:00+00:00"


def test_a_compensation_may_be_a_request():
    undo = {
        "type": "http",
        "method": "DELETE",
        "url": "{% 'https://x.example/' & __original__.output.id %}",
        "retry": {"maxAttempts": 1},
    }
    written = step("a", "task", task="t", compensation=undo)
    plan = examine("graph", chain(written, step("b", "human.confirm"))).plan
    player = Player(plan)
    player.see(TaskCompleted("a/1", 1, {"id": 7}))
    player.see(Cancelled(reason="no"))

    found = command(player)
    assert found.input["request"] == {"method": "DELETE", "url": "https://x.example/7"}
    player.see(TaskCompleted(found.key, 1, None))
    assert player.entries[-1].data["status"] == "COMPLETED"


def test_a_compensation_may_have_a_definition():
    implementation = {"type": "http", "method": "POST", "url": "https://x.example/refunds"}
    definition = task_definition("refund", input_schema=ORDER, implementation=implementation)
    undo = {"taskDefinition": "refund", "input": {"id": "{% __original__.output.id %}"}}
    written = step("a", "task", task="t", compensation=undo)
    document = chain(written, step("b", "human.confirm"))
    player = Player(examine("graph", document, Surroundings(task_definitions=(definition,))).plan)
    player.see(TaskCompleted("a/1", 1, {"id": 7}))
    player.see(Cancelled(reason="no"))

    assert command(player).input["request"]["body"] == {"id": 7}


def test_a_person_is_not_asked_with_an_input_that_the_definition_refuses():
    definition = task_definition("pay", type="MANUAL", input_schema=ORDER)

    assert failure(play(task(input={}), definition))["code"] == "INPUT_INVALID"


def test_an_input_that_no_ledger_can_hold_fails_the_step():
    assert failure(play(step("a", "task", task="t"), input="a\0"))["code"] == "INPUT_INVALID"
