"""The inbox over gRPC: whose tasks there are, and who gets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from heddle.v1.human_request_pb2 import HumanRequest
from heddle.v1.human_task_pb2 import HumanTask, HumanTaskAction
from storage.database import query
from tests.end_to_end.api import Refusal, refused
from tests.end_to_end.definitions import definition
from tests.rpc.registry import at_once


def with_task(**task):
    return definition("start > a; a > end", name="Approval", a={"name": "Approve it", **task})


def open_task(api, input=None, **task):
    """Start an execution whose only step is a human one; gives the task's id."""
    execution = api.start(with_task(**task), input, name="Case").execution
    return f"{execution.id}/a/1"


def listed(api, size=50, **fields):
    found, token = [], ""
    while True:
        answer = api.call("ListHumanTasks", page_size=size, page_token=token, **fields)
        found += [task.id for task in answer.human_tasks]
        if not (token := answer.next_page_token):
            return found


def get(api, id):
    return api.call("GetHumanTask", human_task_id=id).human_task


def claim(api, id, actor="ann", **fields):
    return api.call("ClaimHumanTask", human_task_id=id, actor=actor, **fields).human_task


def actions(api, id):
    found = api.call("ListHumanTaskActions", human_task_id=id).actions
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    return [(HumanTaskAction.Action.Name(one.action).removeprefix("ACTION_"), one.actor) for one in found]


def status(task):
    return HumanTask.Status.Name(task.status).removeprefix("STATUS_")


def test_a_human_step_is_a_task_with_all_that_was_settled(api):
    before = datetime.now(UTC)
    id = open_task(
        api,
        {"who": "ann", "role": "legal", "days": 2},
        title="Please",
        assignment={
            "assignee": "{% __context__.who %}",
            "roles": ["{% __context__.role %}", "ops"],
            "groups": "{% [] %}",
        },
        priority="{% 'HI' & 'GH' %}",
        dueIn="{% __context__.days * 86400000 %}",
    )

    task = get(api, id)

    assert (task.title, task.step_name, task.step_type, task.visit) == ("Please", "Approve it", "human.confirm", 1)
    assert (task.assignment.assignee, list(task.assignment.roles), list(task.assignment.groups)) == (
        "ann",
        ["legal", "ops"],
        [],
    )
    assert (task.priority, status(task), task.claimed_by) == (HumanRequest.PRIORITY_HIGH, "OPEN", "")
    due = task.due_time.ToDatetime(tzinfo=UTC) - before
    assert timedelta(days=2) <= due < timedelta(days=2, minutes=1)
    assert not task.overdue
    assert task.execution_name == "Case"
    run = api.call("GetStepRun", step_run_id=id).step_run
    assert task.request == run.request
    assert (run.request.assignment, run.request.priority, run.request.due_time) == (
        task.assignment,
        task.priority,
        task.due_time,
    )
    assert actions(api, id) == [("OPENED", "")]


def test_a_plain_task_has_medium_priority_and_is_nobodys(api):
    task = get(api, open_task(api))

    assert (task.title, task.priority) == ("Approve it", HumanRequest.PRIORITY_MEDIUM)
    assert not task.HasField("assignment")
    assert not task.HasField("due_time")


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ({"priority": "{% 'urgent' %}"}, "HUMAN_STEP_INVALID"),
        ({"assignment": {"assignee": "{% 7 %}"}}, "HUMAN_STEP_INVALID"),
        ({"assignment": {"roles": "{% [[1]] %}"}}, "HUMAN_STEP_INVALID"),
        ({"assignment": {"roles": "{% $map([1..51], $string) %}"}}, "HUMAN_STEP_INVALID"),
        ({"assignment": {"groups": ["{% $pad('x', 257) %}"]}}, "HUMAN_STEP_INVALID"),
        ({"dueIn": "{% 'soon' %}"}, "HUMAN_STEP_INVALID"),
        ({"dueIn": "{% -1 %}"}, "HUMAN_STEP_INVALID"),
        ({"dueIn": "{% $error('no') %}"}, "EXPRESSION_FAILED"),
    ],
)
def test_what_is_computed_wrongly_fails_the_step_and_makes_no_task(api, task, code):
    execution = api.start(with_task(**task)).execution

    assert execution.error.code == code
    assert not listed(api)


def test_an_inbox_has_what_is_given_to_a_person_to_their_roles_or_groups(api, other):
    by_name = open_task(api, assignment={"assignee": "ann"})
    by_role = open_task(api, assignment={"roles": ["legal", "ops"]})
    by_group = open_task(api, assignment={"groups": ["north"]})
    twice = open_task(api, assignment={"assignee": "ann", "roles": ["legal"]})
    nobodys = open_task(api)
    claimed = open_task(api)
    claim(api, claimed, "ann")

    assert listed(api, assignee="ann") == [twice, by_name]
    assert listed(api, roles=["legal"]) == [twice, by_role]
    assert listed(api, roles=["ops", "unknown"], groups=["north"]) == [by_group, by_role]
    assert listed(api, assignee="ann", claimed_by="ann", roles=["legal"], groups=["north"]) == [
        claimed,
        twice,
        by_group,
        by_role,
        by_name,
    ]
    assert listed(api, claimed_by="ann") == [claimed]
    assert listed(api) == [claimed, nobodys, twice, by_group, by_role, by_name]
    assert not listed(api, assignee="north", roles=["ann"])
    assert not listed(other, assignee="ann", roles=["legal"])


def test_an_inbox_is_narrowed_by_everything_else(api):
    urgent = open_task(api, priority="CRITICAL", assignment={"roles": ["r"]}, dueIn="PT1H")
    later = open_task(api, dueIn="P9D", assignment={"roles": ["r"]})
    never = open_task(api, priority="LOW", assignment={"roles": ["r"]})
    claim(api, later)
    for whose in ({}, {"roles": ["r"]}):
        soon = datetime.now(UTC) + timedelta(days=1)
        assert listed(api, priorities=["PRIORITY_CRITICAL", "PRIORITY_LOW"], **whose) == [never, urgent]
        assert listed(api, due_before=soon, **whose) == [urgent]
        assert listed(api, statuses=["STATUS_CLAIMED"], **whose) == [later]
        assert listed(api, statuses=["STATUS_OPEN"], **whose) == [never, urgent]
        assert listed(api, statuses=["STATUS_COMPLETED"], **whose) == []
        assert listed(api, execution_id=later.partition("/")[0], **whose) == [later]
        task = get(api, urgent)
        assert listed(api, template_id=task.template_id, **whose) == [urgent]
        assert listed(api, version_id=task.version_id, **whose) == [urgent]
        assert listed(api, version_id=task.version_id, template_id=get(api, never).template_id, **whose) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_of_any_size_have_the_same_tasks(api, size):
    version = api.publish(with_task(assignment={"assignee": "{% __context__.who %}", "roles": ["r", "s"]}))
    ids = [f"{api.start(version, {'who': 'ann' if number % 2 else 'ben'}).execution.id}/a/1" for number in range(7)][
        ::-1
    ]

    assert listed(api, size) == ids
    assert listed(api, size, roles=["r", "s"], assignee="ann") == ids
    assert listed(api, size, assignee="ann") == ids[1::2]


def test_parallel_tasks_of_one_execution_are_all_listed(api):
    id = api.start(definition("start > ps; ps > a, b, c; a > pj; b > pj; c > pj; pj > end")).execution.id

    assert listed(api, 1) == listed(api) == [f"{id}/c/1", f"{id}/b/1", f"{id}/a/1"]
    assert listed(api, 2, execution_id=id) == listed(api)


def test_claiming_and_giving_back_are_recorded(api):
    id = open_task(api)

    task = claim(api, id, "ann", note="mine")
    assert (status(task), task.claimed_by) == ("CLAIMED", "ann")
    assert claim(api, id, "ann") == task
    assert get(api, id).request.claimed_by == "ann"
    with refused("FAILED_PRECONDITION", "HUMAN_TASK_CLAIMED") as refusals:
        claim(api, id, "ben")
    assert refusals[0].facts["claimed_by"] == "ann"
    assert '"ann" has claimed it' in refusals[0].message
    with refused("FAILED_PRECONDITION", "HUMAN_TASK_CLAIMED"):
        api.call("ReleaseHumanTask", human_task_id=id, actor="ben")

    task = api.call("ReleaseHumanTask", human_task_id=id, actor="ann").human_task

    assert (status(task), task.claimed_by, task.HasField("claim_time")) == ("OPEN", "", False)
    with refused("FAILED_PRECONDITION", "HUMAN_TASK_NOT_CLAIMED"):
        api.call("ReleaseHumanTask", human_task_id=id, actor="ann")
    assert listed(api, claimed_by="ann") == []
    claim(api, id, "ben")
    assert listed(api, claimed_by="ben") == [id]
    assert actions(api, id) == [("OPENED", ""), ("CLAIMED", "ann"), ("RELEASED", "ann"), ("CLAIMED", "ben")]
    found = api.call("ListHumanTaskActions", human_task_id=id).actions
    assert found[1].note == "mine"


def test_a_claim_that_is_sent_again_is_answered_again(api):
    id = open_task(api)
    task = claim(api, id, "ann", request_id="claim-1")
    api.call("ReleaseHumanTask", human_task_id=id, actor="ann")

    assert claim(api, id, "ann", request_id="claim-1") == task
    assert status(get(api, id)) == "OPEN"


def test_of_those_who_claim_at_once_one_gets_it(api):
    for _ in range(5):
        id = open_task(api)

        outcomes = at_once(*[lambda id=id, n=n: claim(api, id, f"p{n}") for n in range(8)])

        won = [task.claimed_by for task in outcomes if not isinstance(task, Refusal)]
        assert len(won) == 1
        assert {(one.code, one.reason, one.facts["claimed_by"]) for one in outcomes if isinstance(one, Refusal)} == {
            ("FAILED_PRECONDITION", "HUMAN_TASK_CLAIMED", won[0])
        }
        assert actions(api, id) == [("OPENED", ""), ("CLAIMED", won[0])]


def test_a_task_of_one_person_is_claimed_by_no_other_until_it_is_reassigned(api):
    id = open_task(api, assignment={"assignee": "ann", "roles": ["r"]})
    with refused("FAILED_PRECONDITION", "HUMAN_TASK_ASSIGNED") as refusals:
        claim(api, id, "ben")
    assert refusals[0].facts["assignee"] == "ann"
    claim(api, id, "ann")

    task = api.call("ReassignHumanTask", human_task_id=id, assignee="ben", actor="boss", note="holiday").human_task

    assert (task.assignment.assignee, list(task.assignment.roles), status(task)) == ("ben", ["r"], "OPEN")
    assert listed(api, assignee="ann", claimed_by="ann") == []
    assert listed(api, assignee="ben") == [id]
    claim(api, id, "ben")
    api.call("ReassignHumanTask", human_task_id=id, actor="boss")
    assert listed(api, assignee="ben") == []
    claim(api, id, "carl")
    assert actions(api, id)[1:] == [
        ("CLAIMED", "ann"),
        ("REASSIGNED", "boss"),
        ("CLAIMED", "ben"),
        ("REASSIGNED", "boss"),
        ("CLAIMED", "carl"),
    ]
    assert api.call("ListHumanTaskActions", human_task_id=id, page_size=3).actions[2].assignee == "ben"


def test_actions_are_listed_in_pages(api):
    id = open_task(api)
    for _ in range(3):
        claim(api, id)
        api.call("ReleaseHumanTask", human_task_id=id, actor="ann")

    found, token = [], ""
    while True:
        answer = api.call("ListHumanTaskActions", human_task_id=id, page_size=3, page_token=token)
        found += [one.number for one in answer.actions]
        if not (token := answer.next_page_token):
            break

    assert found == list(range(1, 8))


def test_an_action_never_changes(api):
    claim(api, open_task(api))

    with pytest.raises(Exception, match="violated"):
        query("UPDATE human_task_actions SET actor = 'x' WHERE workspace = %s", (api.workspace,))


@pytest.mark.parametrize("method", ["GetHumanTask", "ListHumanTaskActions", "ClaimHumanTask", "CompleteHumanTask"])
@pytest.mark.parametrize("id", ["x", "a/b/c", "{}/a/2", "{}/b/1", "{}/a/01", "{}/a/1/"])
def test_what_is_no_task_is_not_found(api, method, id):
    execution = open_task(api).partition("/")[0]
    who = {} if method in ("GetHumanTask", "ListHumanTaskActions") else {"actor": "ann"}

    with refused("NOT_FOUND", "HUMAN_TASK_NOT_FOUND"):
        api.call(method, human_task_id=id.format(execution), **who)


@pytest.mark.parametrize("method", ["ClaimHumanTask", "ReleaseHumanTask", "ReassignHumanTask", "CompleteHumanTask"])
def test_who_acts_must_be_said(api, method):
    id = open_task(api)
    for actor in ("", "x" * 257, "a\0b"):
        with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
            api.call(method, human_task_id=id, actor=actor)
        assert refusals[0].fields == ["actor"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"statuses": [99]}, "statuses"),
        ({"statuses": [0]}, "statuses"),
        ({"priorities": [99]}, "priorities"),
        ({"roles": [""]}, "roles"),
        ({"roles": ["r"] * 51}, "roles"),
        ({"groups": ["x" * 257]}, "groups"),
        ({"assignee": "x" * 257}, "assignee"),
        ({"claimed_by": "a\0"}, "claimed_by"),
        ({"due_before": {"nanos": -1}}, "due_before"),
    ],
)
def test_what_no_task_can_have_is_refused(api, fields, field):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("ListHumanTasks", **fields)

    assert refusals[0].fields == [field]


def test_what_is_overdue_says_so(api):
    id = open_task(api, dueIn="PT1H")
    query("UPDATE human_tasks SET due_time = now() - interval '1 s' WHERE workspace = %s RETURNING 1", (api.workspace,))

    assert get(api, id).overdue
    assert listed(api, due_before=datetime.now(UTC)) == [id]


def test_deleting_an_execution_takes_its_tasks_along(api):
    id = open_task(api)
    claim(api, id)
    query(
        "UPDATE executions SET status = 'CANCELLED', phase = 'NONE', launch_state = NULL WHERE workspace = %s",
        (api.workspace,),
    )

    api.call("DeleteExecution", execution_id=id.partition("/")[0])

    assert not listed(api)
    assert not query("SELECT 1 FROM human_task_actions WHERE workspace = %s", (api.workspace,))
