"""A task worker as users write them, in the tests' own process."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

from temporalio.client import Client
from temporalio.worker import Worker


@contextmanager
def working(address: str, queue: str, *activities):
    """Run activities for a queue, in a thread of its own, from before the body until after it."""
    stopping: list = []
    ready = threading.Event()

    async def work():
        stop = asyncio.Event()
        stopping.append((asyncio.get_running_loop(), stop))
        client = await Client.connect(address)
        async with Worker(client, task_queue=queue, activities=activities):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(work()))
    thread.start()
    assert ready.wait(20)
    try:
        yield
    finally:
        loop, stop = stopping[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()
