"""What callers and Temporal are told of an execution, beside what the database holds."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from heddle.v1 import event_pb2, execution_pb2
from service.domain.execution import workflow_id
from soak.checking import Stored
from soak.clients import Clients
from soak.findings import Findings

SAMPLE = 300
"""Executions of each workspace that are asked for."""

AT_ONCE = 20

PATIENCE = 30.0
"""Seconds in which a workflow must end whose ledger has ended."""

FATES = {
    "COMPLETED": {"COMPLETED"},
    "FAILED": {"FAILED"},
    "CANCELLED": {"COMPLETED", "TERMINATED", "NONE"},  # it may be cancelled before Temporal has it
}
"""What Temporal may have of an execution, by its status."""


def verify(clients: Clients, temporal: str, stored: Stored, findings: Findings, seed: int) -> int:
    """Ask the API and Temporal for some executions; gives how many."""
    ids = sorted(id for id, story in stored.stories.items() if story.status)  # the others still change
    sample = random.Random(f"{seed}/sample").sample(ids, min(SAMPLE, len(ids)))
    for place, id in enumerate(sample):
        _ask_api(clients, place % 2, id, stored, findings)
    asyncio.run(_ask_temporal(clients.workspace, temporal, sample, stored, findings))
    return len(sample)


def _ask_api(clients: Clients, server: int, id: str, stored: Stored, findings: Findings) -> None:
    execution = clients.ask("GetExecution", server=server, execution_id=id).execution
    status = execution_pb2.Execution.Status.Name(execution.status).removeprefix("STATUS_")
    if status != stored.executions[id][0]:
        findings.add("contradicted", id, f"it is {status} to a caller, and {stored.executions[id][0]} in the database")
    found = clients.ask("ListLedgerEntries", server=server, execution_id=id, page_size=500).entries
    if [entry.number for entry in found] != stored.stories[id].numbers:
        findings.add("contradicted", id, f"a caller reads other ledger entries: {[entry.number for entry in found]}")
    taken = [
        (json.loads(entry.data_json)["event"], (entry.step_id, entry.visit))
        for entry in found
        if "event" in json.loads(entry.data_json)
    ]
    if taken != stored.stories[id].taken:
        findings.add("contradicted", id, f"a caller reads that it took {taken}")
    listed = clients.ask("ListDeliveries", server=server, execution_id=id, page_size=200).deliveries
    told = {
        (one.event_id, (one.step_id, one.visit), event_pb2.Delivery.Status.Name(one.status).removeprefix("STATUS_"))
        for one in listed
    }
    if told != {(event, place, status) for event, place, status, _ in stored.deliveries[id]}:
        findings.add("contradicted", id, f"a caller reads other deliveries: {sorted(told)}")


async def _ask_temporal(workspace: str, address: str, ids: Sequence[str], stored: Stored, findings: Findings) -> None:
    client = await Client.connect(address)
    turns = asyncio.Semaphore(AT_ONCE)

    async def ask(id: str) -> None:
        status = stored.executions[id][0]
        limit = time.monotonic() + PATIENCE
        while True:
            async with turns:
                fate = await _fate(client, workflow_id(workspace, id, 0))
            if fate in FATES.get(status, ()):
                return
            # The ledger has the end a little earlier, and much earlier when the worker was killed in between.
            if fate != "RUNNING" or time.monotonic() > limit:
                findings.add("contradicted", id, f"it is {status}, and {fate} in Temporal")
                return
            await asyncio.sleep(0.5)

    await asyncio.gather(*(ask(id) for id in ids))


async def _fate(client: Client, id: str) -> str:
    """How Temporal has a workflow."""
    try:
        described = await client.get_workflow_handle(id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return "NONE"
    return described.status.name if described.status else "NONE"
