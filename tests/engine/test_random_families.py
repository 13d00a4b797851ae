"""What holds for every definition with child executions, whatever happens to them and in whatever order."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.advancing import open_commands, phase
from service.engine.commands import StartChildren
from service.engine.folding import fold
from service.engine.state import OPEN, PARKED, State
from tests.engine.graphs import runs_by_the_table
from tests.engine.random_families import World
from tests.engine.random_plans import FAMILY_GROWTH, plans

TURNS = 60
THOROUGH = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
PLANS = plans(FAMILY_GROWTH)


class Watched(World):
    """A world that is looked at after everything that happens."""

    def look(self) -> None:
        assert self.state.status != OPEN or self.state.open
        assert self.state.status != OPEN or not self.state.tokens
        assert phase(self.plan, self.state)
        asked = {command.key for command in open_commands(self.plan, self.state)}
        for run in self.state.open.values():
            if run.children is not None and run.status not in PARKED:
                self._look_at(run, asked)

    def _look_at(self, run, asked: set[str]) -> None:
        family, settings = run.children, self.plan.step[run.step_id].settings
        assert run.key in asked or family.open, f"{run.key} waits for nothing"
        assert len(family.open) <= settings["concurrency"]
        groups = (family.open, family.again, family.early)
        for group in (*groups, family.failed):
            assert len(group) == len(set(group))
        assert not set(family.open) & {*family.again, *family.early}
        if family.items is not None:
            started = family.next - len(family.again)
            early_fresh = sum(item >= family.next or item in family.again for item in family.early)
            assert family.succeeded + len(family.failed) + len(family.open) == started + early_fresh


def play(plan, data) -> Watched:
    world = Watched(plan, data.draw(st.fixed_dictionaries({"p": st.booleans(), "q": st.booleans()})))
    world.look()
    for _ in range(TURNS):
        choices = world.happenings()
        if not choices:
            break
        choices[data.draw(st.integers(0, len(choices) - 1))]()
        world.look()
    return world


@THOROUGH
@given(PLANS, st.data())
def test_a_family_is_always_waiting_for_something_within_its_bounds(plan, data):
    play(plan, data)


@THOROUGH
@given(PLANS, st.data())
def test_every_child_is_made_once_for_a_try_and_outputs_stand_in_the_order_of_items(plan, data):
    world = play(plan, data)

    assert len(world.made) == len(set(world.made))
    rounds: dict[tuple[str, int], list[int]] = {}
    for entry in world.entries:
        if entry.type == "CHILDREN_STARTED":
            number = max(
                e.number
                for e in world.entries
                if e.step_id == entry.step_id
                and e.visit == entry.visit
                and e.number < entry.number
                and "children" in e.data
            )
            rounds.setdefault((f"{entry.step_id}/{entry.visit}", number), []).extend(entry.data["items"])
    for items in rounds.values():
        assert len(items) == len(set(items))


@THOROUGH
@given(PLANS, st.data())
def test_what_is_collected_is_what_the_state_counted(plan, data):
    class Counting(Watched):
        def collect(self, command):
            family = self.state.open[command.key].children
            outputs = self.outputs(command.key, command.round, command.items)
            given = [output for output in outputs if output is not None]
            assert len(given) == len(set(given)) == family.succeeded
            assert family.succeeded + len(family.failed) == family.items
            super().collect(command)
            if self.plan.step[command.key.rpartition("/")[0]].settings["mode"] == "BATCH":
                assert command.key not in self.state.open

    world = Counting(plan, {"p": True, "q": False})
    for _ in range(TURNS):
        if choices := world.happenings():
            choices[data.draw(st.integers(0, len(choices) - 1))]()


@THOROUGH
@given(PLANS, st.data())
def test_the_ledger_alone_rebuilds_the_state_and_the_rows(plan, data):
    world = play(plan, data)

    assert fold(world.entries).to_json() == world.state.to_json()
    assert State.from_json(world.state.to_json()) == world.state
    assert open_commands(plan, State.from_json(world.state.to_json())) == open_commands(plan, world.state)
    runs = runs_by_the_table(world.entries)
    still_open = {name: run.status for name, run in runs.items() if run.end_time is None}
    assert still_open == {run.key: run.status for run in world.state.open.values()}


@THOROUGH
@given(PLANS, st.data())
def test_what_is_told_twice_changes_nothing(plan, data):
    world = play(plan, data)

    for word in world.words:
        first, number = world.state, len(world.entries)
        world.see(word)
        if world.state.to_json() == first.to_json():
            assert len(world.entries) == number
        second = world.state.to_json()
        world.see(word)
        assert world.state.to_json() == second


@THOROUGH
@given(PLANS, st.data())
def test_a_retry_keeps_what_succeeded(plan, data):
    world = play(plan, data)
    if world.state.status != "FAILED":
        return
    families = {key: run.children for key, run in world.state.lost.items() if run.children is not None}
    kept = {
        key: {
            item
            for of, round, item in world.rows
            if (of, round) == (key, family.round) and world.rows[of, round, item].status == "COMPLETED"
        }
        for key, family in families.items()
    }
    begun = len(world.entries)
    made = len(world.made)
    world.retry()
    for _ in range(200):
        commands = [c for c in open_commands(plan, world.state) if isinstance(c, StartChildren)]
        if not commands:
            break
        for command in commands:
            if command.key in world.asked:
                world.tell_started(command.key)
            else:
                world.spawn(command, 100)
    retries = {
        f"{entry.step_id}/{entry.visit}": entry.data["retries"]
        for entry in world.entries[begun:]
        if entry.data.get("retries")
    }
    for key, _, item in world.made[made:]:
        if key in retries and retries[key] in kept:
            assert item not in kept[retries[key]]


def test_families_do_happen():
    """The other tests say something only when children come into being, fail, and are retried."""
    seen: set[str] = set()

    @settings(max_examples=100, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(PLANS, st.data())
    def gather(plan, data):
        seen.update(entry.type for entry in play(plan, data).entries)

    gather()

    assert {"CHILDREN_STARTED", "CHILD_ENDED", "DATA_FETCHED", "EXECUTION_RETRIED"} <= seen
