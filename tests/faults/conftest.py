"""A Heddle whose processes and lines a test may break."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest
from temporalio import activity

from tests.end_to_end.task_worker import working
from tests.faults.proxy import Proxy
from tests.faults.scene import Scene


@pytest.fixture
def temporal_line(temporal_address):
    """The line between a server and Temporal."""
    proxy = Proxy(temporal_address)
    yield proxy
    proxy.close()


class Sink:
    """Where tasks have their effect: it counts what it is told by idempotency key."""

    def __init__(self) -> None:
        self.effects: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, key: str) -> None:
        with self._lock:
            self.effects[key] += 1


@pytest.fixture
def sink(temporal_address, workspace):
    """A task worker for the queue that is named as the workspace; gives its sink."""
    counted = Sink()

    @activity.defn(name="effect")
    async def effect(task: dict) -> dict:
        counted.take(task["idempotencyKey"])
        await asyncio.sleep(0.02)
        return {"key": task["idempotencyKey"]}

    with working(temporal_address, workspace, effect):
        yield counted


@pytest.fixture
def scene(own_heddle, workspace):
    """A Heddle that has lost its worker."""
    made = Scene(own_heddle(), workspace)
    yield made
    made.gateway.close()
