"""Events over gRPC."""

from __future__ import annotations

import json
import time
from datetime import timedelta

from heddle.v1 import event_service_pb2 as pb
from heddle.v1.event_service_pb2_grpc import EventServiceServicer
from service import acting, publishing
from service.domain import event_pattern, fields
from service.domain.errors import Invalid
from service.domain.event import MAX_METADATA, MAX_PAYLOAD, Event
from service.domain.json_text import parse
from service.reacting import Reaction, Reactor
from service.rpc.call import Call
from service.rpc.changing import digest_of
from service.rpc.deadlines import seconds_left
from service.rpc.event_messages import delivery_message, event_message
from service.rpc.messages import target_of, time_of, value_of
from service.rpc.paging import Page
from service.rpc.status import rpc
from service.rpc.trigger_record_service import record_message
from storage import deliveries, events, trigger_records
from storage.database import connection

TOLD = 200
"""Deliveries and trigger records in the answer to a publisher."""


PAUSE = 0.02
"""Seconds between two looks at what others still do for an event."""


class EventService(EventServiceServicer):
    """See event_service.proto."""

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor

    @rpc
    def PublishEvent(self, request: pb.PublishEventRequest, call: Call) -> pb.PublishEventResponse:
        source = fields.request_id(request.request_id), digest_of(request)
        event, is_new = publishing.publish(_event(request, call), source)
        if not is_new:
            return _answer(event, call)
        reaction = self._reactor.react([event])
        self._reactor.deliverer.deliver_all(reaction.deliveries, seconds_left(call), event)
        if reaction.deliveries or reaction.asked:
            return _answer(event, call, reaction)
        return pb.PublishEventResponse(event=event_message(event), complete=reaction.is_complete)

    @rpc
    def GetEvent(self, request: pb.GetEventRequest, call: Call) -> pb.GetEventResponse:
        event_id = fields.required("event_id", request.event_id)
        return pb.GetEventResponse(event=event_message(events.get(call.workspace, event_id)))

    @rpc
    def ListEvents(self, request: pb.ListEventsRequest, call: Call) -> pb.ListEventsResponse:
        page = Page.asked(request, call)
        in_order = value_of("order", pb.ListEventsRequest.Order, request.order) == "PUBLISHED"
        pattern = event_pattern.pattern("pattern", request.pattern) if request.pattern else ""
        # Not one more than the page has: one that reads on in order has a token anyway.
        limit = page.size if in_order else page.limit
        found = events.page(call.workspace, pattern=pattern, after=page.after, limit=limit, in_order=in_order)
        told, token = page.filled(found.events, lambda one: event_message(one[0]), lambda one: one[1], rest=found.rest)
        return pb.ListEventsResponse(events=told, next_page_token=token)

    @rpc
    def ListDeliveries(self, request: pb.ListDeliveriesRequest, call: Call) -> pb.ListDeliveriesResponse:
        page = Page.asked(request, call)
        before = tuple(json.loads(page.after)) if page.after else None
        if target_of(request) == "event_id":
            event_id = fields.required("event_id", request.event_id)
            events.get(call.workspace, event_id)  # an empty list and no event are not the same
            found = deliveries.of_event(call.workspace, event_id, before=before, limit=page.limit)
            items, token = page.cut(found, lambda one: json.dumps([one.execution_id, one.step_id, one.visit]))
        else:
            id = fields.required("execution_id", request.execution_id)
            acting.get(call.workspace, id)
            found = deliveries.of_execution(call.workspace, id, before=before, limit=page.limit)
            items, token = page.cut(
                found, lambda one: json.dumps([one.create_time.isoformat(), one.event_id, one.step_id, one.visit])
            )
        return pb.ListDeliveriesResponse(deliveries=map(delivery_message, items), next_page_token=token)


def _answer(event: Event, call: Call, reaction: Reaction | None = None) -> pb.PublishEventResponse:
    """Tell what an event did so far; what is left to others is waited for as long as the caller does.

    `reaction` is what this call has set going, None when it found the event stored.
    """
    limit = time.monotonic() + seconds_left(call)
    place = (event.workspace, event.event_id)
    is_matched = reaction is not None and reaction.is_complete
    was_asked = reaction is None or reaction.asked
    while True:
        with connection():
            is_matched = is_matched or events.is_matched(event)
            brought = deliveries.of_event(*place, before=None, limit=TOLD + 1)
            records = trigger_records.of_event(*place, outcome="", before="", limit=TOLD + 1) if was_asked else []
        is_settled = is_matched and all(one.status != "PENDING" for one in brought)
        waits_in_vain = any(one.attempts for one in brought if one.status == "PENDING")
        if is_settled or waits_in_vain or time.monotonic() > limit:
            break
        time.sleep(PAUSE)
    return pb.PublishEventResponse(
        event=event_message(event),
        deliveries=map(delivery_message, brought[:TOLD]),
        trigger_records=map(record_message, reversed(records[:TOLD])),
        complete=is_settled and max(len(brought), len(records)) <= TOLD,
    )


def _event(request: pb.PublishEventRequest, call: Call) -> Event:
    event_id = fields.required("event_id", request.event_id)
    payload, metadata = request.payload_json or "{}", request.metadata_json or "{}"
    return Event.published(
        workspace=call.workspace,
        event_id=event_id,
        name=request.name,
        version=request.version,
        source={"type": request.source.type, "id": request.source.id, "name": request.source.name},
        event_time=time_of("timestamp", request.timestamp) if request.HasField("timestamp") else None,
        payload=(payload, parse(payload, limit=MAX_PAYLOAD, field="payload_json")),
        metadata=(metadata, parse(metadata, limit=MAX_METADATA, field="metadata_json")),
        life=_life(request),
        now=call.now,
    )


def _life(request: pb.PublishEventRequest) -> timedelta | None:
    if not request.HasField("time_to_live"):
        return None
    try:
        return request.time_to_live.ToTimedelta()
    except (OverflowError, ValueError) as error:
        told = f"{request.time_to_live.seconds} seconds and {request.time_to_live.nanos} nanoseconds"
        raise Invalid("INVALID_FIELD", f"time_to_live is {told}: that is no duration", field="time_to_live") from error
