"""Trigger records over gRPC."""

from __future__ import annotations

from typing import Any

from heddle.v1 import trigger_record_service_pb2 as pb
from heddle.v1.entity_pb2 import Entity
from heddle.v1.error_reason_pb2 import ErrorReason
from heddle.v1.trigger_record_pb2 import TriggerRecord as TriggerRecordMessage
from heddle.v1.trigger_record_service_pb2_grpc import TriggerRecordServiceServicer
from service.domain.errors import Invalid
from service.domain.trigger_record import TriggerRecord
from service.rpc.call import Call
from service.rpc.messages import entity_of, time_message, value_of
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import trigger_records


class TriggerRecordService(TriggerRecordServiceServicer):
    """See trigger_record_service.proto."""

    @rpc
    def ListTriggerRecords(self, request: pb.ListTriggerRecordsRequest, call: Call) -> pb.ListTriggerRecordsResponse:
        page = Page.asked(request, call)
        outcome = value_of("outcome", TriggerRecordMessage.Outcome, request.outcome)
        bounds: dict[str, Any] = {"outcome": outcome, "before": page.after, "limit": page.limit}
        if request.event_id or request.trigger_id:
            found = _of_event_or_trigger(request, call, bounds)
        else:
            found = trigger_records.page(call.workspace, entity_of(request.entity), **bounds)
        items, token = page.cut(found, lambda record: record.id)
        return pb.ListTriggerRecordsResponse(trigger_records=map(record_message, items), next_page_token=token)


def _of_event_or_trigger(
    request: pb.ListTriggerRecordsRequest, call: Call, bounds: dict[str, Any]
) -> list[TriggerRecord]:
    if len([one for one in (request.event_id, request.trigger_id, request.entity.type) if one]) > 1:
        raise Invalid("INVALID_FIELD", "give one of entity, event_id and trigger_id", field="entity")
    if request.event_id:
        return trigger_records.of_event(call.workspace, request.event_id, **bounds)
    return trigger_records.of_trigger(call.workspace, request.trigger_id, **bounds)


def record_message(record: TriggerRecord) -> TriggerRecordMessage:
    """Tell a trigger record."""
    return TriggerRecordMessage(
        id=record.id,
        source=TriggerRecordMessage.Source.Value(f"SOURCE_{record.source}"),
        source_id=record.source_id,
        entity=Entity(type=record.entity_type, id=record.entity_id) if record.entity_type else None,
        request_id=record.request_id,
        outcome=TriggerRecordMessage.Outcome.Value(f"OUTCOME_{record.outcome}"),
        execution_id=record.execution_id,
        template_id=record.template_id,
        version_id=record.version_id,
        reason=ErrorReason.Value(f"ERROR_REASON_{record.reason or 'UNSPECIFIED'}"),
        message=record.message,
        create_time=time_message(record.create_time),
        event_id=record.event_id,
        cancelled_executions=record.cancelled,
    )
