"""Starting executions: the row and the first moves in one write, then Temporal, then the word that it has them.

Whatever happens in between, the row stays CREATED and some launcher hands it over later; a workflow that runs already
counts as started, so an execution runs once however often it is launched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from service.definition.plan import Json, Plan
from service.domain.errors import AlreadyExists
from service.domain.execution import Execution, Launch
from service.domain.fields import shown
from service.domain.step_run import StepRun
from service.engine.advancing import advance, may_proceed, phase
from service.engine.entries import Entry
from service.engine.observations import Proceeded, Retried, Started
from service.engine.state import OPEN, State
from service.gateway import Gateway, StartRefused, TemporalAway
from service.recording import writing
from service.sweeping import FULL
from storage import executions
from storage.database import connection

FIRST_MOVES = 400
"""Steps that a start makes itself; an execution that needs more before its first wait makes the rest in Temporal."""

LEASE = 8.0
"""Seconds in which whoever took a launch must have made it; longer than the gateway waits for Temporal."""

MOST_WAITING = 20_000
"""Executions that may wait for Temporal to come back; then starts are refused instead of piling up."""

DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the attempts to reach Temporal; the last one repeats."""


@dataclass(frozen=True, slots=True)
class FirstMoves:
    """What an execution did before anybody outside was needed."""

    state: State
    entries: list[Entry]

    @property
    def has_ended(self) -> bool:
        """Tell whether nobody outside is needed at all."""
        return self.state.status != OPEN


def first_moves(plan: Plan, input: Json, now: datetime) -> FirstMoves:
    """Run the engine from the start until it needs somebody, or has made enough moves for one transaction."""
    return moves_from(plan, State(), Started(input), now)


def moves_from(plan: Plan, state: State, observation: Started | Retried, now: datetime) -> FirstMoves:
    """Likewise from any state, with the observation that sets it going; raises Refused.

    A move that would begin a compensation is left to the workflow, which can run it. What a retry repeats cannot be
    left: should it fail at once, the execution has FAILED as before, and nothing is compensated.
    """
    outcome = advance(plan, state, observation, now)
    if outcome.state.undoing is not None:
        outcome = advance(plan, state, observation, now, moves=0)
    if outcome.state.undoing is not None:
        outcome = advance(replace(plan, compensates_failure=False), state, observation, now, moves=0)
    entries = list(outcome.entries)
    while may_proceed(outcome.state) and len(entries) < FIRST_MOVES:
        further = advance(plan, outcome.state, Proceeded(), now)
        if further.state.undoing is not None:
            break
        outcome = further
        entries += outcome.entries
    return FirstMoves(outcome.state, entries)


@dataclass(frozen=True, slots=True)
class Created:
    """A new execution as stored, with its step runs and what Temporal is to begin from."""

    execution: Execution
    step_runs: list[StepRun]
    launch: Launch | None  # None: it has ended
    waits: bool = False  # for events, and those that came before are to be looked at


def create(execution: Execution, plan: Plan, moves: FirstMoves) -> Created | None:
    """Store a new execution with its first moves; None when its request id is in use, or its parent gave it up."""
    batch = writing(
        execution.workspace,
        execution.id,
        moves.entries,
        phase(plan, moves.state),
        execution.create_time,
    )
    launch_state = None if moves.has_ended else moves.state.to_json()
    stored = replace(
        execution,
        status=batch.status or "CREATED",
        phase=batch.phase,
        output=batch.output,
        error=batch.error,
        variables=batch.variables,
        last_number=batch.last_number,
        start_time=execution.create_time if moves.has_ended else None,
        end_time=execution.create_time if moves.has_ended else None,
    )
    if not executions.add(stored, launch_state, LEASE, batch):
        return None
    launch = None
    if launch_state is not None:
        launch = Launch(stored.workspace, stored.id, stored.plan_digest, launch_state, stored.create_time)
    return Created(stored, [_as_read(execution.id, run) for run in batch.step_runs], launch, bool(batch.opened))


def _as_read(execution_id: str, row: executions.StepRunRow) -> StepRun:
    values = {name: getattr(row, name) for name in row.__slots__}
    times = {
        name: datetime.fromisoformat(value)
        for name, value in values.items()
        if name.endswith("_time") and value is not None
    }
    return StepRun(execution_id=execution_id, **{**values, **times})


def subject_in_use(type: str, id: str) -> AlreadyExists:
    """The error for a subject that another open execution has."""
    return AlreadyExists(
        "SUBJECT_IN_USE",
        f"another execution for {type} {shown(id)} is open; a subject has one open execution at a time",
        subject_type=type,
        subject_id=id,
    )


def launch(gateway: Gateway, order: Launch, attempts: int, clock: Callable[[], datetime]) -> Execution | None:
    """Hand one execution to Temporal and write down how that went; gives it as stored, None when Temporal was away.

    Call it outside any transaction.
    """
    try:
        gateway.start(order)
    except StartRefused as refusal:
        error = json.dumps({"code": "START_REFUSED", "message": f"Temporal refuses the start: {refusal}"})
        with connection():
            executions.refuse_launch(order.workspace, order.execution_id, error, clock())
            return executions.get(order.workspace, order.execution_id)
    except TemporalAway as away:
        postpone(order, attempts, str(away), clock())
        return None
    with connection():
        stored = executions.confirm(order.workspace, order.execution_id, clock())
        if stored is None:
            stored = executions.get(order.workspace, order.execution_id)
    if stored is not None and stored.status == "CANCELLED":
        gateway.terminate(order.workflow_id, "the execution was cancelled before it started")
    return stored


def postpone(order: Launch, attempts: int, why: str, now: datetime) -> None:
    """Leave an execution for a later attempt."""
    delay = DELAYS[min(attempts, len(DELAYS) - 1)]
    with connection():
        executions.postpone_launch(order.workspace, order.execution_id, why, delay, now)


class Launcher:
    """Launches what nobody launched: after a crash, and while Temporal was away."""

    def __init__(self, gateway: Gateway, *, most_waiting: int = MOST_WAITING) -> None:
        self.is_swamped = False  # no more starts should be accepted
        self._gateway = gateway
        self._most_waiting = most_waiting

    def sweep(self) -> int:
        """Launch what is due until Temporal turns out to be away; gives how many launches were due."""
        with connection():
            due = executions.claim_launches(FULL, LEASE)
        away = False
        for order, attempts in due:
            if away:
                postpone(order, attempts, "Temporal was away", datetime.now(UTC))
            else:
                away = launch(self._gateway, order, attempts, lambda: datetime.now(UTC)) is None
        self.is_swamped = away and executions.count_waiting(self._most_waiting) >= self._most_waiting
        return len(due)
