"""One advance under way: what step kinds say to the engine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from service.definition.expressions import UNDEFINED, Evaluation, ExpressionError, evaluate, render, truth
from service.definition.plan import Json, Plan, Step
from service.engine import compensating, ways
from service.engine.commands import Command, Withdraw
from service.engine.entries import Entry
from service.engine.folding import apply, growth, variables_growth
from service.engine.scope import Overlay, Scope
from service.engine.state import MAX_HELD, MAX_STATE, PARKED, Done, Family, OpenRun, State, json_size, key

MAX_OUTPUT = 256 * 1024
"""Bytes of JSON that one step may give; Temporal's own limit for a message is 2 MiB."""

_UNCATCHABLE = frozenset({"RUNAWAY_LOOP"})  # what handles it would only be a part of the loop


class Refused(Exception):
    """An observation that the state does not allow; nothing has changed.

    `reason` is a name of `ErrorReason`, `facts` are the values that the message speaks of.
    """

    def __init__(self, reason: str, message: str, **facts: Json) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Visit:
    """A step about to be performed: by a token that just came in, or by a parked step run set free."""

    step: Step
    number: int
    via: tuple[str, ...]  # the transitions whose tokens it takes; empty for one that is open already, or a retry
    attempt: int = 1
    retries: str = ""  # the key of the step run that ended without a result, and that this one repeats
    undoes: bool = False  # it begins a part of a compensation
    handed: dict[str, Json] | None = None  # what the transitions by which it came give to its input

    @property
    def is_new(self) -> bool:
        """Tell whether it is not among the open step runs yet."""
        return bool(self.via or self.retries or self.undoes)

    @property
    def key(self) -> str:
        """The name of the step run within its execution."""
        return key(self.step.id, self.number)


class Run:
    """A private copy of the state, moved entry by entry, and the commands that came of it."""

    def __init__(self, plan: Plan, state: State, now: datetime, request: Json = None) -> None:
        self.plan = plan
        self.state = state
        self.now = now
        self._request = request  # of whoever caused this advance; its first entry carries it
        self.entries: list[Entry] = []
        self.commands: list[Command] = []
        self._time = now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    # What a step kind may do with a visit: wait, complete, fail.

    def wait(
        self,
        visit: Visit,
        status: str,
        *,
        input: Json = None,
        due: datetime | None = None,
        children: Family | None = None,
        wait: dict[str, Json] | None = None,
        task: dict[str, Json] | None = None,
    ) -> None:
        """Keep the step run open until something outside happens.

        `wait` says for which event, `task` what it is to the person whose work it is (see `entries.py`).
        """
        data: dict[str, Json] = {"status": status}
        if input is not None:
            data["input"] = input
        if due is not None:
            data["due"] = due.astimezone(UTC).isoformat()
        if children is not None:
            data["children"] = children.to_dict()
        if wait is not None:
            data["wait"] = wait
        if task is not None:
            data["task"] = task
        if visit.is_new:
            handed = {"handed": visit.handed} if visit.handed else {}
            self._record("STEP_STARTED", visit, {**_origin(visit), **handed, **data})
        else:
            self._record("STEP_UPDATED", visit, {**data, **self._leaving(visit.key)})

    def complete(
        self,
        visit: Visit,
        output: Json = None,
        *,
        taken: list[str] | None = None,
        outcome: str = "",
        **notes: Json,
    ) -> None:
        """Finish the step run; its token goes on along the taken transitions, by default those for the outcome.

        `notes` go into the ledger entry: why these transitions, which variables are set, which event came.
        """
        if taken is None:
            taken = ways.after_outcome(self.plan, visit.step.id, outcome)
        if taken is None:
            message = f"no transition of step {visit.step.id} is for the outcome {outcome or 'of an ordinary end'!r}"
            self._fail(visit, {"code": "OUTCOME_NOT_HANDLED", "message": message}, notes.get("event"))
            return
        if problem := unstorable(output):
            message = f"step {visit.step.id} gave what is not JSON: {problem}"
            self._fail(visit, {"code": "OUTPUT_INVALID", "message": message}, notes.get("event"))
            return
        if problem := self.too_large_output(visit.step.id, output, outcome, notes.get("variables")):
            self._fail(visit, {"code": "OUTPUT_TOO_LARGE", "message": problem}, notes.get("event"))
            return
        data: dict[str, Json] = {"output": output, "taken": taken}
        if outcome:
            data["outcome"] = outcome
        data.update(self._ending_task(visit.key, "COMPLETED"))
        data.update((name, value) for name, value in notes.items() if value)
        if parts := self._undoable[visit.step.id]:
            data["undoable"] = parts
        self._record("STEP_COMPLETED", visit, {**data, **_origin(visit), **self._unwaiting(visit.key)})

    def fail(self, visit: Visit, code: str, message: str, **details: Json) -> None:
        """Fail the step run, and unless a transition catches the error, the execution.

        A compensation that fails is recorded, and the next one follows.
        """
        self._fail(visit, {"code": code, "message": message, **details})

    def _fail(self, visit: Visit, error: dict[str, Json], event: Json = None) -> None:
        """Likewise; an event that the step run took before it failed is consumed."""
        code = error["code"]
        data: dict[str, Json] = {"error": error, **_origin(visit), **self._leaving(visit.key)}
        if event:
            data["event"] = event
        if self.state.undoing is not None:
            self._record("STEP_FAILED", visit, data)
        elif code not in _UNCATCHABLE and (way := ways.catching(self.plan, visit.step.id, error)):
            self._record("STEP_FAILED", visit, {**data, "taken": [way.id]})
        else:
            self._record("STEP_FAILED", visit, data)
            self.give_up(f"step {visit.step.id} failed", {**error, "step_id": visit.step.id})

    def give_up(self, reason: str, error: dict[str, Json]) -> None:
        """Fail the execution, and compensate what was completed where the definition asks for that."""
        told: dict[str, Json] = {"error": error}
        if self.plan.compensates_failure:
            told |= self.compensation(told)
        self.close_open_runs(reason)
        self.end("EXECUTION_FAILED", **told)

    def compensation(self, told: dict[str, Json]) -> dict[str, Json]:
        """Choose what to compensate, the latest first; gives what the entry that gives the execution up says of it.

        `told` is what that entry says besides.
        """
        if not self.plan.compensations:
            return {}
        cancellation = compensating.cancellation(told, self._time)
        parts: list[Json] = []
        skipped: list[Json] = []
        for done in reversed(self.state.done):
            for one in self.plan.compensations:
                if one.of != done.step_id:
                    continue
                part: dict[str, Json] = {"id": one.step.id, "step_id": done.step_id, "visit": done.visit}
                why = self._not_holding(one.condition, done, cancellation)
                (skipped.append({**part, "reason": why}) if why else parts.append(part))
        return {"compensation": parts, **({"skipped": skipped} if skipped else {})}

    def _not_holding(self, condition: str | None, done: Done, cancellation: dict[str, Json]) -> str:
        """Say why a condition does not hold for a completed visit, or nothing."""
        if condition is None:
            return ""
        try:
            value = evaluate(condition, compensating.scope(done, cancellation, self.scope), self.now).value
        except ExpressionError as error:
            return describe(error, "condition")
        return "" if truth(value) else "its condition is false"

    def note(self, type: str, visit: Visit, **data: Json) -> None:
        """Record what happened to an open step run that goes on waiting."""
        self._record(type, visit, data)

    def arrive(self, visit: Visit) -> None:
        """Hold a token at a join."""
        self._record("TOKEN_ARRIVED", replace(visit, number=0, attempt=0), {"via": visit.via[0]})

    # The execution as a whole.

    def begin(self, input: Json, waits: list[dict[str, Json]]) -> None:
        """Put the first token before the start step; `waits` are those of the cancellation triggers."""
        self._append("EXECUTION_STARTED", "", 0, 0, {"input": input, **({"waits": waits} if waits else {})})

    def go_on(self, waits: list[dict[str, Json]]) -> None:
        """Open an execution again that has failed; `waits` are those of the cancellation triggers."""
        self._append("EXECUTION_RETRIED", "", 0, 0, {"waits": waits} if waits else {})

    def end(self, type: str, **data: Json) -> None:
        """Bring the execution to its end."""
        self._append(type, "", 0, 0, data)

    def compensated(self) -> None:
        """Bring a compensation to its end."""
        self._end_compensation([])

    def break_off_compensation(self, why: str) -> None:
        """Bring a compensation to its end before its time: what runs, and what has not begun, counts as failed."""
        undoing = self.state.undoing
        assert undoing is not None
        error: dict[str, Json] = {"code": "COMPENSATION_LOST", "message": why}
        begun = undoing.parts[undoing.next - len(self.state.open) : undoing.next]  # at most one is open
        lost: list[Json] = [{**part, "error": error, "time": self._time} for part in begun]
        lost += [{**part, "error": error} for part in undoing.parts[undoing.next :]]
        self.close_open_runs(why)
        self._end_compensation(lost)

    def _end_compensation(self, lost: list[Json]) -> None:
        undoing = self.state.undoing
        assert undoing is not None
        failed: list[Json] = [*undoing.failed, *lost]
        status = "COMPLETED_WITH_ERRORS" if failed else "COMPLETED"
        self._append("EXECUTION_COMPENSATED", "", 0, 0, {"status": status, "failed": failed})

    def close_open_runs(self, reason: str) -> None:
        """Cancel what is under way and skip what is parked."""
        for run in list(self.state.open.values()):
            self.close(run, "STEP_SKIPPED" if run.status in PARKED else "STEP_CANCELLED", reason)

    def close(self, run: OpenRun, type: str, reason: str) -> None:
        """End one open step run without a result."""
        data = {"reason": reason, **self._leaving(run.key)}
        self._append(type, run.step_id, run.visit, run.attempt, data)
        self.commands.append(Withdraw(run.key))

    def set(self, variables: dict[str, Json]) -> None:
        """Set variables on somebody's request."""
        self._append("VARIABLES_CHANGED", "", 0, 0, {"variables": variables})

    # Questions.

    def visit_of(self, run: OpenRun) -> Visit:
        """Take up an open step run."""
        return Visit(self.plan.step[run.step_id], run.visit, (), run.attempt, handed=run.handed)

    def evaluate(self, source: str) -> Evaluation:
        """Evaluate an expression on the execution's data; raises ExpressionError."""
        return evaluate(source, self.scope, self.now)

    def render(self, template: Json) -> Json:
        """Fill in the expressions of a JSON template; raises ExpressionError."""
        return render(template, self.scope, self.now)

    def value(self, source: str) -> Json:
        """Evaluate an expression to a JSON value, undefined as null; raises ExpressionError."""
        value = self.evaluate(source).value
        return None if value is UNDEFINED else value

    def handed(self, via: tuple[str, ...]) -> dict[str, Json]:
        """Fill in what these transitions give to the input of the step behind them; raises ExpressionError."""
        handed: dict[str, Json] = {}
        for transition in (self.plan.transition[one] for one in via if one):
            if transition.input is not None:
                handed |= render(transition.input, Overlay(self.scope, self._failed(transition.source)), self.now)
        return handed

    def _failed(self, step_id: str) -> dict[str, Json]:
        failure = self.state.failures.get(step_id)
        if failure is None:
            return {}
        error = {**failure.error, "stepId": step_id, "attempts": failure.attempt}
        return {"__error__": error, "__failed__": {"input": failure.input}}

    @property
    def scope(self) -> Mapping[str, Any]:
        """The data that expressions may name."""
        scope = Scope(self.state)
        undoing = self.state.undoing
        done = None if undoing is None else compensating.next_done(self.state, undoing)
        return scope if undoing is None or done is None else compensating.scope(done, undoing.cancellation, scope)

    def default_of_compensation(self) -> dict[str, Json]:
        """What a compensation without an input of its own gets."""
        assert self.state.undoing is not None
        return compensating.default_input(self.state, self.state.undoing, Scope(self.state))

    def too_large(self, step_id: str, value: Json) -> str:
        """Say which limit a value that a step holds for a while would break, or nothing."""
        size = json_size(value)
        if problem := self.too_large_size(step_id, size):
            return problem
        if self.state.held + size > MAX_HELD:
            return (
                f"step {step_id} would hold {size} bytes of JSON, and with it the steps that are open "
                f"{self.state.held + size}; their limit is {MAX_HELD}"
            )
        return ""

    def too_large_output(self, step_id: str, output: Json, outcome: str, variables: dict[str, Json] | None) -> str:
        """Say which limit would be broken by completing a step, or nothing."""
        grown = growth(self.state, step_id, output)
        if parts := self._undoable[step_id]:
            grown += Done(step_id, self.state.visits.get(step_id, 1), output, outcome, parts).size
        if variables:
            grown += variables_growth(self.state, variables)
        return self.too_large_size(step_id, json_size(output), grown)

    def too_large_size(self, step_id: str, size: int, grown: int | None = None) -> str:
        """Say which limit a value of so many bytes of JSON would break, or nothing.

        `grown` is by how much the execution's data would grow, where that is not the same.
        """
        if size > MAX_OUTPUT:
            return f"step {step_id} gave {size} bytes of JSON, the limit for one output is {MAX_OUTPUT}"
        grown = size if grown is None else grown
        if self.state.size + grown > MAX_STATE and grown > 0 and self.state.undoing is None:
            return (
                f"step {step_id} gave {size} bytes of JSON, which with the {self.state.size} bytes that the execution "
                f"holds already is over its limit of {MAX_STATE}"
            )
        return ""

    def too_large_variables(self, variables: dict[str, Json]) -> str:
        """Say which limit setting these variables would break, or nothing."""
        size, grown = json_size(variables), variables_growth(self.state, variables)
        if size > MAX_OUTPUT:
            return f"the variables have {size} bytes of JSON, the limit for one change is {MAX_OUTPUT}"
        if self.state.size + grown > MAX_STATE and grown > 0:
            return (
                f"the variables have {size} bytes of JSON, with which the execution would hold "
                f"{self.state.size + grown}; its limit is {MAX_STATE}"
            )
        return ""

    @cached_property
    def _undoable(self) -> Counter[str]:
        return Counter(one.of for one in self.plan.compensations)

    def _leaving(self, name: str) -> dict[str, Json]:
        """Say in the entry that closes a step run what outside is not needed any more."""
        run = self.state.open.get(name)
        cancels = {"cancels": True} if run and run.children and not run.children.has_ended else {}
        return cancels | self._unwaiting(name) | self._ending_task(name, "WITHDRAWN")

    def _ending_task(self, name: str, status: str) -> dict[str, Json]:
        """Say in the entry that closes a step run what becomes of the task that it is to a person."""
        run = self.state.open.get(name)
        return {"ends_task": status} if run and run.task else {}

    def _unwaiting(self, name: str) -> dict[str, Json]:
        run = self.state.open.get(name)
        return {"unwaits": True} if run and run.wait else {}

    def _record(self, type: str, visit: Visit, data: dict[str, Json]) -> None:
        self._append(type, visit.step.id, visit.number, visit.attempt, data)

    def _append(self, type: str, step_id: str, visit: int, attempt: int, data: dict[str, Json]) -> None:
        if self._request:
            data["request"], self._request = self._request, None
        entry = Entry(self.state.number + 1, self._time, type, step_id, visit, attempt, data)
        apply(self.state, entry)
        self.entries.append(entry)


def _origin(visit: Visit) -> dict[str, Json]:
    """Say where a new step run comes from."""
    if not visit.is_new or visit.undoes:
        return {}
    return {"via": list(visit.via), **({"retries": visit.retries} if visit.retries else {})}


def unstorable(value: Json) -> str:
    """Say why a value that came from outside cannot be kept as JSON, or nothing."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)
    return "a string holds the character U+0000" if "\\u0000" in text.replace("\\\\", "") else ""


def describe(error: ExpressionError, where: str) -> str:
    """Say which expression failed and why."""
    return f"{where}: the expression {error.source!r} failed with {error.code}: {error}"
