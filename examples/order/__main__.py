"""Run the example against a Heddle that is up: `python -m examples.order`.

Takes the server's address from HEDDLE_TARGET (127.0.0.1:50051 when that is not set), and that of Temporal, on which the
tasks are done, from HEDDLE_TEMPORAL_ADDRESS (127.0.0.1:7233). Exits 0 when both orders came to their right ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import uuid

import grpc

from examples.order import worker
from examples.order.client import Orders
from heddle.v1 import event_pb2, execution_pb2, step_run_pb2

Execution = execution_pb2.Execution
StepRun = step_run_pb2.StepRun
Delivery = event_pb2.Delivery

ITEMS = [{"sku": "SHUTTLE", "quantity": 2}]


def main() -> int:
    """Play both orders through and print what happened."""
    threading.Thread(target=lambda: asyncio.run(worker.main()), daemon=True).start()
    with grpc.insecure_channel(os.environ.get("HEDDLE_TARGET", "127.0.0.1:50051")) as channel:
        shop = Orders(channel)
        try:
            shop.register()
            delivered, returned = _delivered(shop), _returned(shop)
        except RuntimeError as error:
            print(f"  {error}")
            return 1
    ends = delivered.status, returned.status
    return 0 if ends == (Execution.STATUS_COMPLETED, Execution.STATUS_CANCELLED) else 1


def _delivered(shop: Orders) -> Execution:
    """An order that is paid for and delivered."""
    order = f"ORD-{uuid.uuid4().hex[:8]}"
    id = shop.start(order, 99.99, ITEMS).id
    print("An order that is paid for and delivered")
    shop.await_step(id, "wait_payment")
    _publish(shop, f"{order}-foreign", "payment.received", id="PAY-1", amount=99.99, orderId="ORD-of-another")
    _publish(shop, f"{order}-paid", "payment.received", id="PAY-2", amount=99.99, orderId=order)
    _publish(shop, f"{order}-paid", "payment.received", id="PAY-2", amount=99.99, orderId=order)
    shop.await_step(id, "wait_delivery")
    _publish(shop, f"{order}-delivered", "shipment.delivered", orderId=order)
    return _told(shop, shop.await_end(id))


def _returned(shop: Orders) -> Execution:
    """An order that is cancelled when it has been paid for and shipped."""
    order = f"ORD-{uuid.uuid4().hex[:8]}"
    id = shop.start(order, 10, ITEMS).id
    print("An order that the customer cancels")
    shop.await_step(id, "wait_payment")
    _publish(shop, f"{order}-paid", "payment.received", id="PAY-3", amount=10, orderId=order)
    shop.await_step(id, "wait_delivery")
    _publish(shop, f"{order}-cancelled", "order.cancelled", orderId=order)
    return _told(shop, shop.await_end(id))


def _publish(shop: Orders, event_id: str, name: str, **payload: object) -> None:
    """Publish an event and print whom it reached."""
    answer = shop.publish(event_id, name, **payload)
    taken = [one.step_id or "the order" for one in answer.deliveries if one.status == Delivery.STATUS_CONSUMED]
    print(f"  {name}: {'taken by ' + ', '.join(taken) if taken else 'nobody waits for it'}")


def _told(shop: Orders, execution: Execution) -> Execution:
    """Print how an order came to its end."""
    for run in shop.runs(execution.id):
        if run.step_type not in ("start", "end", "gateway.parallel_join"):
            print(f"    {run.step_id}: {StepRun.Status.Name(run.status).removeprefix('STATUS_')}")
    print(f"  {Execution.Status.Name(execution.status).removeprefix('STATUS_')}")
    if execution.HasField("compensation"):
        print(f"  made up for: {', '.join(part.id for part in execution.compensation.plan)}")
    return execution


if __name__ == "__main__":
    sys.exit(main())
