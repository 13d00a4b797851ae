"""A step that lets time pass: for a duration, or until an instant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from service.definition.durations import seconds
from service.definition.expressions import ExpressionError
from service.definition.plan import Step
from service.engine.observations import TimerFired
from service.engine.run import Run, Visit, describe
from service.engine.steps.kind import Kind, when_due


def _open(run: Run, visit: Visit) -> None:
    try:
        due = _due(run, visit.step)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"timer {visit.step.id}"))
    except (ValueError, OverflowError) as error:
        run.fail(visit, "TIMER_INVALID", f"timer {visit.step.id}: {error}")
    else:
        run.wait(visit, "WAITING", due=due)


def _due(run: Run, step: Step) -> datetime:
    settings = step.settings
    if "duration" in settings:
        return run.now + timedelta(seconds=settings["duration"])
    if "durationExpression" in settings:
        return run.now + timedelta(seconds=seconds(run.value(settings["durationExpression"])))
    until = settings["until"] if "until" in settings else run.value(settings["untilExpression"])
    return _instant(until)


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"an instant is a string such as 2026-01-31T09:00:00Z, not {value!r}")
    instant = datetime.fromisoformat(value)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _fire(run: Run, visit: Visit, fired: TimerFired) -> None:
    run.complete(visit)


TIMER = Kind(enter=_open, command=when_due, hears={TimerFired: _fire})
