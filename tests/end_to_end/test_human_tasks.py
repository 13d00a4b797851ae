"""Human tasks on real Temporal: who completes them, and what becomes of them in time."""

from __future__ import annotations

import json

from heddle.v1.human_task_pb2 import HumanTask, HumanTaskAction
from tests.end_to_end.api import Refusal, refused, status
from tests.end_to_end.definitions import definition
from tests.rpc.registry import at_once

APPROVAL = definition(
    "start > a; a > b; b > end",
    name="Approval",
    a={"assignment": {"roles": ["legal"]}, "outputSchema": {"type": "object", "required": ["ok"]}},
)


def task(api, id):
    return api.call("GetHumanTask", human_task_id=id).human_task


def stands(task):
    return HumanTask.Status.Name(task.status).removeprefix("STATUS_")


def complete(api, id, actor, output=None, **fields):
    return api.call("CompleteHumanTask", human_task_id=id, actor=actor, output_json=json.dumps(output), **fields)


def completions(api, id):
    return [entry["data"].get("completed_by") for entry in api.ledger(id) if entry["type"] == "STEP_COMPLETED"]


def test_whoever_has_claimed_a_task_completes_it_and_stands_in_the_ledger(api):
    execution = api.start(APPROVAL).execution.id
    id = f"{execution}/a/1"
    api.call("ClaimHumanTask", human_task_id=id, actor="ann")
    with refused("FAILED_PRECONDITION", "HUMAN_TASK_CLAIMED") as refusals:
        complete(api, id, "ben", {"ok": True})
    assert refusals[0].facts["claimed_by"] == "ann"
    with refused("INVALID_ARGUMENT", "OUTPUT_INVALID"):
        complete(api, id, "ann", {})
    assert stands(task(api, id)) == "CLAIMED"

    answer = complete(api, id, "ann", {"ok": True}, outcome="APPROVED", request_id="done")

    assert (stands(answer.human_task), answer.human_task.completed_by) == ("COMPLETED", "ann")
    assert answer.human_task.HasField("end_time")
    assert not answer.human_task.HasField("request")
    assert [(run.step_id, status(run)) for run in answer.step_runs][1:] == [("a", "COMPLETED"), ("b", "WAITING")]
    assert completions(api, execution) == [None, "ann"]
    assert complete(api, id, "ann", {"ok": True}, outcome="APPROVED", request_id="done") == answer
    assert complete(api, id, "ann", {"ok": True}, outcome="APPROVED").human_task == answer.human_task
    for method in ("ClaimHumanTask", "ReleaseHumanTask", "ReassignHumanTask"):
        with refused("FAILED_PRECONDITION", "HUMAN_TASK_ENDED"):
            api.call(method, human_task_id=id, actor="ann")
    assert [one.id for one in api.call("ListHumanTasks").human_tasks] == [f"{execution}/b/1"]
    done = api.call("ListHumanTasks", statuses=["STATUS_COMPLETED"], roles=["legal"]).human_tasks
    assert [one.id for one in done] == [id]
    found = api.call("ListHumanTaskActions", human_task_id=id).actions
    assert [(one.action, one.actor) for one in found] == [(1, ""), (2, "ann"), (5, "ann")]


def test_what_nobody_has_claimed_anybody_completes(api):
    execution = api.start(APPROVAL).execution.id

    assert complete(api, f"{execution}/a/1", "ben", {"ok": 1}).human_task.completed_by == "ben"


def test_a_system_completes_a_claimed_task_by_its_step(api):
    execution = api.start(APPROVAL).execution.id
    api.call("ClaimHumanTask", human_task_id=f"{execution}/a/1", actor="ann")

    api.complete(execution, "a", {"ok": True})

    found = task(api, f"{execution}/a/1")
    assert (stands(found), found.completed_by, found.claimed_by) == ("COMPLETED", "", "ann")


def test_a_cancelled_execution_withdraws_its_tasks(api):
    execution = api.start(APPROVAL).execution.id

    api.call("CancelExecution", execution_id=execution)

    assert stands(task(api, f"{execution}/a/1")) == "WITHDRAWN"
    assert not api.call("ListHumanTasks").human_tasks


def test_a_task_that_is_switched_off_and_on_again_keeps_who_has_it(api):
    execution = api.start(APPROVAL).execution.id
    id = f"{execution}/a/1"
    api.call("ClaimHumanTask", human_task_id=id, actor="ann")

    api.call("UpdateStep", execution_id=execution, step_id="a", status="STATUS_DISABLED")
    assert stands(task(api, id)) == "WITHDRAWN"
    api.call("UpdateStep", execution_id=execution, step_id="a", status="STATUS_RUNNING")

    found = task(api, id)
    assert (stands(found), found.claimed_by, found.HasField("end_time")) == ("CLAIMED", "ann", False)
    assert [one.id for one in api.call("ListHumanTasks", roles=["legal"]).human_tasks] == [id]
    assert [one.action for one in api.call("ListHumanTaskActions", human_task_id=id).actions] == [1, 2, 7, 1]
    complete(api, id, "ann", {"ok": True})


def test_a_task_that_is_due_is_noted_and_waits_on(api):
    execution = api.start(definition("start > a; a > end", a={"dueIn": "PT0.3S"})).execution.id

    api.await_that(execution, lambda _: "STEP_OVERDUE" in [entry["type"] for entry in api.ledger(execution)])

    found = task(api, f"{execution}/a/1")
    assert (stands(found), found.overdue) == ("OPEN", True)
    assert status(complete(api, f"{execution}/a/1", "ann").execution) == "COMPLETED"


def test_a_retried_execution_opens_the_task_anew(api):
    failing = {"activationPolicy": {"defaultStatus": "Failed"}}
    picture = "start > ps; ps > a, b; b > f; a > pj; f > pj; pj > end"
    execution = api.start(definition(picture, name="Late", f=failing)).execution.id
    api.complete(execution, "b")
    assert stands(task(api, f"{execution}/a/1")) == "WITHDRAWN"

    api.call("RetryExecution", execution_id=execution)

    assert stands(task(api, f"{execution}/a/2")) == "OPEN"


REVIEW = definition("start > a; a > b on APPROVED; a > c on REJECTED; b > pj; c > pj; pj > end", name="Review")
TIMED = definition("start > a; a > b on APPROVED; a > late on TIMEOUT; b > pj; late > pj; pj > end", name="Timed")


def stands_in(api, execution, step):
    """Wait until a step of an execution has begun."""
    api.await_that(execution, lambda _: step in [run[0] for run in api.runs(execution)])


def test_aq2_an_outcome_is_one_of_those_that_the_task_names(api):
    execution = api.start(REVIEW).execution.id
    id = f"{execution}/a/1"
    assert list(task(api, id).request.outcomes) == ["APPROVED", "REJECTED"]
    for outcome in ("MAYBE", "", "TIMEOUT"):
        with refused("INVALID_ARGUMENT", "OUTCOME_NOT_ALLOWED") as refusals:
            complete(api, id, "ann", outcome=outcome)
        assert "allowed: APPROVED, REJECTED" in refusals[0].message

    complete(api, id, "ann", outcome="REJECTED")

    assert api.open(execution) == ["c"]


def test_an_escalation_begins_another_step_while_the_task_stays_open(api):
    escalating = definition("start > a; a > b; a > boss on ESCALATED; b > pj; boss > pj; pj > end", name="Escalating")
    escalating["steps"][1] |= {"dueIn": "PT0.3S"}
    execution = api.start(escalating).execution.id

    stands_in(api, execution, "boss")

    assert api.open(execution) == ["a", "boss"]
    assert sorted(one.step_id for one in api.call("ListHumanTasks").human_tasks) == ["a", "boss"]
    complete(api, f"{execution}/boss/1", "carl")
    complete(api, f"{execution}/a/1", "ann")
    complete(api, f"{execution}/b/1", "ann")
    assert status(api.await_end(execution)) == "COMPLETED"


def test_a_timeout_takes_the_task_away(api):
    timed = json.loads(json.dumps(TIMED))
    timed["steps"][1] |= {"dueIn": "{% 300 %}"}
    execution = api.start(timed).execution.id
    api.call("ClaimHumanTask", human_task_id=f"{execution}/a/1", actor="ann")

    stands_in(api, execution, "late")

    found = task(api, f"{execution}/a/1")
    assert (stands(found), found.claimed_by, found.completed_by) == ("EXPIRED", "ann", "")
    run = api.call("GetStepRun", step_run_id=f"{execution}/a/1").step_run
    assert (status(run), run.outcome) == ("COMPLETED", "TIMEOUT")
    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING"):
        complete(api, f"{execution}/a/1", "ann", outcome="APPROVED")
    assert [one.id for one in api.call("ListHumanTasks").human_tasks] == [f"{execution}/late/1"]


def test_of_two_who_complete_at_once_one_did_it(api):
    for _ in range(5):
        execution = api.start(APPROVAL).execution.id
        id = f"{execution}/a/1"

        outcomes = at_once(*[lambda id=id, n=n: complete(api, id, f"p{n}", {"ok": n}) for n in range(4)])

        refusals = [one for one in outcomes if isinstance(one, Refusal)]
        assert {one.reason for one in refusals} == {"STEP_NOT_WAITING"}
        (won,) = [one.human_task.completed_by for one in outcomes if not isinstance(one, Refusal)]
        assert completions(api, execution)[1] == task(api, id).completed_by == won


def test_a_claim_and_a_completion_at_once_leave_one_story(api):
    for _ in range(8):
        execution = api.start(APPROVAL).execution.id
        id = f"{execution}/a/1"

        claimed, done = at_once(
            lambda id=id: api.call("ClaimHumanTask", human_task_id=id, actor="ann"),
            lambda id=id: complete(api, id, "ben", {"ok": True}),
        )

        found = api.call("ListHumanTaskActions", human_task_id=id).actions
        assert [one.number for one in found] == list(range(1, len(found) + 1))
        story = [HumanTaskAction.Action.Name(one.action).removeprefix("ACTION_") for one in found]
        if isinstance(done, Refusal):  # the claim was seen in time
            assert (done.reason, story) == ("HUMAN_TASK_CLAIMED", ["OPENED", "CLAIMED"])
        elif isinstance(claimed, Refusal):
            assert (claimed.reason, story) == ("HUMAN_TASK_ENDED", ["OPENED", "COMPLETED"])
        else:
            assert story == ["OPENED", "CLAIMED", "COMPLETED"]
            assert (task(api, id).claimed_by, task(api, id).completed_by) == ("ann", "ben")
