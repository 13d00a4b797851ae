"""The open questions of the Workflow Orchestrator that no other test answers by name."""

from __future__ import annotations

from heddle.v1.execution_pb2 import Execution
from tests.end_to_end.api import Api, refused, status
from tests.end_to_end.definitions import definition

FAST = {"type": "event.wait", "pattern": "order.paid", "condition": "__event__.payload.id = __context__.id"}
SLOW = {"type": "event.wait", "pattern": "order.*"}


def phase(execution) -> str:
    return Execution.Phase.Name(execution.phase).removeprefix("PHASE_")


def test_aq10_an_execution_waits_for_events_when_no_branch_can_progress(api: Api):
    picture = "start > ps; ps > task_a, fast, slow; task_a > pj; fast > pj; slow > pj; pj > end"
    nobody = {"task": "nobody_does", "taskQueue": "nobody"}
    busy = api.start(definition(picture, task_a=nobody, fast=FAST, slow=SLOW), {"id": 1}).execution
    picture = "start > ps; ps > fast, slow; fast > pj; slow > pj; pj > end"
    waiting = api.start(definition(picture, fast=FAST, slow=SLOW), {"id": 1}).execution

    assert (phase(api.execution(busy.id)), phase(api.execution(waiting.id))) == ("RUNNING", "WAITING_FOR_EVENT")
    waits = [run for run in api.call("ListStepRuns", execution_id=waiting.id).step_runs if run.HasField("event_wait")]
    assert [(run.step_id, run.event_wait.pattern, run.event_wait.condition) for run in waits] == [
        ("fast", "order.paid", FAST["condition"]),  # the oldest first
        ("slow", "order.*", ""),
    ]


def test_aq13_versions_are_unique_in_their_template_and_an_execution_keeps_its_own(api: Api):
    first = api.publish(definition("start > a; a > end"))
    id = api.start(first).execution.id
    with refused("ALREADY_EXISTS", "VERSION_LABEL_EXISTS"):
        api.publish(definition("start > b; b > end"), template_id=first.template_id, label=first.label)

    second = api.publish(definition("start > b; b > end"), template_id=first.template_id, label="2.0.0")
    newest = api.call("StartExecution", template_id=first.template_id, input_json="{}").execution

    assert newest.version_id == second.id
    assert api.execution(id).version_id == first.id
    assert api.open(id) == ["a"]


def test_aq15_a_failed_execution_is_taken_up_again_from_the_step_that_failed(api: Api):
    flag = {"pattern": "go", "type": "event.wait", "timeout": 200}
    id = api.start(definition("start > a; a > wait; wait > end", wait=flag)).execution.id
    api.complete(id, "a", {"done": True})
    assert status(api.await_end(id)) == "FAILED"

    api.call("PublishEvent", event_id="go-1", name="go", payload_json="{}")  # it came too late, but is kept
    api.call("RetryExecution", execution_id=id)

    assert status(api.await_that(id, lambda one: status(one) == "COMPLETED")) == "COMPLETED"
    runs = api.runs(id)
    assert [run for run in runs if run[0] in ("a", "wait")] == [
        ("a", 1, "COMPLETED"),
        ("wait", 1, "FAILED"),
        ("wait", 2, "COMPLETED"),  # the same step, its next visit
    ]
