"""Events and deliveries as messages."""

from __future__ import annotations

import json

from heddle.v1.error_reason_pb2 import ErrorReason
from heddle.v1.event_pb2 import Delivery as DeliveryMessage
from heddle.v1.event_pb2 import Event as EventMessage
from service.domain.delivery import Delivery
from service.domain.event import Event
from service.rpc.messages import time_message


def event_message(event: Event) -> EventMessage:
    """Tell an event."""
    return EventMessage(
        event_id=event.event_id,
        name=event.name,
        version=event.version,
        source=EventMessage.Source(**json.loads(event.source)),
        timestamp=time_message(event.event_time),
        payload_json=event.payload,
        metadata_json=event.metadata,
        depth=event.depth,
        publish_time=time_message(event.publish_time),
        expire_time=time_message(event.expire_time),
    )


def delivery_message(delivery: Delivery) -> DeliveryMessage:
    """Tell a delivery."""
    return DeliveryMessage(
        event_id=delivery.event_id,
        execution_id=delivery.execution_id,
        step_id=delivery.step_id,
        visit=delivery.visit,
        status=DeliveryMessage.Status.Value(f"STATUS_{delivery.status}"),
        reason=ErrorReason.Value(f"ERROR_REASON_{delivery.reason or 'UNSPECIFIED'}"),
        message=delivery.message,
        trigger_id=delivery.trigger_id,
        attempts=delivery.attempts,
        create_time=time_message(delivery.create_time),
        update_time=time_message(delivery.update_time),
    )
