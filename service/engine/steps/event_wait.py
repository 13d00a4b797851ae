"""A step that waits for an event: of a pattern, with a condition, and perhaps no longer than until an instant."""

from __future__ import annotations

from datetime import datetime, timedelta

from service.definition.durations import seconds
from service.definition.expressions import UNDEFINED, ExpressionError, evaluate, select, truth
from service.definition.plan import Json
from service.domain import event_key
from service.engine.observations import EventDelivered, TimerFired
from service.engine.run import Refused, Run, Visit, describe
from service.engine.scope import Overlay
from service.engine.steps.kind import Kind, when_due


def _open(run: Run, visit: Visit) -> None:
    try:
        due = _due(run, visit.step.settings)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"timeout of step {visit.step.id}"))
    except (ValueError, OverflowError) as error:
        run.fail(visit, "TIMER_INVALID", f"timeout of step {visit.step.id}: {error}")
    else:
        run.wait(visit, "WAITING", due=due, wait=awaited(run, visit.step.settings))


def _due(run: Run, settings: dict[str, Json]) -> datetime | None:
    if "timeoutExpression" in settings:
        return run.now + timedelta(seconds=seconds(run.value(settings["timeoutExpression"])))
    return run.now + timedelta(seconds=settings["timeout"]) if "timeout" in settings else None


def awaited(run: Run, settings: dict[str, Json]) -> dict[str, Json]:
    """Say for which events a wait is: {pattern, keyPath?, keyValue?, lookBack?}, as `entries.py` tells.

    The key is what the condition compares with a value of the event: only events that have it there can match. A value
    that cannot be worked out, or is no plain value, gives no key.
    """
    wait: dict[str, Json] = {"pattern": settings["pattern"]}
    if "lookBack" in settings:
        wait["lookBack"] = settings["lookBack"]
    if "keyExpression" in settings:
        try:
            value = run.evaluate(settings["keyExpression"]).value
        except ExpressionError:
            return wait
        if isinstance(value, str | int | float):
            wait |= {"keyPath": settings["keyPath"], "keyValue": event_key.written(value)}
    return wait


def check_condition(run: Run, settings: dict[str, Json], event: dict[str, Json]) -> None:
    """Ask the condition of a wait; raises Refused unless it is true."""
    if (condition := settings.get("condition")) is None:
        return
    try:
        value = evaluate(condition, Overlay(run.scope, {"__event__": event}), run.now).value
    except ExpressionError as error:
        raise Refused("EVENT_CONDITION_FAILED", describe(error, "condition"), event_id=event["eventId"]) from error
    if not truth(value):
        raise Refused("EVENT_CONDITION_FALSE", f"the condition {condition!r} is not true", event_id=event["eventId"])


def _take(run: Run, visit: Visit, delivered: EventDelivered) -> None:
    event = delivered.event
    settings = visit.step.settings
    check_condition(run, settings, event)
    if "mapping" not in settings:
        run.complete(visit, event["payload"], event=event["eventId"])
        return
    mapped: dict[str, Json] = {}
    try:
        for name, path in settings["mapping"].items():
            if (value := select(path, event["payload"], run.now)) is not UNDEFINED:
                mapped[name] = value
    except ExpressionError as error:
        raise Refused("EVENT_CONDITION_FAILED", describe(error, "payloadMapping"), event_id=event["eventId"]) from error
    run.complete(visit, mapped, variables=mapped, event=event["eventId"])


def _time_out(run: Run, visit: Visit, fired: TimerFired) -> None:
    message = f"no event came for step {visit.step.id} in time"
    run.fail(visit, "EVENT_TIMEOUT", message, category="TIMEOUT")


EVENT_WAIT = Kind(
    enter=_open,
    command=when_due,
    hears={EventDelivered: _take, TimerFired: _time_out},
    waits_for="WAITING_FOR_EVENT",
)
