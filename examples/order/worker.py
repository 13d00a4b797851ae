"""The tasks of the order, by an ordinary Temporal worker: its activities are named as the definition's `taskId`s.

    python -m examples.order.worker

It takes its Temporal address from HEDDLE_TEMPORAL_ADDRESS (127.0.0.1:7233 when that is not set).
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

TASK_QUEUE = "heddle-tasks"
"""Where tasks are done whose definition names no queue."""


@activity.defn(name="inventory_reserve")
async def reserve(task: dict[str, Any]) -> dict[str, Any]:
    """Reserve the items; without stock the outcome says so, and the order goes another way."""
    items = task["input"]["items"]
    if any(item["sku"] == "SOLD-OUT" for item in items):
        return {"outcome": "OUT_OF_STOCK"}
    return {"reservationId": f"RES-{task['input']['orderId']}", "items": len(items)}


@activity.defn(name="invoice_send")
async def invoice(task: dict[str, Any]) -> dict[str, Any]:
    """Send the invoice; should the mail fail, it is tried again as the definition says."""
    return {"invoiceId": f"INV-{task['input']['orderId']}", "amount": task["input"]["amount"]}


@activity.defn(name="payment_reminder")
async def remind(task: dict[str, Any]) -> dict[str, Any]:
    """Remind the customer; `attempt` counts how often this step has come by."""
    return {"reminded": task["step"]["visit"]}


@activity.defn(name="shipment_create")
async def ship(task: dict[str, Any]) -> dict[str, Any]:
    """Hand the parcel over."""
    return {"shipmentId": f"SHIP-{task['input']['orderId']}"}


@activity.defn(name="notify")
async def notify(task: dict[str, Any]) -> dict[str, Any]:
    """Tell the customer."""
    return {"told": task["input"]["kind"]}


@activity.defn(name="inventory_release")
async def release(task: dict[str, Any]) -> dict[str, Any]:
    """Put reserved items back. It makes up for `inventory_reserve`, and is given what that returned."""
    return {"released": task["input"]["originalOutput"]["reservationId"]}


@activity.defn(name="payment_refund")
async def refund(task: dict[str, Any]) -> dict[str, Any]:
    """Pay back what was paid."""
    return {"refunded": task["input"]["paymentId"], "because": task["input"]["reason"]}


@activity.defn(name="shipment_cancel")
async def recall(task: dict[str, Any]) -> dict[str, Any]:
    """Call the parcel back."""
    return {"recalled": task["input"]["originalOutput"]["shipmentId"]}


TASKS = [reserve, invoice, remind, ship, notify, release, refund, recall]


async def main() -> None:
    """Work until interrupted."""
    client = await Client.connect(os.environ.get("HEDDLE_TEMPORAL_ADDRESS", "127.0.0.1:7233"))
    await Worker(client, task_queue=TASK_QUEUE, activities=TASKS).run()


if __name__ == "__main__":
    asyncio.run(main())
