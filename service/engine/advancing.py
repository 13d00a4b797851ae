"""The engine: a pure function from state and observation to the next state.

It does no I/O, reads no clock and draws no random number, so the same calls give the same answers in a transaction of
the server, in a workflow, in its replay, and in a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from service.definition.expressions import ExpressionError
from service.definition.plan import Json, Plan, Step, Transition
from service.domain.json_text import canonical
from service.engine import joins, ways
from service.engine.commands import Command, Withdraw
from service.engine.entries import Entry
from service.engine.observations import (
    Cancelled,
    ChildEnded,
    ChildrenStarted,
    DataFetched,
    EventDelivered,
    Lost,
    Observation,
    OutputsCollected,
    Proceeded,
    Retried,
    Started,
    StepCompleted,
    StepUpdated,
    TaskCompleted,
    TaskFailed,
    TimerFired,
    VariablesChanged,
)
from service.engine.run import Refused, Run, Visit, describe, unstorable
from service.engine.state import OPEN, PARKED, OpenRun, State, key
from service.engine.steps import event_wait
from service.engine.steps.kind import Kind
from service.engine.steps.kinds import KINDS

MOVES = 200
"""Steps that one advance begins at most; what is left, the next one does (`Proceeded`)."""

RUNAWAY = 10_000
"""Steps that an execution may begin without anybody outside doing anything: a loop that never waits ends here."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What came of an observation: the state after it, what to ask of the world, and what to write down."""

    state: State
    commands: tuple[Command, ...]
    entries: tuple[Entry, ...]


def advance(plan: Plan, state: State, observation: Observation, now: datetime, *, moves: int = MOVES) -> Advance:
    """Take in one observation and make the moves that it allows.

    Raises Refused, with nothing changed, when the state does not allow what somebody outside asked for. What comes too
    late (the result of a task that was cancelled meanwhile) changes nothing.
    """
    run = Run(plan, state.fork(), now, getattr(observation, "request", None))
    _OBSERVE[type(observation)](run, observation)
    _settle(run, moves)
    _renew_waits(run)
    return Advance(run.state, tuple(run.commands), tuple(run.entries))


def open_commands(plan: Plan, state: State) -> tuple[Command, ...]:
    """List what a state is waiting for, for whoever takes the execution up."""
    asked = (KINDS[plan.step[run.step_id].type].command(plan.step[run.step_id], run) for run in _working(state))
    return tuple(command for command in asked if command is not None)


def may_proceed(state: State) -> bool:
    """Tell whether there are moves left that need no observation."""
    return bool(state.tokens) if state.status == OPEN else state.undoing is not None and not state.open


def phase(plan: Plan, state: State) -> str:
    """Say what an execution is doing now; one that waits for somebody does so only when nothing else can progress."""
    if state.status != OPEN:
        return "NONE" if state.is_over else "COMPENSATING"
    phases = {KINDS[plan.step[run.step_id].type].waits_for for run in _working(state)}
    if state.tokens or "RUNNING" in phases:
        return "RUNNING"
    return "WAITING_FOR_EVENT" if "WAITING_FOR_EVENT" in phases else "WAITING_FOR_INPUT"


def _working(state: State) -> list[OpenRun]:
    return [run for run in state.open.values() if run.status not in PARKED]


# Observations.


def _start(run: Run, started: Started) -> None:
    run.state.input = started.input  # what the keys of the waits may read
    run.begin(started.input, _cancelling_waits(run))


def _proceed(run: Run, proceeded: Proceeded) -> None:
    """Take in nothing: the moves that are left follow by themselves."""


Answer = TaskCompleted | TaskFailed | TimerFired | DataFetched | ChildrenStarted | ChildEnded | OutputsCollected


def _hear(run: Run, observation: Answer) -> None:
    """Tell the step run that asked; one that is no longer open, or no longer interested, does not hear."""
    opened = run.state.open.get(observation.key)
    if opened is None or opened.status in PARKED:
        return
    visit = run.visit_of(opened)
    kind = KINDS[visit.step.type]
    if type(observation) in kind.hears:
        kind.hears[type(observation)](run, visit, observation)
        _ask(run, kind, visit, before=opened)


def _complete_step(run: Run, completion: StepCompleted) -> None:
    if run.state.status != OPEN and _is_repeated(run.state, completion):
        return
    step = _known_step(run, completion.step_id)
    opened = _addressed(run.state, completion.step_id, completion.visit)
    if opened is None:
        if not _is_repeated(run.state, completion):
            raise _not_open(run.state, completion.step_id, completion.visit, "complete")
        return
    if opened.status in PARKED:
        raise Refused(
            "STEP_NOT_WAITING",
            f"cannot complete step {step.id}, visit {opened.visit}: it is {opened.status}; move it to RUNNING first",
            step_id=step.id,
            status=opened.status,
        )
    hears = KINDS[step.type].hears
    if StepCompleted not in hears:
        raise Refused(
            "STEP_NOT_WAITING",
            f"cannot complete step {step.id}: a {step.type} step is not completed by a caller",
            step_id=step.id,
            step_type=step.type,
        )
    hears[StepCompleted](run, run.visit_of(opened), completion)


def _is_repeated(state: State, completion: StepCompleted) -> bool:
    """Tell whether the step was completed before in the same words."""
    result = state.results.get(completion.step_id)
    return (
        result is not None
        and completion.visit in (0, result.visit)
        and canonical(result.output) == canonical(completion.output)  # to Python, 1 and true are the same
        and result.outcome == completion.outcome
    )


UPDATES: dict[str, tuple[str, ...]] = {
    "PENDING": ("RUNNING", "DISABLED", "COMPLETED"),
    "DISABLED": ("RUNNING", "PENDING", "COMPLETED"),
    "RUNNING": ("DISABLED",),
    "WAITING": ("DISABLED",),
}
"""From each status of an open step run, the statuses that UpdateStep may give it; docs/state-tables.md prints it."""


def _update_step(run: Run, update: StepUpdated) -> None:
    _known_step(run, update.step_id)
    opened = _addressed(run.state, update.step_id, update.visit) if run.state.status == OPEN else None
    if opened is None:
        if _stands_completed(run.state, update):
            return
        raise _not_updatable(run.state, update)
    if update.status == opened.status or (update.status, opened.status) == ("RUNNING", "WAITING"):
        return
    if update.status not in UPDATES[opened.status]:
        raise _refused_update(run.plan.step[opened.step_id], opened, update.status)
    _UPDATE[update.status](run, opened)


def _stands_completed(state: State, update: StepUpdated) -> bool:
    """Tell whether a step that is to be passed is completed as it is."""
    result = state.results.get(update.step_id)
    return result is not None and update.visit in (0, result.visit) and update.status == "COMPLETED"


def _refused_update(step: Step, opened: OpenRun, wanted: str) -> Refused:
    allowed = ", ".join(UPDATES[opened.status])
    by_output = wanted == "COMPLETED" and StepCompleted in KINDS[step.type].hears
    hint = "; CompleteStep completes it" if by_output else ""
    return Refused(
        "STEP_STATUS_REFUSED",
        f"cannot move step {step.id}, visit {opened.visit}, from {opened.status} to {wanted}; allowed: {allowed}{hint}",
        step_id=step.id,
        status=opened.status,
        allowed=allowed,
    )


def _not_updatable(state: State, update: StepUpdated) -> Refused:
    """Say why a step that is not open cannot be moved; what has ended is refused by its status, as what is open is."""
    visit = update.visit or state.visits.get(update.step_id, 0)
    if state.status != OPEN or visit == 0 or visit > state.visits.get(update.step_id, 0):
        return _not_open(state, update.step_id, update.visit, "update")
    result = state.results.get(update.step_id)
    status = "COMPLETED" if result is not None and result.visit == visit else None  # only the latest result is kept
    why = f"is {status}" if status else "has ended"
    return Refused(
        "STEP_STATUS_REFUSED",
        f"cannot move step {update.step_id}, visit {visit}, to {update.status}: it {why}; allowed: nothing",
        step_id=update.step_id,
        status=status,
        allowed="",
    )


def _set_free(run: Run, opened: OpenRun) -> None:
    _perform(run, run.visit_of(opened))


def _park(status: str) -> Callable[[Run, OpenRun], None]:
    def park(run: Run, opened: OpenRun) -> None:
        run.wait(run.visit_of(opened), status)
        run.commands.append(Withdraw(opened.key))

    return park


def _pass_over(run: Run, opened: OpenRun) -> None:
    visit = run.visit_of(opened)
    if not KINDS[visit.step.type].passable:
        _perform(run, visit)
    elif ways.after_outcome(run.plan, visit.step.id, "") is None:
        raise Refused(
            "STEP_STATUS_REFUSED",
            f"cannot move step {visit.step.id}, visit {visit.number}, from {opened.status} to COMPLETED: "
            "each of its transitions is for an outcome, and so it would have none; allowed: RUNNING",
            step_id=visit.step.id,
            status=opened.status,
            allowed="RUNNING",
        )
    else:
        run.complete(visit)


_UPDATE: dict[str, Callable[[Run, OpenRun], None]] = {
    "RUNNING": _set_free,
    "PENDING": _park("PENDING"),
    "DISABLED": _park("DISABLED"),
    "COMPLETED": _pass_over,
}


def _cancel(run: Run, cancelled: Cancelled, trigger: int = 0) -> None:
    if run.state.status == "CANCELLED":
        return  # whoever came first gave the reason
    if run.state.status != OPEN:
        raise Refused(
            "EXECUTION_ENDED",
            f"cannot cancel the execution: it is {run.state.status}",
            status=run.state.status,
        )
    told: dict[str, Json] = {"reason": cancelled.reason, "source": cancelled.source}
    told |= {name: value for name, value in (("by", cancelled.by), ("event", cancelled.event)) if value}
    told |= {"trigger": trigger} if trigger else {}
    told |= {} if cancelled.compensates else {"compensates": False}
    compensation = run.compensation(told) if cancelled.compensates else {}
    run.close_open_runs("the execution was cancelled")
    run.end("EXECUTION_CANCELLED", **told, **compensation)


def _cancelling_waits(run: Run) -> list[dict[str, Json]]:
    return [event_wait.awaited(run, trigger.settings) for trigger in run.plan.cancellation_triggers]


def _deliver(run: Run, delivered: EventDelivered) -> None:
    """Let a wait take an event, or a cancellation trigger; whether it fits is judged here and nowhere else."""
    state, event_id = run.state, delivered.event["eventId"]
    name = key(delivered.step_id, delivered.visit)
    if event_id in state.consumed:
        if state.consumed[event_id] == name:
            return
        raise Refused("EVENT_ALREADY_CONSUMED", f"the execution has taken event {event_id} before", event_id=event_id)
    if state.status == OPEN and not delivered.step_id and 0 < delivered.visit <= len(run.plan.cancellation_triggers):
        _trigger_cancellation(run, delivered)
        return
    opened = state.open.get(name)
    if opened is None or opened.wait is None:
        what = f"step {delivered.step_id}, visit {delivered.visit}," if delivered.step_id else "the execution"
        raise Refused("EVENT_NOT_AWAITED", f"{what} does not wait for an event any more", event_id=event_id)
    visit = run.visit_of(opened)
    KINDS[visit.step.type].hears[EventDelivered](run, visit, delivered)


def _trigger_cancellation(run: Run, delivered: EventDelivered) -> None:
    trigger = run.plan.cancellation_triggers[delivered.visit - 1]
    event_wait.check_condition(run, trigger.settings, delivered.event)
    event_id = delivered.event["eventId"]
    reason = trigger.reason or f"event {delivered.event['pattern']}"
    wish = Cancelled(reason, source="EVENT", event=event_id, compensates=trigger.compensates)
    _cancel(run, wish, delivered.visit)


def _change_variables(run: Run, changed: VariablesChanged) -> None:
    if run.state.status != OPEN:
        message = f"cannot set variables of the execution: it is {run.state.status}"
        raise Refused("EXECUTION_ENDED", message, status=run.state.status)
    if changed.expected and changed.expected != run.state.number:
        raise Refused("REVISION_CONFLICT", "the execution has changed since it was read")
    if problem := unstorable(changed.variables):
        raise Refused("VARIABLES_INVALID", f"the variables are not JSON: {problem}")
    if problem := run.too_large_variables(changed.variables):
        raise Refused("VARIABLES_INVALID", problem)
    run.set(changed.variables)


def _fail(run: Run, lost: Lost) -> None:
    if run.state.status == OPEN:
        run.close_open_runs(lost.message)
        run.end("EXECUTION_FAILED", error={"code": lost.code, "message": lost.message, "step_id": ""})
    elif not run.state.is_over:
        run.break_off_compensation(lost.message)


def _retry(run: Run, retried: Retried) -> None:
    """Begin the next visit of every step run that the failure ended."""
    if run.state.status != "FAILED":
        raise Refused(
            "EXECUTION_NOT_FAILED",
            f"cannot retry the execution: it is {run.state.status}; only one that FAILED goes on",
            status=run.state.status,
        )
    if run.state.undone or run.state.undoing is not None:
        raise Refused(
            "EXECUTION_COMPENSATED",
            "cannot retry the execution: what it had completed has been compensated; start another one",
        )
    run.go_on(_cancelling_waits(run))
    for lost in list(run.state.lost.values()):
        if run.state.status == OPEN:
            step = run.plan.step[lost.step_id]
            visit = Visit(step, run.state.visits[step.id] + 1, (), retries=lost.key, handed=lost.handed)
            if lost.status in PARKED:
                run.wait(visit, lost.status)
            elif lost.via:
                if (handed := _handed(run, visit, lost.via)) is not None:
                    _perform(run, handed)
            else:
                _perform(run, visit)


_OBSERVE: dict[type, Callable[[Run, Any], None]] = {
    Started: _start,
    Proceeded: _proceed,
    TaskCompleted: _hear,
    TaskFailed: _hear,
    TimerFired: _hear,
    DataFetched: _hear,
    ChildrenStarted: _hear,
    ChildEnded: _hear,
    OutputsCollected: _hear,
    Lost: _fail,
    Retried: _retry,
    StepCompleted: _complete_step,
    StepUpdated: _update_step,
    Cancelled: _cancel,
    EventDelivered: _deliver,
    VariablesChanged: _change_variables,
}


def _known_step(run: Run, step_id: str) -> Step:
    if step_id not in run.plan.step:
        raise Refused("STEP_NOT_FOUND", f"the execution's version has no step {step_id}", step_id=step_id)
    return run.plan.step[step_id]


def _addressed(state: State, step_id: str, visit: int) -> OpenRun | None:
    if visit:
        return state.open.get(key(step_id, visit))
    return next((run for run in state.open.values() if run.step_id == step_id), None)


def _not_open(state: State, step_id: str, visit: int, verb: str) -> Refused:
    if visit > state.visits.get(step_id, 0):
        return Refused("STEP_RUN_NOT_FOUND", f"step {step_id} has no visit {visit}", step_id=step_id, visit=visit)
    result = state.results.get(step_id)
    if state.status != OPEN:
        why = f"the execution is {state.status}"
    elif result is not None and visit in (0, result.visit):
        why = f"visit {result.visit} is COMPLETED, with another output or outcome"
    elif step_id not in state.visits:
        why = "it has not started"
    else:
        why = "it is not in progress"
    reason = "EXECUTION_ENDED" if state.status != OPEN else "STEP_NOT_WAITING"
    return Refused(reason, f"cannot {verb} step {step_id}: {why}", step_id=step_id, visit=visit)


# Moves.


def _settle(run: Run, moves: int) -> None:
    """Move tokens until none can move by itself; with the moves used up, stop where tokens are on their way."""
    state = run.state
    while state.status == OPEN:
        if state.tokens:
            if moves <= 0:
                return
            moves -= 1
            _move(run, state.tokens[0])
        elif join := joins.ready(run.plan, state):
            step = run.plan.step[join]
            _enter(run, step, tuple(state.arrived[join]), _deciding(run.plan, state, join))
        elif state.end_reached and state.open and not _working(state):
            run.close_open_runs("the end was reached")
        elif state.open or state.number == 0:
            return
        else:
            _finish(run)
    _compensate(run, moves)


def _renew_waits(run: Run) -> None:
    """Let open waits follow the data that their keys are made of."""
    if not run.plan.has_moving_keys or run.state.status != OPEN:
        return
    for opened in list(run.state.open.values()):
        step = run.plan.step[opened.step_id]
        if opened.wait and step.settings.get("keyMoves"):
            wait = event_wait.awaited(run, step.settings)
            if wait != opened.wait:
                run.note("WAIT_CHANGED", run.visit_of(opened), wait=wait)


def _compensate(run: Run, moves: int) -> None:
    """Begin the next part of a compensation when the one before has ended, whatever came of it."""
    while (undoing := run.state.undoing) is not None and not run.state.open:
        if undoing.next == len(undoing.parts):
            run.compensated()
            return
        if moves <= 0:
            return
        moves -= 1
        step = run.plan.step[undoing.parts[undoing.next]["id"]]
        _perform(run, Visit(step, run.state.visits.get(step.id, 0) + 1, (), undoes=True))


def _move(run: Run, via: str) -> None:
    """Bring the token on a transition into the step behind it."""
    transition = run.plan.transition[via] if via else None
    step = run.plan.step[transition.target] if transition else run.plan.start
    if KINDS[step.type].gathers:
        run.arrive(Visit(step, 0, (via,)))
    else:
        _enter(run, step, (via,), transition)


def _deciding(plan: Plan, state: State, join: str) -> Transition | None:
    """Of the transitions whose tokens a join takes, the first that says with which status it begins."""
    return next((t for t in plan.incoming[join] if t.id in state.arrived[join] and t.on_arrival), None)


def _enter(run: Run, step: Step, via: tuple[str, ...], transition: Transition | None) -> None:
    """Start the next visit of a step with the status that its transition, or else its policy, gives."""
    new = Visit(step, run.state.visits.get(step.id, 0) + 1, via)
    if run.state.moves >= RUNAWAY:
        run.fail(new, "RUNAWAY_LOOP", f"{RUNAWAY} steps began in a row without any that waits: a loop never pauses")
        return
    visit = _handed(run, new, via)
    if visit is None:
        return
    status = (transition.on_arrival if transition else None) or step.default_status or "RUNNING"
    if status in PARKED:
        run.wait(visit, status)
    elif status == "FAILED":
        run.fail(visit, "FAILED_ON_ARRIVAL", f"step {step.id} is set to fail on arrival")
    elif status == "COMPLETED" and KINDS[step.type].passable:
        run.complete(visit)
    else:
        _perform(run, visit)


def _handed(run: Run, visit: Visit, via: tuple[str, ...]) -> Visit | None:
    """Give the visit what its transitions hand over; None when they cannot: then it has failed."""
    try:
        handed = run.handed(via)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"input that a transition gives to step {visit.step.id}"))
        return None
    if problem := unstorable(handed) or (run.too_large(visit.step.id, handed) if handed else ""):
        run.fail(visit, "INPUT_INVALID", f"input that a transition gives: {problem}", category="VALIDATION")
        return None
    return replace(visit, handed=handed or None)


def _perform(run: Run, visit: Visit) -> None:
    kind = KINDS[visit.step.type]
    before = run.state.open.get(visit.key)
    kind.enter(run, visit)
    _ask(run, kind, visit, before)


def _ask(run: Run, kind: Kind, visit: Visit, before: OpenRun | None) -> None:
    """Ask the world for what a step run now waits for, if that has changed."""
    opened = run.state.open.get(visit.key)
    if opened is not None and opened is not before and (command := kind.command(visit.step, opened)):
        run.commands.append(command)


def _finish(run: Run) -> None:
    """End an execution in which no token is left."""
    try:
        expression = run.plan.output_expression
        output = run.value(expression) if expression else None
    except ExpressionError as error:
        message = describe(error, "outputExpression")
        run.give_up(message, {"code": "EXPRESSION_FAILED", "message": message, "step_id": ""})
    else:
        run.end("EXECUTION_COMPLETED", output=output)
