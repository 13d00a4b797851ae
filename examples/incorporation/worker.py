"""A task worker, to be copied: an ordinary Temporal worker.

Its activities are named as the definition names its tasks:
    python -m examples.incorporation.worker

It takes its Temporal address from HEDDLE_TEMPORAL_ADDRESS (127.0.0.1:7233 when that is not set).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

TASK_QUEUE = "incorporation"
"""The `taskQueue` of the definition's task."""


@activity.defn(name="file_incorporation")
async def file_incorporation(task: dict[str, Any]) -> dict[str, Any]:
    """File a company with the state and give the filing number.

    `task` is {input, execution: {id, workspace}, step: {id, visit, attempt}, idempotencyKey}. The key is the same for
    every attempt, so that an office that knows it files once even if this worker dies before it could answer.
    """
    company = task["input"]["company"]
    if company["name"].casefold() == "heddle inc":
        raise ApplicationError("the name Heddle Inc is taken", type="NAME_TAKEN")
    return {"filingNumber": _file(company["state"], task["idempotencyKey"])}


def _file(state: str, key: str) -> str:
    """Stand in for the office: it gives the same number for the same key."""
    return f"{state}-{hashlib.sha256(key.encode()).hexdigest()[:8].upper()}"


async def main() -> None:
    """Work until interrupted."""
    client = await Client.connect(os.environ.get("HEDDLE_TEMPORAL_ADDRESS", "127.0.0.1:7233"))
    await Worker(client, task_queue=TASK_QUEUE, activities=[file_incorporation]).run()


if __name__ == "__main__":
    asyncio.run(main())
