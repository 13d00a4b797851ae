"""What a human step's settings come to when it opens: whose work it is, how urgent it is, and by when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from service.definition.durations import seconds
from service.definition.expressions import render
from service.definition.plan import Json, Step
from service.domain.human_task import MAX_CANDIDATES, MAX_NAME, PRIORITIES
from service.engine.run import Run


class Unfit(Exception):
    """What was computed is not what it should be."""


def settle(run: Run, step: Step, scope: Mapping[str, Json]) -> dict[str, Json]:
    """Work out the task: {priority, assignee?, roles?, groups?, due?, escalate?}, the last two as ISO 8601 instants.

    Expressions may name what is in the scope.

    Raises ExpressionError, and Unfit for a value that a task cannot have.
    """
    assignment = render(step.settings.get("assignment", {}), scope, run.now)
    task: dict[str, Json] = {"priority": _priority(render(step.settings.get("priority"), scope, run.now))}
    if (assignee := assignment.get("assignee")) not in (None, ""):
        task["assignee"] = _name("assignee", assignee)
    for kind in ("roles", "groups"):
        if names := _names(kind, assignment.get(kind)):
            task[kind] = names
    due = _instant(run, step, "dueIn", scope)
    escalates = any(transition.on == "ESCALATED" for transition in run.plan.outgoing[step.id])
    escalate = _instant(run, step, "escalateIn", scope) if escalates else None
    if due is not None:
        task["due"] = due.isoformat()
    if escalate is not None:
        task["escalate"] = escalate.isoformat()
    return task


def alarm(task: dict[str, Json], after: str | None = None) -> datetime | None:
    """Say when something is next to happen to a task by itself, later than an instant that has been; None for never."""
    passed = datetime.fromisoformat(after) if after else datetime.min.replace(tzinfo=UTC)
    instants = [datetime.fromisoformat(task[name]) for name in ("due", "escalate") if name in task]
    return min((instant for instant in instants if instant > passed), default=None)


def _priority(value: Json) -> str:
    if value is None:
        return "MEDIUM"
    if value not in PRIORITIES:
        raise Unfit(f"its priority is {str(value)[:60]!r}: it must be one of {', '.join(PRIORITIES)}")
    return str(value)


def _names(kind: str, value: Json) -> list[str]:
    found = [] if value is None else value if isinstance(value, list) else [value]
    names = list(dict.fromkeys(_name(kind, one) for one in found if one not in (None, "")))
    if len(names) > MAX_CANDIDATES:
        raise Unfit(f"it has {len(names)} {kind}, at most {MAX_CANDIDATES} are allowed")
    return names


def _name(kind: str, value: Json) -> str:
    if not isinstance(value, str):
        raise Unfit(f"of its {kind}, {str(value)[:60]!r} is no text")
    if len(value) > MAX_NAME:
        raise Unfit(f"of its {kind}, one has {len(value):,} characters, at most {MAX_NAME} are allowed")
    return value


def _instant(run: Run, step: Step, name: str, scope: Mapping[str, Json]) -> datetime | None:
    written = step.settings.get(name)
    if isinstance(written, str):  # an expression; what is fixed stands in the plan in seconds
        value = render(written, scope, run.now)
        if value is None:
            return None
        try:
            written = seconds(value)
        except ValueError as error:
            raise Unfit(f"when it is due: {error}") from error
    try:
        return None if written is None else (run.now + timedelta(seconds=written)).astimezone(UTC)
    except OverflowError as error:
        raise Unfit(f"when it is due: {written} seconds is too long") from error
