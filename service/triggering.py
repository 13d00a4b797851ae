"""What triggers make of an event: each decides once, whatever the others do, and leaves a record."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from service.definition.event_triggers import Compiled, ExpressionError, compiled
from service.domain import ids
from service.domain.delivery import Delivery
from service.domain.errors import AlreadyExists, HeddleError, Invalid, NotFound, WrongState
from service.domain.event import MAX_DEPTH, Event
from service.domain.fields import shown
from service.domain.json_text import Json, compact
from service.domain.trigger import Trigger
from service.domain.trigger_record import TriggerRecord
from service.starting import MAX_MESSAGE, Order, Starter
from storage import trigger_records
from storage.database import connection

log = logging.getLogger(__name__)

_FINAL = (Invalid, NotFound, WrongState, AlreadyExists)
"""Refusals that will be the same the next time; after the others the trigger is asked again later."""


def fire(event: Event, triggers: Sequence[Trigger], starter: Starter, lease: float) -> tuple[list[Delivery], bool]:
    """Let triggers decide about an event, one after another.

    Gives the executions to be cancelled, as deliveries to be brought within `lease` seconds, and whether every trigger
    has decided; one that could not is to be asked again.
    """
    with connection():
        decided = trigger_records.decided(event.workspace, event.event_id)
    made: list[Delivery] = []
    is_complete = True
    for trigger in triggers:
        if trigger.id in decided:
            continue
        try:
            made += _decide(event, trigger, starter, lease)
        except HeddleError as refusal:
            if isinstance(refusal, _FINAL):
                _refuse(event, trigger, refusal.reason, refusal.message, refusal.facts.get("version_id", ""))
            else:
                log.info("trigger %s decides later about event %s: %s", trigger.id, event.event_id, refusal)
                is_complete = False
        except Exception:
            log.exception("trigger %s could not decide about event %s", trigger.id, event.event_id)
            is_complete = False
    return made, is_complete


def _decide(event: Event, trigger: Trigger, starter: Starter, lease: float) -> list[Delivery]:
    if not trigger.enabled:
        raise WrongState("TRIGGER_DISABLED", "the trigger is disabled")
    seen = event.seen()
    expressions = _compiled(trigger)
    try:
        holds = expressions.holds(seen, event.publish_time)
    except ExpressionError as error:
        raise WrongState("TRIGGER_CONDITION_FAILED", f"the condition failed with {error.code}: {error}") from error
    if not holds:
        raise WrongState("TRIGGER_CONDITION_FALSE", "the condition is not true for the event")
    try:
        correlation_id = expressions.correlation_id(seen, event.publish_time)
        input = expressions.input(seen, event.publish_time) if trigger.action == "START" else {}
    except (ExpressionError, ValueError) as error:
        raise WrongState("TRIGGER_MAPPING_FAILED", f"the input or the correlation key failed: {error}") from error
    if trigger.action == "CANCEL":
        return _cancel(event, trigger, correlation_id, lease)
    _start(event, trigger, correlation_id, input, starter)
    return []


def _compiled(trigger: Trigger) -> Compiled:
    mapping = json.loads(trigger.input_mapping) if trigger.input_mapping else None
    return compiled(trigger.language, trigger.condition, trigger.correlation_key, mapping)


def _start(event: Event, trigger: Trigger, correlation_id: str, input: Json, starter: Starter) -> None:
    if event.depth >= MAX_DEPTH:
        raise WrongState("TRIGGER_TOO_DEEP", f"{event.depth} triggers lead to this event, and no more may follow")
    text = compact(input)
    starter.start(
        Order(
            workspace=event.workspace,
            request_id=_request_id(event, trigger),
            request_digest="",
            execution_id=_new_id(),
            time=datetime.now(UTC),
            input_json=text,
            input=input,
            template_id=trigger.template_id,
            correlation_id=correlation_id,
            event_id=event.event_id,
            trigger_id=trigger.id,
            event_depth=event.depth + 1,
        )
    )


def _cancel(event: Event, trigger: Trigger, correlation_id: str, lease: float) -> list[Delivery]:
    if not correlation_id:
        raise WrongState(
            "TRIGGER_MAPPING_FAILED", "the correlation key gave nothing, so it is not known what to cancel"
        )
    with connection():
        made = trigger_records.decide_cancel(_record(event, trigger, "CANCELLED"), correlation_id, lease)
    if not made:
        raise WrongState(
            "TRIGGER_NOTHING_TO_CANCEL",
            f"no open execution of the template has the correlation id {shown(correlation_id)}",
        )
    return made


def _refuse(event: Event, trigger: Trigger, reason: str, message: str, version_id: str) -> None:
    with connection():
        trigger_records.add(
            _record(event, trigger, "REFUSED", reason=reason, message=message[:MAX_MESSAGE], version_id=version_id)
        )


def _record(event: Event, trigger: Trigger, outcome: str, **more: Any) -> TriggerRecord:
    return TriggerRecord(
        workspace=event.workspace,
        id=_new_id(),
        source="EVENT",
        source_id=trigger.id,
        request_id=_request_id(event, trigger),
        outcome=outcome,
        template_id=trigger.template_id,
        create_time=datetime.now(UTC),
        event_id=event.event_id,
        **more,
    )


def _request_id(event: Event, trigger: Trigger) -> str:
    """Name the start that an event and a trigger make, so that it is made once."""
    return f"trigger/{trigger.id}/{hashlib.sha256(event.event_id.encode()).hexdigest()[:40]}"


def _new_id() -> str:
    return ids.uuid7(datetime.now(UTC), secrets.randbits(62))
