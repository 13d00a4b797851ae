"""A workflow learns the whole of what is stored in place of what it would write, however much that is."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from service.engine.entries import Entry
from service.temporal.activities import Activities
from service.temporal.orders import Batch
from service.temporal.pacing import Pace
from service.temporal.writing import write
from tests.engine.graphs import Player
from tests.test_recording import (  # noqa: F401 - fixtures
    PLAN,
    a_version,
    connected,
    started,
    stored_entries,
)
from tests.test_recording import write as write_directly

LARGE = "x" * 250_000  # three of them are more than a portion


@workflow.defn(name="writes")
class Writes:
    @workflow.run
    async def run(self, batch: Batch, at_once: bool) -> list[int]:
        stored = await write(batch, at_once=at_once, pace=None if at_once else Pace())
        return [entry.number for entry in stored]


def write_in_a_workflow(address: str, batch: Batch, *, at_once: bool) -> list[int]:
    """Give the numbers of the entries that the workflow learns."""

    async def run() -> list[int]:
        client, queue = await Client.connect(address), f"writes-{secrets.token_hex(4)}"
        with ThreadPoolExecutor(2) as pool:
            own = Activities(None, None).all
            runner = UnsandboxedWorkflowRunner()
            worker = Worker(
                client,
                task_queue=queue,
                workflows=[Writes],
                activities=own,
                activity_executor=pool,
                workflow_runner=runner,
            )
            async with worker:
                return await client.execute_workflow(
                    Writes.run,
                    args=[batch, at_once],
                    id=queue,
                    task_queue=queue,
                    execution_timeout=timedelta(seconds=30),
                )

    return asyncio.run(run())


@pytest.mark.parametrize("at_once", [True, False])
def test_it_learns_all_that_is_stored(workspace, started, temporal_address, at_once):  # noqa: F811
    first, _ = started()
    other = Player(PLAN)
    begin = len(other.entries)
    for step in "abc":
        first.complete(step, output=LARGE)
        write_directly(workspace, first)
        first.written = len(first.entries)
    other.wait(1)
    other.complete("a")
    batch = Batch(workspace, "e1", "WAITING_FOR_INPUT", [entry.to_dict() for entry in other.entries[begin:]])

    numbers = write_in_a_workflow(temporal_address, batch, at_once=at_once)

    assert numbers == [entry.number for entry in first.entries[begin:]]
    assert stored_entries(workspace) == first.entries


def test_it_learns_nothing_when_it_writes_what_it_would(workspace, started, temporal_address):  # noqa: F811
    player, _ = started()
    begin = len(player.entries)
    player.complete("a")
    batch = Batch(workspace, "e1", "WAITING_FOR_INPUT", [entry.to_dict() for entry in player.entries[begin:]])

    assert write_in_a_workflow(temporal_address, batch, at_once=True) == []
    assert write_in_a_workflow(temporal_address, batch, at_once=False) == []
    assert stored_entries(workspace) == player.entries
    later = [replace(Entry.from_dict(entry), time="2027-01-01T00:00:00Z").to_dict() for entry in batch.entries]
    assert write_in_a_workflow(temporal_address, replace(batch, entries=later), at_once=True) == [4, 5]
