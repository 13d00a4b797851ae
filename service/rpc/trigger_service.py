"""Triggers over gRPC."""

from __future__ import annotations

from typing import Any

from heddle.v1 import trigger_service_pb2 as pb
from heddle.v1.trigger_pb2 import Trigger as TriggerMessage
from heddle.v1.trigger_service_pb2_grpc import TriggerServiceServicer
from service.definition.event_triggers import compiled
from service.domain import fields
from service.domain.errors import Invalid
from service.domain.json_text import parse
from service.domain.trigger import DEFAULT_PRIORITY, MAX_EXPRESSION, MAX_MAPPING, Trigger
from service.rpc.call import Call
from service.rpc.changing import changing
from service.rpc.messages import time_message, value_of
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import triggers


class TriggerService(TriggerServiceServicer):
    """See trigger_service.proto."""

    @changing
    def CreateTrigger(self, request: pb.CreateTriggerRequest, call: Call) -> pb.CreateTriggerResponse:
        trigger = Trigger(
            workspace=call.workspace,
            id=call.new_id(),
            template_id=fields.required("template_id", request.template_id),
            version_id=None,
            name=request.name,
            description=request.description,
            action=fields.required("action", value_of("action", TriggerMessage.Action, request.action)),
            pattern=request.pattern,
            condition=request.condition,
            language=(value_of("language", TriggerMessage.Language, request.language) or "JSONATA").lower(),
            input_mapping=request.input_mapping_json,
            correlation_key=request.correlation_key,
            priority=request.priority if request.HasField("priority") else DEFAULT_PRIORITY,
            enabled=not request.HasField("enabled") or request.enabled,
            reason=request.reason,
            compensate=not request.HasField("should_compensate") or request.should_compensate,
            revision=1,
            create_time=call.now,
            update_time=call.now,
        ).checked()
        _require_sound(trigger)
        triggers.add(trigger)
        return pb.CreateTriggerResponse(trigger=_message(trigger))

    @rpc
    def GetTrigger(self, request: pb.GetTriggerRequest, call: Call) -> pb.GetTriggerResponse:
        trigger = triggers.get(call.workspace, fields.required("trigger_id", request.trigger_id))
        return pb.GetTriggerResponse(trigger=_message(trigger))

    @rpc
    def ListTriggers(self, request: pb.ListTriggersRequest, call: Call) -> pb.ListTriggersResponse:
        page = Page.asked(request, call)
        found = triggers.page(
            call.workspace,
            template_id=request.template_id,
            pattern=request.pattern,
            before=page.after,
            limit=page.limit,
        )
        told, token = page.filled(found, _message, lambda trigger: trigger.id)
        return pb.ListTriggersResponse(triggers=told, next_page_token=token)

    @changing
    def UpdateTrigger(self, request: pb.UpdateTriggerRequest, call: Call) -> pb.UpdateTriggerResponse:
        changes: dict[str, Any] = {
            column: getattr(request, field) for field, column in _CHANGEABLE.items() if request.HasField(field)
        }
        trigger = _locked(request, call).edit(call.now, **changes)
        _require_sound(trigger)
        triggers.replace(trigger)
        return pb.UpdateTriggerResponse(trigger=_message(trigger))

    @changing
    def DeleteTrigger(self, request: pb.DeleteTriggerRequest, call: Call) -> pb.DeleteTriggerResponse:
        trigger = _locked(request, call)
        trigger.require_own("delete")
        triggers.delete(trigger)
        return pb.DeleteTriggerResponse()


_CHANGEABLE: dict[Any, str] = {
    "name": "name",
    "description": "description",
    "pattern": "pattern",
    "condition": "condition",
    "input_mapping_json": "input_mapping",
    "correlation_key": "correlation_key",
    "priority": "priority",
    "enabled": "enabled",
    "reason": "reason",
    "should_compensate": "compensate",
}
"""The field of a request for each column that it may change."""


def _locked(request: pb.UpdateTriggerRequest | pb.DeleteTriggerRequest, call: Call) -> Trigger:
    trigger_id = fields.required("trigger_id", request.trigger_id)
    return triggers.lock(call.workspace, trigger_id).require_etag(request.etag)


def _require_sound(trigger: Trigger) -> None:
    """Refuse expressions that cannot run."""
    for field, text in (("condition", trigger.condition), ("correlation_key", trigger.correlation_key)):
        fields.text(field, text, at_most=MAX_EXPRESSION)
    mapping = None
    if trigger.input_mapping:
        mapping = parse(trigger.input_mapping, limit=MAX_MAPPING, field="input_mapping_json")
        if not isinstance(mapping, dict | str):
            message = "input_mapping_json must be a JSON object, or a string with an expression that gives one"
            raise Invalid("INVALID_JSON", message, field="input_mapping_json")
    compiled(trigger.language, trigger.condition, trigger.correlation_key, mapping)


def _message(trigger: Trigger) -> TriggerMessage:
    return TriggerMessage(
        id=trigger.id,
        template_id=trigger.template_id,
        version_id=trigger.version_id or "",
        name=trigger.name,
        description=trigger.description,
        action=TriggerMessage.Action.Value(f"ACTION_{trigger.action}"),
        pattern=trigger.pattern,
        condition=trigger.condition,
        language=TriggerMessage.Language.Value(f"LANGUAGE_{trigger.language.upper()}"),
        input_mapping_json=trigger.input_mapping,
        correlation_key=trigger.correlation_key,
        priority=trigger.priority,
        enabled=trigger.enabled,
        reason=trigger.reason,
        should_compensate=trigger.compensate,
        etag=trigger.etag,
        create_time=time_message(trigger.create_time),
        update_time=time_message(trigger.update_time),
    )
