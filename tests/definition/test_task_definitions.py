"""What a plan gets of a step that names a task definition."""

from __future__ import annotations

import pytest

from service.definition.compiling import examine
from service.definition.plan import Plan
from service.definition.surroundings import Surroundings
from tests.definition.definitions import chain, step, task_definition

RETRY = {
    "maxAttempts": 3,
    "initialInterval": 1.0,
    "backoffMultiplier": 2,
    "maxInterval": 60.0,
    "nonRetryableErrors": [],
}


def plan_of(*definitions, **written) -> Plan:
    document = chain(step("a", "task", **({"taskDefinition": "pay"} | written)))
    examination = examine("graph", document, Surroundings(task_definitions=definitions))
    assert examination.plan is not None, examination.findings
    return examination.plan


def compiled(*definitions, **written):
    return plan_of(*definitions, **written).step["a"]


def test_a_definition_without_an_implementation_is_the_activity_of_its_name():
    found = compiled(task_definition("pay"))

    assert (found.type, found.settings) == (
        "task",
        {
            "task": "pay",
            "taskQueue": "heddle-tasks",
            "timeout": 300.0,
            "retry": RETRY,
            "definition": {"id": "id-of-pay", "key": "pay", "version": 1},
        },
    )


def test_the_step_goes_before_the_definition():
    implementation = {
        "type": "task",
        "task": "charge",
        "taskQueue": "payments",
        "timeout": "PT1M",
        "heartbeat": 5000,
        "retry": {"maxAttempts": 9},
    }
    definition = task_definition("pay", implementation=implementation)

    own = compiled(definition).settings
    step_says = compiled(definition, timeout=1000, retry={"maxAttempts": 2}, taskQueue="q", heartbeat=1).settings

    assert (own["task"], own["taskQueue"], own["timeout"], own["heartbeat"], own["retry"]) == (
        "charge",
        "payments",
        60.0,
        5.0,
        RETRY | {"maxAttempts": 9},
    )
    assert (step_says["task"], step_says["taskQueue"], step_says["timeout"], step_says["heartbeat"]) == (
        "charge",
        "q",
        1.0,
        0.001,
    )
    assert step_says["retry"] == RETRY | {"maxAttempts": 2}


def test_schemas_and_the_input_of_the_step_are_in_the_plan():
    schema = {"type": "object", "required": ["id"]}
    found = compiled(
        task_definition("pay", input_schema=schema, output_schema=True), input={"id": "{% __context__.id %}"}
    )

    assert (found.settings["inputSchema"], found.settings["outputSchema"]) == (schema, True)
    assert found.settings["input"] == {"id": "{% __context__.id %}"}


def test_an_http_definition_makes_an_http_step_whose_attempts_have_the_time_there_is():
    implementation = {"type": "http", "method": "POST", "url": "{% 'https://x.example/' & __input__.id %}"}
    found = compiled(task_definition("pay", implementation=implementation), timeout="PT1H")

    assert (found.type, found.settings["timeout"]) == ("http", 300.0)
    assert found.settings["request"] == {"method": "POST", "url": "{% 'https://x.example/' & __input__.id %}"}


@pytest.mark.parametrize(
    ("more", "type"),
    [
        ({}, "human.confirm"),
        ({"output_schema": {"type": "object"}}, "human.form"),
        ({"implementation": {"type": "human.url_redirect", "url": "https://x.example/"}}, "human.url_redirect"),
    ],
)
def test_a_manual_definition_makes_a_human_step(more, type):
    assert compiled(task_definition("pay", type="MANUAL", **more)).type == type


def test_what_is_missing_and_optional_is_an_activity_of_that_name():
    found = compiled(taskDefinition={"key": "pay", "optional": True}, taskQueue="q", timeout=1)

    assert (found.type, found.settings["task"], found.settings["taskQueue"]) == ("task", "pay", "q")
    assert "definition" not in found.settings


def test_a_version_is_pinned():
    first = task_definition("pay")
    second = first.next(first.create_time, name="Other")

    assert compiled(second, first).settings["definition"]["version"] == 2
    assert compiled(second, first, taskDefinition={"key": "pay", "version": 1}).settings["definition"]["version"] == 1


def test_a_plan_comes_back_from_json_as_it_was():
    plan = plan_of(task_definition("pay", input_schema={"type": "object"}))

    assert Plan.from_json(plan.to_json()) == plan
