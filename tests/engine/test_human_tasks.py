"""What a human step is to the person whose work it is: settled when it opens, due, escalated, taken away."""

from __future__ import annotations

import json

import pytest

from service.engine.advancing import open_commands
from service.engine.commands import SetTimer, Withdraw
from service.engine.folding import fold
from service.engine.observations import StepCompleted, StepUpdated, TimerFired
from service.engine.projecting import project
from service.engine.run import Refused
from service.engine.state import State
from tests.engine.graphs import Player, a_plan

DAY = 86_400.0


def player_of(picture="start > a; a > end", input=None, **settings):
    return Player(a_plan(picture, a={"settings": settings}), input)


def task_of(player):
    return player.state.open["a/1"].task


def due(player):
    return [command.due.isoformat() for command in open_commands(player.plan, player.state)]


def data(player, type):
    return [entry.data for entry in player.entries if entry.type == type]


def check_replay(player):
    """The ledger, and the state as text, come to the same state."""
    assert fold(player.entries).to_json() == player.state.to_json()
    assert State.from_json(player.state.to_json()).to_json() == player.state.to_json()


@pytest.mark.parametrize(
    ("settings", "settled"),
    [
        ({}, {"priority": "MEDIUM"}),
        ({"priority": "LOW"}, {"priority": "LOW"}),
        ({"assignment": {"assignee": "{% __context__.who %}"}}, {"priority": "MEDIUM", "assignee": "ann"}),
        ({"assignment": {"assignee": "{% __context__.nobody %}", "roles": []}}, {"priority": "MEDIUM"}),
        (
            {"assignment": {"roles": ["{% __context__.role %}", "ops", "ops"], "groups": "{% __context__.role %}"}},
            {"priority": "MEDIUM", "roles": ["legal", "ops"], "groups": ["legal"]},
        ),
        ({"assignment": {"groups": "{% ['x', 'y'] %}"}}, {"priority": "MEDIUM", "groups": ["x", "y"]}),
        ({"dueIn": 60.0}, {"priority": "MEDIUM", "due": "2026-01-01T00:01:00+00:00"}),
        ({"dueIn": "{% 'P1D' %}"}, {"priority": "MEDIUM", "due": "2026-01-02T00:00:00+00:00"}),
        ({"dueIn": "{% 60000 %}"}, {"priority": "MEDIUM", "due": "2026-01-01T00:01:00+00:00"}),
        ({"dueIn": "{% __context__.nothing %}"}, {"priority": "MEDIUM"}),
        ({"escalateIn": 60.0}, {"priority": "MEDIUM"}),  # nothing leads on from there
    ],
)
def test_a_task_is_settled_when_it_opens(settings, settled):
    player = player_of(input={"who": "ann", "role": "legal"}, **settings)

    assert task_of(player) == {**settled, "title": "a"}
    (change,) = project(player.entries).tasks.values()
    assert (change.status, change.settled) == ("OPEN", task_of(player))
    check_replay(player)


def test_the_words_of_a_step_are_the_title_of_its_task():
    player = player_of(title="Please")

    assert "title" not in task_of(player)
    assert project(player.entries).tasks["a", 1].settled["title"] == "Please"


def test_who_completes_it_stands_in_the_ledger():
    player = player_of()
    player.see(StepCompleted("a", outcome="OK", by="ann"))

    assert data(player, "STEP_COMPLETED")[1] == {
        "output": None,
        "taken": ["a>end"],
        "outcome": "OK",
        "ends_task": "COMPLETED",
        "completed_by": "ann",
    }
    change = project(player.entries).tasks["a", 1]
    assert (change.status, change.completed_by) == ("COMPLETED", "ann")


def test_a_task_that_is_due_is_noted_once_and_waits_on():
    player = player_of(dueIn=DAY)
    assert due(player) == ["2026-01-02T00:00:00+00:00"]

    player.answer()

    assert player.types("a") == ["STEP_STARTED", "STEP_OVERDUE"]
    assert due(player) == []
    player.see(TimerFired("a/1"))
    check_replay(player)
    player.complete("a")
    assert not player.is_open
    assert player.count("STEP_OVERDUE") == {"a": 1}


def test_completing_it_in_time_gives_up_its_timer():
    player = player_of(dueIn=DAY)

    assert Withdraw("a/1") in player.see(StepCompleted("a")).commands

    player.see(TimerFired("a/1"))
    assert player.count("STEP_OVERDUE") == {}


ESCALATING = "start > a; a > b; a > c on ESCALATED; b > end; c > end"


def test_an_escalation_sends_another_token_while_the_step_stays_open():
    player = player_of(ESCALATING, dueIn=DAY)

    player.answer()

    assert player.open == ["a/1", "c/1"]
    assert data(player, "STEP_ESCALATED") == [{"due": None, "taken": ["a>c"]}]
    assert player.types("a") == ["STEP_STARTED", "STEP_ESCALATED", "STEP_OVERDUE"]
    check_replay(player)
    player.complete("c")
    assert player.open == ["a/1"]
    player.complete("a", "b")
    assert player.state.status == "COMPLETED"


def test_completed_in_time_it_is_not_escalated():
    player = player_of(ESCALATING, dueIn=DAY)
    player.complete("a", "b")

    assert player.state.status == "COMPLETED"
    assert "c" not in player.state.visits


@pytest.mark.parametrize(
    ("after", "types"),
    [
        (DAY / 2, ["STEP_ESCALATED", "STEP_OVERDUE"]),
        (DAY, ["STEP_ESCALATED", "STEP_OVERDUE"]),
        (DAY * 2, ["STEP_OVERDUE", "STEP_ESCALATED"]),
    ],
)
def test_an_escalation_may_have_a_time_of_its_own(after, types):
    player = player_of(ESCALATING, dueIn=DAY, escalateIn=after)

    while any(isinstance(command, SetTimer) for command in open_commands(player.plan, player.state)):
        player.answer()
        check_replay(player)

    assert player.types("a")[1:] == types
    assert player.open == ["a/1", "c/1"]


TIMED = "start > a; a > b on APPROVED; a > c on TIMEOUT; b > end; c > end"


def test_a_timeout_takes_the_step_away():
    player = player_of(TIMED, dueIn=DAY)

    player.answer()

    assert player.open == ["c/1"]
    assert data(player, "STEP_COMPLETED")[1] == {
        "output": None,
        "taken": ["a>c"],
        "outcome": "TIMEOUT",
        "ends_task": "EXPIRED",
    }
    assert project(player.entries).tasks["a", 1].status == "EXPIRED"
    with pytest.raises(Refused, match="COMPLETED"):
        player.see(StepCompleted("a", outcome="APPROVED"))
    check_replay(player)


def test_it_escalates_first_and_is_taken_away_then():
    picture = "start > a; a > b; a > c on ESCALATED; a > d on TIMEOUT; b > end; c > end; d > end"
    player = player_of(picture, dueIn=DAY, escalateIn=DAY / 2)

    player.answer()
    assert player.open == ["a/1", "c/1"]
    player.answer()
    assert player.open == ["c/1", "d/1"]
    check_replay(player)


@pytest.mark.parametrize("outcome", ["TIMEOUT", "REJECTED", ""])
def test_an_outcome_that_no_caller_may_give_is_refused_with_those_that_are_allowed(outcome):
    player = player_of(TIMED, dueIn=DAY)

    with pytest.raises(Refused, match="allowed: APPROVED") as refusal:
        player.see(StepCompleted("a", outcome=outcome))

    assert refusal.value.reason == "OUTCOME_NOT_ALLOWED"
    assert player.open == ["a/1"]


def test_a_clocks_outcome_is_a_callers_where_no_clock_has_it():
    player = player_of("start > a; a > end; a > b on ESCALATED; b > end")
    with pytest.raises(Refused, match="allowed: any other"):
        player.see(StepCompleted("a", outcome="ESCALATED"))

    player.see(StepCompleted("a", outcome="TIMEOUT"))

    assert player.state.status == "COMPLETED"


def test_switched_off_it_is_withdrawn_and_settled_anew_when_it_is_switched_on():
    player = player_of(dueIn=DAY)
    player.see(StepUpdated("a", "DISABLED"))
    assert data(player, "STEP_UPDATED") == [{"status": "DISABLED", "ends_task": "WITHDRAWN"}]
    assert due(player) == []
    player.wait(DAY)

    player.see(StepUpdated("a", "RUNNING"))

    assert due(player) == ["2026-01-03T00:00:00+00:00"]
    assert [change.status for change in project(player.entries).tasks.values()] == ["OPEN"]
    check_replay(player)


def test_a_state_without_tasks_has_no_word_of_them():
    player = Player(a_plan("start > task_a; task_a > end"))

    assert "task" not in json.loads(player.state.to_json())["open"]["task_a/1"]
