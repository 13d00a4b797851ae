"""Plans in a few words, and a player that drives the engine over them without a server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from service.definition.plan import CancellationTrigger, Compensation, Json, Plan, Step, Transition
from service.domain.lifecycle import STEP_RUN
from service.engine.advancing import Advance, advance, may_proceed, open_commands
from service.engine.commands import RunTask, SetTimer
from service.engine.entries import Entry
from service.engine.observations import Observation, Proceeded, Started, StepCompleted, TaskCompleted, TimerFired
from service.engine.projecting import StepRunChange, project
from service.engine.state import OPEN, State

NOW = datetime(2026, 1, 1, tzinfo=UTC)

RETRY = {"maxAttempts": 3, "initialInterval": 1.0, "backoffMultiplier": 2.0, "maxInterval": 60.0}

SUB_WORKFLOW = {
    "mode": "BATCH",
    "version": "child",
    "items": {"expression": "__context__.items"},
    "mapping": [{"path": ["id"], "value": {"expression": "__each__"}}],
    "sources": [],
    "concurrency": 50,
    "collect": True,
}

TYPES = {
    "start": "start",
    "end": "end",
    "xs": "gateway.exclusive_split",
    "is": "gateway.inclusive_split",
    "ps": "gateway.parallel_split",
    "pj": "gateway.parallel_join",
    "task": "task",
    "timer": "timer",
    "sub": "sys.sub_workflow",
}


def a_step(id: str, **fields: Json) -> Step:
    """Make a step whose type its id tells: `ps2` is a parallel split, `task_a` a task; any other is human."""
    prefix = id.rstrip("0123456789").split("_")[0]
    type = TYPES.get(prefix, "human.confirm")
    settings: dict[str, Json] = {}
    if type == "task":
        settings = {"task": id, "taskQueue": "q", "retry": RETRY, "timeout": 60.0}
    if type == "timer":
        settings = {"duration": 60.0}
    if type == "sys.sub_workflow":
        settings = {**SUB_WORKFLOW, **fields.pop("settings", {})}
    return Step(id=id, name=id, **{"type": type, "settings": settings, **fields})


def a_plan(
    picture: str,
    *,
    inputs: dict[str, Json] | None = None,
    compensations: Iterable[dict[str, Json]] = (),
    compensates_failure: bool = False,
    triggers: Iterable[dict[str, Json]] = (),
    **steps: dict[str, Json],
) -> Plan:
    """Read `a > b; a > c on <outcome>; xs > d if <condition>, e; ...`.

    An edge of a split without a condition is its default. `inputs` are those of transitions by id, such as `a>b`.
    """
    ids: list[str] = []
    transitions: list[Transition] = []
    for line in filter(None, (line.strip() for line in picture.split(";"))):
        source, _, targets = (part.strip() for part in line.partition(">"))
        for target in targets.split(","):
            rest, _, on = (part.strip() for part in target.partition(" on "))
            name, _, condition = (part.strip() for part in rest.partition(" if "))
            ids += [id for id in (source, name) if id not in ids]
            is_default = source.startswith(("xs", "is")) and not condition and not on
            id = f"{source}>{name}" + (f"#{on}" if any(t.id == f"{source}>{name}" for t in transitions) else "")
            transitions.append(
                Transition(
                    id,
                    source,
                    name,
                    condition=condition or None,
                    is_default=is_default,
                    on=on or None,
                    input=(inputs or {}).get(id),
                )
            )
    return Plan(
        "test",
        tuple(a_step(id, **steps.get(id, {})) for id in ids),
        tuple(transitions),
        compensations=tuple(_a_compensation(**one) for one in compensations),
        compensates_failure=compensates_failure,
        cancellation_triggers=tuple(CancellationTrigger(**one) for one in triggers),
    )


def _a_compensation(of: str, id: str, condition: str | None, settings: dict[str, Json]) -> Compensation:
    task = {"task": id, "taskQueue": "q", "timeout": 60.0, **settings}
    return Compensation(of, Step(id, "task", id, settings=task), condition)


class Player:
    """One execution: its state, the whole ledger, and the clock that only moves when told."""

    def __init__(self, plan: Plan, input: Json = None) -> None:
        self.plan = plan
        self.state = State()
        self.now = NOW
        self.entries: list[Entry] = []
        self.see(Started(input))

    def see(self, observation: Observation) -> Advance:
        """Tell the engine, and let it make all its moves."""
        outcome = advance(self.plan, self.state, observation, self.now)
        self._keep(outcome)
        while may_proceed(self.state):
            self._keep(advance(self.plan, self.state, Proceeded(), self.now))
        return outcome

    def _keep(self, outcome: Advance) -> None:
        self.state = outcome.state
        self.entries += outcome.entries

    def complete(self, *step_ids: str, output: Json = None) -> None:
        """Complete human steps one after another."""
        for step_id in step_ids:
            self.see(StepCompleted(step_id, output=output))

    def answer(self, result: Json = None) -> None:
        """Let the oldest thing that the execution waits for outside happen."""
        command = open_commands(self.plan, self.state)[0]
        if isinstance(command, RunTask):
            self.see(TaskCompleted(command.key, command.attempt, result))
        elif isinstance(command, SetTimer):
            self.now = max(self.now, command.due)
            self.see(TimerFired(command.key))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    @property
    def open(self) -> list[str]:
        """The step runs that hold a token."""
        return list(self.state.open)

    @property
    def is_open(self) -> bool:
        """Tell whether the execution goes on."""
        return self.state.status == OPEN

    def count(self, type: str) -> Counter[str]:
        """Count the ledger entries of a type by step."""
        return Counter(entry.step_id for entry in self.entries if entry.type == type)

    def types(self, step_id: str) -> list[str]:
        """List what the ledger tells of one step."""
        return [entry.type for entry in self.entries if entry.step_id == step_id]


def completed(player: Player) -> Iterable[str]:
    """The steps that completed, in order."""
    return [entry.step_id for entry in player.entries if entry.type == "STEP_COMPLETED"]


def runs_by_the_table(entries: Iterable[Entry]) -> dict[str, StepRunChange]:
    """Check that every step run changes as the table of statuses allows; gives the last change of each."""
    last: dict[str, StepRunChange] = {}
    for entry in entries:
        for change in project([entry]).step_runs.values():
            name = f"{change.step_id}/{change.visit}"
            before = last[name].status if name in last else STEP_RUN.first
            assert before == change.status or STEP_RUN.allows(before, change.status), (name, before, change.status)
            last[name] = change
    return last
