"""Random definitions on the real thing: Temporal's run writes the ledger that the pure engine writes."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from temporalio import activity

from service.definition.compiling import examine
from service.definition.plan import Plan
from tests.end_to_end.api import Api
from tests.end_to_end.replaying import simulate, timeless
from tests.end_to_end.task_worker import working
from tests.engine.random_plans import plans

SAMPLE = 40
MOST_COMPLETIONS = 25
MOST_ENTRIES = 150
QUEUE = "random-plans"


@activity.defn(name="random")
async def random_task(task: dict) -> dict:
    """Do nothing, now and then for a moment."""
    await asyncio.sleep(random.choice([0, 0, 0.02]))
    return {"again": False, "key": task["idempotencyKey"]}


@pytest.fixture(scope="module")
def task_worker(temporal_address):
    """A task worker in a thread of its own."""
    with working(temporal_address, QUEUE, random_task):
        yield


def as_definition(plan: Plan) -> dict:
    """Write a plan as its author would have."""
    steps = []
    for step in plan.steps:
        settings = {}
        if step.type == "task":
            settings = {"task": "random", "taskQueue": QUEUE, "timeout": 5000}
        if step.type == "timer":
            settings = {"duration": "PT0.01S"}
        steps.append({"id": step.id, "type": step.type, "name": step.name, **settings})
    transitions = []
    for transition in plan.transitions:
        more = {"isDefault": True} if transition.is_default else {}
        if transition.condition:
            more["condition"] = {"src": transition.condition}
        transitions.append(
            {"id": transition.id, "fromStepId": transition.source, "toStepId": transition.target, **more}
        )
    return {"id": "random", "name": "random", "steps": steps, "stepTransitions": transitions}


def play(api: Api, execution_id: str, dice: random.Random) -> None:
    """Complete whatever human steps are open until the execution ends; one that goes on for ever is cancelled."""

    def waiting() -> list[tuple[str, int]]:
        return [
            (step, visit) for step, visit, state in api.runs(execution_id) if state == "WAITING" and "human" in step
        ]

    for turn in range(MOST_COMPLETIONS):
        execution = api.await_that(
            execution_id,
            lambda one: one.HasField("end_time") or one.last_ledger_number > MOST_ENTRIES or bool(waiting()),
        )
        if execution.HasField("end_time"):
            return
        if execution.last_ledger_number > MOST_ENTRIES:
            break
        step, visit = dice.choice(waiting())
        run = f"{execution_id}/{step}/{visit}"
        output = json.dumps({"again": turn < 8 and dice.random() < 0.3})
        api.call("CompleteStep", execution_id=execution_id, step_run_id=run, output_json=output)
    api.call("CancelExecution", execution_id=execution_id, reason="no more")


def test_the_run_on_temporal_writes_the_ledger_of_the_pure_engine(api: Api, task_worker):
    checked = []

    @seed(20261121)
    @settings(
        max_examples=SAMPLE,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plans())
    def check(drawn: Plan) -> None:
        definition = as_definition(drawn)
        examination = examine("graph", definition)
        assert examination.plan is not None, [
            finding for finding in examination.findings if finding.severity == "ERROR"
        ]
        id = api.start(definition, {"p": True}).execution.id
        play(api, id, random.Random(len(checked)))
        api.await_end(id)
        ledger = api.ledger(id)
        checked.append(len(ledger))

        assert timeless(simulate(examination.plan, ledger)) == timeless(ledger)

    check()

    assert len(checked) == SAMPLE
