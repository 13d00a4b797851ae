"""The dialect `orchestrator`: what it is translated to, what is found in it and where, and how it runs."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.definition.compiling import examine, native
from service.definition.conditions import roots, translating
from service.definition.conditions.grammar import MAX_DEPTH, MAX_LENGTH
from service.definition.dialects.orchestrator.outline import STEP_TYPES
from service.engine.advancing import open_commands
from service.engine.commands import RunTask, SetTimer
from service.engine.observations import Cancelled, EventDelivered, StepCompleted, TaskCompleted, TaskFailed, TimerFired
from service.engine.projecting import project
from tests.definition.definitions import assert_sound
from tests.definition.random_orchestrator import random_definition
from tests.engine.graphs import Player

HERE = Path(__file__).parent
CASES = json.loads((HERE / "orchestrator_rules.json").read_text())
DEFINITIONS = {
    path.stem: json.loads(path.read_text()) for path in sorted((HERE / "orchestrator_definitions").glob("*.json"))
}


def told(examination):
    return [[f.severity, f.code, f.rule, f.pointer, f.message] for f in examination.findings]


def examined(document):
    return examine("orchestrator", document)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_definitions_get_the_findings_of_the_table(case):
    assert told(examined(case["definition"])) == case["findings"]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_documents_examples_are_translated_without_findings(name):
    examination = examined(DEFINITIONS[name])

    assert told(examination) == []
    assert examination.plan == examine("graph", native("orchestrator", DEFINITIONS[name])).plan


def test_a_step_without_transitions_ends_the_workflow_and_ends_meet_before_the_end():
    transitions = native("orchestrator", DEFINITIONS["order"])["stepTransitions"]

    ending = [one["fromStepId"] for one in transitions if one["toStepId"] == "end.join"]
    assert ending == ["wait_delivery", "notify_out_of_stock", "notify_invoice_failed", "notify_abandoned"]
    assert [one["fromStepId"] for one in transitions if one["toStepId"] == "end"] == ["end.join"]


def a_task(**more):
    return {"stepId": "a", "taskId": "t", **more}


def a_human_task(**wanted):
    return {"stepId": "a", "type": "HUMAN_TASK", "taskDefinition": wanted}


def a_wait(**more):
    return {"stepId": "a", "type": "event_wait", "event_pattern": "x.*", **more}


SAME = [
    (
        a_task(input="workflow.input.order", timeout="PT1H"),
        {"a": {"type": "task", "input": "{% __context__.order %}", "timeout": "PT1H"}},
    ),
    (
        a_task(retryPolicy={"maxRetries": 2, "retryInterval": 500, "maxRetryInterval": 900}),
        {"a": {"retry": {"maxAttempts": 3, "initialInterval": 500, "maxInterval": 900}}},
    ),
    (
        a_task(retryPolicy={"delay": "PT5M", "strategy": "fixed"}),
        {"a": {"retry": {"initialInterval": "PT5M", "backoffMultiplier": 1}}},
    ),
    (
        a_human_task(taskForm="claim-form", title="Claim ${workflow.input.n}"),
        {"a": {"type": "human.form", "formUi": {"form": "claim-form"}, "title": '{% "Claim " & __context__.n %}'}},
    ),
    (
        a_human_task(taskForm={"type": "object", "required": ["x"]}),
        {"a": {"type": "human.form", "formSchema": {"type": "object", "required": ["x"]}}},
    ),
    (
        {"stepId": "a", "type": "HUMAN_TASK", "taskId": "sign", "timeout": 5000},
        {"a": {"type": "task", "taskDefinition": {"key": "sign"}, "timeout": 5000}},
    ),
    (
        a_wait(timeout=5, lookBack="PT0S", event_payload_mapping={"a": "items[0]['x y']", "b": "event.payload"}),
        {"a": {"timeout": 5, "lookBack": "PT0S", "payloadMapping": {"a": "items[0].`x y`", "b": "$"}}},
    ),
    (
        a_task(type="DELAYED_TASK", delay="${workflow.input.pause}"),
        {"a.delay": {"type": "timer", "duration": "{% __context__.pause %}"}, "a": {"type": "task"}},
    ),
    ({"stepId": "start"}, {"start": {"type": "data.set"}, "start.2": {"type": "start"}}),
]


@pytest.mark.parametrize(("step", "steps"), SAME)
def test_each_way_to_write_a_step_has_its_native_one(step, steps):
    document = {"name": "D", "steps": [step]}
    found = {one["id"]: one for one in native("orchestrator", document)["steps"]}

    assert examined(document).plan is not None
    for id, expected in steps.items():
        assert {name: found[id].get(name) for name in expected} == expected


def test_aq1_both_ways_to_write_it_mean_the_same():
    by_transitions = [
        {"stepId": "a", "type": "TASK", "taskId": "t",
         "transitions": {"conditions": [{"condition": "task.output.n > 5", "nextStep": "b"}], "default": "c"}},
        {"stepId": "b", "type": "TASK", "taskId": "t"},
        {"stepId": "c", "type": "TASK", "taskId": "t"},
    ]  # fmt: skip
    by_next = [
        {"stepId": "a", "taskId": "t",
         "next": [{"nextStepId": "b", "condition": "${task.output.n} > 5"}, {"nextStepId": "c"}]},
        {"stepId": "b", "taskId": "t"},
        {"stepId": "c", "taskId": "t", "next": []},
    ]  # fmt: skip

    plans = [examined({"name": "D", "steps": steps}).plan for steps in (by_transitions, by_next)]

    assert plans[0] == plans[1]


def test_aq12_and_aq14_attempts_are_counted_in_all_and_numbers_are_milliseconds():
    ways = [
        {"timeout": 60_000, "retryPolicy": {"maxAttempts": 3, "initialInterval": 1000, "backoffMultiplier": 2}},
        {"timeout": "PT1M", "retryPolicy": {"maxAttempts": 3, "delay": "PT1S", "strategy": "exponential"}},
        {"timeout": "PT60S", "retryPolicy": {"maxRetries": 2, "retryInterval": 1000}},
    ]

    plans = [examined({"steps": [a_task(**way)]}).plan for way in ways]

    assert plans[0] == plans[1] == plans[2]
    assert plans[0].step["a"].settings["retry"]["maxAttempts"] == 3
    assert plans[0].step["a"].settings["timeout"] == 60


def test_aq17_names_may_be_written_in_snake_case_and_with_one_l():
    camel = json.dumps(DEFINITIONS["order"])
    snake = camel
    for name in ("stepId", "taskId", "retryPolicy", "maxAttempts", "onFailure", "inputMapping", "eventPattern"):
        written = re.sub("([A-Z])", r"_\1", name).lower()
        snake = snake.replace(f'"{name}"', f'"{written}"')
    snake = snake.replace("cancellationTriggers", "cancelationTriggers")

    assert snake != camel
    assert examined(json.loads(snake)).findings == ()
    assert examined(json.loads(snake)).plan == examined(json.loads(camel)).plan


def test_a_condition_that_leads_where_the_default_does_is_not_asked():
    choices = [{"condition": "workflow.input.a", "nextStep": "b"}, {"condition": "workflow.input.c", "nextStep": "b"}]
    steps = [{"stepId": "d", "choices": choices, "default": "b"}, {"stepId": "b", "taskId": "t"}]

    assert [step["type"] for step in native("orchestrator", {"steps": steps})["steps"]] == [
        "start", "data.set", "task", "end",
    ]  # fmt: skip


def test_a_step_may_lead_to_itself():
    steps = [{"stepId": "poll", "taskId": "poll", "transitions": {"AGAIN": "poll", "default": None}}]
    player = Player(examined({"steps": steps}).plan, {})

    player.answer({"outcome": "AGAIN"})
    player.answer({})

    assert player.state.status == "COMPLETED"
    assert player.count("STEP_COMPLETED")["poll"] == 2


PAGE = (HERE.parent.parent / "docs/orchestrator.md").read_text()
ROWS = re.findall(r"^\| `(.+)` \| `(.+)` \|$", PAGE.partition("| written | evaluated |")[2], re.MULTILINE)


def test_the_example_of_the_page_is_sound():
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)

    assert examined(json.loads(example)).findings == ()


@pytest.mark.parametrize(("written", "evaluated"), ROWS)
def test_the_page_tells_what_is_evaluated(written, evaluated):
    scope = roots.EVENT if written.startswith("event") else roots.STEP
    translate = translating.condition if "event" in written else translating.expression

    assert translate(written, scope) == evaluated


def test_the_page_tells_all_types_functions_and_limits():
    for told in (*STEP_TYPES, "exists(x)", "isEmpty(x)", "contains(x, y)", f"{MAX_LENGTH:,}", f"{MAX_DEPTH} levels"):
        assert told in PAGE
    assert len(ROWS) == 5


# How it runs.

INPUT = {"orderId": "ORD-1", "totalAmount": 99.99, "items": [{"sku": "a"}]}


def order():
    return Player(examined(DEFINITIONS["order"]).plan, INPUT)


def commands(player):
    return open_commands(player.plan, player.state)


def paid(amount=120, event_id="e1", order_id="ORD-1"):
    payload = {"id": "PAY-9", "amount": amount, "orderId": order_id}
    return {"eventId": event_id, "pattern": "payment.received", "payload": payload, "metadata": {}}


def test_an_order_runs_to_its_end():
    player = order()
    player.answer({"reserved": True})
    player.answer({})
    player.see(EventDelivered("wait_payment", 1, paid()))
    player.answer({})
    delivered = {"eventId": "e2", "pattern": "shipment.delivered", "payload": {"orderId": "ORD-1"}, "metadata": {}}
    player.see(EventDelivered("wait_delivery", 1, delivered))

    assert player.state.status == "COMPLETED"
    assert player.state.variables == {"paymentId": "PAY-9", "paidAmount": 120}
    done = [entry.step_id for entry in player.entries if entry.type == "STEP_COMPLETED"]
    assert done == [
        "start", "reserve", "invoice", "wait_payment", "check_amount", "ship", "wait_delivery", "end.join", "end",
    ]  # fmt: skip


def test_aq2_an_outcome_and_an_error_lead_to_the_same_step():
    for observation in (
        TaskCompleted("reserve/1", 1, {"outcome": "OUT_OF_STOCK"}),
        TaskFailed("reserve/1", 1, {"code": "OUT_OF_STOCK", "category": "BUSINESS", "message": "none"}),
    ):
        player = order()
        player.see(observation)

        assert player.open == ["notify_out_of_stock/1"]


def test_a_handler_gets_the_error_beside_its_own_input():
    player = order()
    player.answer({})
    player.see(TaskFailed("invoice/1", 1, {"code": "BROKEN", "category": "PERMANENT", "message": "no printer"}))

    (command,) = commands(player)
    assert command.input == {"kind": "INVOICE_FAILED", "failureReason": "no printer"}


def test_too_little_paid_reminds_and_waits_again():
    player = order()
    player.answer({})
    player.answer({})
    player.see(EventDelivered("wait_payment", 1, paid(amount=10)))
    assert player.open == ["remind/1"]
    player.answer({})
    assert player.open == ["wait_payment/2"]
    player.see(TimerFired("wait_payment/2"))
    player.answer({"outcome": "GIVE_UP"})

    assert player.open == ["notify_abandoned/1"]


def test_aq5_compensations_run_in_reverse_with_their_inputs():
    player = order()
    player.answer({"status": "authorized"})
    player.answer({"status": "sent"})
    player.see(EventDelivered("wait_payment", 1, paid()))
    player.see(Cancelled("changed my mind"))

    assert [part["id"] for part in project(player.entries).execution.compensation["plan"]] == ["refund", "release"]
    (command,) = commands(player)
    assert command.input == {"paymentId": "PAY-9", "reason": "changed my mind"}


def test_branches_meet_and_conditions_follow_them():
    player = Player(examined(DEFINITIONS["loan"]).plan, {"applicationId": "A", "amount": 5})
    player.see(TaskCompleted("credit_check/1", 1, {"score": 400}))
    assert set(player.open) == {"credit_manual/1", "identity_check/1"}
    player.see(StepCompleted("credit_manual"))
    assert player.open == ["identity_check/1"]
    player.see(TaskCompleted("identity_check/1", 1, {}))
    assert player.open == ["review/1"]
    player.see(StepCompleted("review", outcome="APPROVED", output={"remark": "fine"}))
    (command,) = commands(player)
    assert command.input == {"rate": 5.5, "amount": 5}
    player.see(TaskCompleted("offer/1", 1, {"needsSignature": True}))
    assert player.open == ["remind.delay/1"]


def test_no_condition_and_no_default_fails_the_execution():
    choices = [{"condition": "task.output.ok === true", "nextStep": "b"}]
    steps = [
        {"stepId": "a", "taskId": "t", "transitions": {"conditions": choices}},
        {"stepId": "b", "taskId": "t"},
    ]
    player = Player(examined({"steps": steps}).plan, {})
    player.answer({"ok": "true"})

    assert player.state.status == "FAILED"
    assert project(player.entries).execution.error["code"] == "NO_CONDITION_HOLDS"


def play(player, random):
    """Let something happen to one of the open steps."""
    key = random.choice(player.open)
    step_id, _, visit = key.rpartition("/")
    step = player.plan.step[step_id]
    command = next((one for one in commands(player) if one.key == key), None)
    if isinstance(command, SetTimer) and (step.type != "event.wait" or random.random() < 0.3):
        player.now = command.due
        player.see(TimerFired(key))
    elif step.type == "event.wait":
        event = {"eventId": f"e{len(player.entries)}", "pattern": "a.b", "payload": {"k": 1}, "metadata": {}}
        player.see(EventDelivered(step_id, int(visit), event))
    elif isinstance(command, RunTask) and random.random() < 0.2:
        player.see(TaskFailed(key, command.attempt, {"code": "BAD", "category": "PERMANENT", "message": "no"}))
    elif isinstance(command, RunTask):
        output = random.choice([{"outcome": "X"}, {"n": random.randint(0, 3)}, {}])
        player.see(TaskCompleted(key, command.attempt, output))
    else:
        outcomes = [one.on for one in player.plan.outgoing[step_id] if one.on] or [""]
        player.see(StepCompleted(step_id, outcome=random.choice(outcomes)))


def test_random_definitions_are_sound_or_told_why_and_never_hang():
    ended = 0
    for seed in range(60):
        examination = examined(random_definition(seed))
        broken = {finding.rule for finding in examination.findings if finding.severity == "ERROR"}
        assert broken <= {"STEPS_REACHABLE", "STEPS_REACH_END", "END_REACHABLE"}, seed
        if examination.plan is None:
            continue
        player = Player(examination.plan, {"k": 1})
        random = Random(seed)
        for _ in range(60):
            if not player.is_open:
                break
            assert player.open, f"seed {seed}: nothing is open, and it has not ended"
            play(player, random)
        ended += not player.is_open

    assert ended > 20


# Whatever comes.

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5)),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(st.text(max_size=5), part, max_size=3)),
    max_leaves=8,
)
WORDS = """
    a b start end end.join PT5M TASK PARALLEL DECISION HUMAN_TASK ${workflow.input.x} ${ default invoice reserve checks
    credit_check event.payload.x===workflow.input.y
"""


def places(value, pointer=()):
    yield pointer
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*pointer, key))


@st.composite
def damaged(draw):
    document = copy.deepcopy(DEFINITIONS[draw(st.sampled_from(sorted(DEFINITIONS)))])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(list(places(document))[1:]))
        part = document
        for key in place[:-1]:
            part = part[key]
        value = draw(st.one_of(st.none(), JSON, st.sampled_from(WORDS.split())))
        if value is None and isinstance(part, dict):
            del part[place[-1]]
        else:
            part[place[-1]] = value
    return document


@settings(max_examples=80, deadline=None)
@given(st.one_of(JSON, damaged()))
def test_whatever_the_document_is_it_is_examined_and_findings_stand_in_it(document):
    examination = examined(document)

    assert_sound(examination, document)
    if examination.plan is not None:
        assert json.dumps(native("orchestrator", document))
