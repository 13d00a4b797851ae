"""What holds for every definition, whatever its shape and whatever happens outside."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.advancing import open_commands, phase
from service.engine.commands import RunTask, SetTimer
from service.engine.folding import fold
from service.engine.observations import StepCompleted, StepUpdated, TaskCompleted, TaskFailed, TimerFired
from service.engine.state import OPEN, PARKED, State
from tests.engine.graphs import Player, runs_by_the_table
from tests.engine.random_plans import plans

TURNS = 60
THOROUGH = settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))


def happenings(player: Player) -> list[object]:
    """Everything that could happen next outside."""
    found: list[object] = []
    for command in open_commands(player.plan, player.state):
        if isinstance(command, RunTask):
            found.append(TaskCompleted(command.key, command.attempt, {"again": True}))
            found.append(TaskFailed(command.key, command.attempt, {"code": "X", "message": "x", "retriable": True}))
        elif isinstance(command, SetTimer):
            found.append(TimerFired(command.key))
    for run in player.state.open.values():
        found.append(StepUpdated(run.step_id, "RUNNING" if run.status in PARKED else "DISABLED", run.visit))
        if player.plan.step[run.step_id].type == "human.confirm" and run.status not in PARKED:
            found += [StepCompleted(run.step_id, run.visit, {"again": again}) for again in (True, False, False)]
    return found


def play(plan, data) -> Player:
    player = Player(plan, data.draw(st.fixed_dictionaries({"p": st.booleans(), "q": st.booleans()})))
    for _ in range(TURNS):
        choices = happenings(player)
        if not choices:
            break
        player.see(choices[data.draw(st.integers(0, len(choices) - 1))])
    return player


@THOROUGH
@given(plans(), st.data())
def test_an_execution_ends_or_waits_for_something(plan, data):
    player = play(plan, data)

    assert player.state.status != OPEN or player.state.open
    assert player.state.status != OPEN or not player.state.tokens  # a retry goes on with those of a failure
    assert phase(plan, player.state)
    assert player.state.held == sum(run.weight for run in player.state.open.values())


@THOROUGH
@given(plans(), st.data())
def test_no_token_is_lost_or_made_up(plan, data):
    player = play(plan, data)

    came: Counter[str] = Counter({"": 1})
    went: Counter[str] = Counter()
    for entry in player.entries:
        came.update(entry.data.get("taken", ()))
        if entry.type != "TOKEN_ARRIVED":
            went.update(entry.data.get("via", ()))
    assert not went - came
    held = Counter(player.state.tokens)
    for arrived in player.state.arrived.values():
        held.update(arrived)
    if player.state.status == OPEN:
        assert came - went == held
    if player.state.status == "COMPLETED":
        assert came == went


@THOROUGH
@given(plans(), st.data())
def test_a_join_takes_one_token_of_a_transition_a_round(plan, data):
    player = play(plan, data)

    for entry in player.entries:
        if entry.type == "STEP_COMPLETED" and plan.step[entry.step_id].type == "gateway.parallel_join":
            assert len(set(entry.data["via"])) == len(entry.data["via"]) >= 1
    for step in plan.steps:
        visits = [
            entry.visit for entry in player.entries if entry.step_id == step.id and "via" in entry.data and entry.visit
        ]
        assert visits == list(range(1, len(visits) + 1))


@THOROUGH
@given(plans(), st.data())
def test_the_ledger_alone_rebuilds_the_state_at_every_entry(plan, data):
    player = play(plan, data)

    assert fold(player.entries).to_json() == player.state.to_json()
    assert State.from_json(player.state.to_json()) == player.state
    assert [entry.number for entry in player.entries] == list(range(1, len(player.entries) + 1))


@THOROUGH
@given(plans(), st.data())
def test_a_state_taken_up_from_json_goes_on_as_the_one_kept_in_memory(plan, data):
    player = play(plan, data)
    other = Player(plan, None)
    other.state, other.now = State.from_json(player.state.to_json()), player.now

    assert open_commands(plan, other.state) == open_commands(plan, player.state)
    choices = happenings(player)
    if choices:
        choice = choices[data.draw(st.integers(0, len(choices) - 1))]
        assert other.see(choice).entries == player.see(choice).entries


@THOROUGH
@given(plans(), st.data())
def test_every_step_run_lives_by_the_table(plan, data):
    player = play(plan, data)

    runs_by_the_table(player.entries)
