"""Heddle's own worker: it runs the workflows and writes the ledger. Tasks are other people's workers'."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from service.plans import Plans
from service.relating import Relations
from service.settings import Settings
from service.spawning import Spawner
from service.temporal import workflow
from service.temporal.activities import Activities
from service.temporal.converting import CONVERTER
from service.temporal.gateway import TemporalGateway
from service.temporal.http_tasks import HttpTasks
from service.temporal.orders import fetch_queue
from service.temporal.sources import DataSources
from storage import database, plans, state_parts

log = logging.getLogger(__name__)

WRITERS = 16
"""Ledger writes at once, each with a database connection."""

FETCHERS = 64
"""Requests over HTTP at once, of data sources and of steps."""

GRACE = timedelta(seconds=10)
"""How long a stopping worker lets ledger writes finish."""


def work(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; while Temporal cannot be reached, wait for it."""
    database.connect(settings.database_url, size=WRITERS * 2)
    workflow.plans = Plans(_fetch_plan)
    workflow.join_parts = _join_parts
    asyncio.run(_work(settings))


def _fetch_plan(workspace: str, digest: str) -> str:
    with database.connection():
        return plans.get(workspace, digest)


def _join_parts(workspace: str, execution_id: str, digests: Sequence[str]) -> str:
    with database.connection():
        return state_parts.join(workspace, execution_id, digests)


async def _work(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    client = await _connect(settings, stopping)
    if client is None:
        return
    gateway = TemporalGateway(
        settings.temporal_address,
        settings.temporal_namespace,
        settings.task_queue,
        history_limit=settings.history_limit or 0,
    )
    own = Activities(Relations(gateway, workflow.plans), Spawner(gateway, workflow.plans))
    with ThreadPoolExecutor(WRITERS, "ledger") as writers, ThreadPoolExecutor(FETCHERS, "fetch") as fetchers:
        sources = DataSources(settings.data_sources, fetchers)
        requests = HttpTasks(settings.http_allow, fetchers)
        worker = Worker(
            client,
            task_queue=settings.task_queue,
            workflows=[workflow.ExecutionWorkflow],
            activities=[*own.all, sources.provider_of],
            activity_executor=writers,
            # The engine is pure and a test holds it so; the sandbox would only cost (a third of the worker's time).
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_workflow_tasks=200,
            max_concurrent_local_activities=WRITERS,
            max_concurrent_activities=WRITERS,
            graceful_shutdown_timeout=GRACE,
        )
        fetcher = Worker(
            client,
            task_queue=fetch_queue(settings.task_queue),
            activities=[sources.fetch, requests.send],
            max_concurrent_activities=FETCHERS,
            graceful_shutdown_timeout=GRACE,
        )
        async with worker, fetcher:
            log.info("working on task queue %s of %s", settings.task_queue, settings.temporal_address)
            await stopping.wait()
            log.info("stopping")
    gateway.close()


async def _connect(settings: Settings, stopping: asyncio.Event) -> Client | None:
    """Connect to Temporal however long it takes; None when told to stop meanwhile."""
    while not stopping.is_set():
        try:
            return await Client.connect(
                settings.temporal_address, namespace=settings.temporal_namespace, data_converter=CONVERTER
            )
        except (RuntimeError, RPCError) as error:
            log.warning("cannot reach Temporal at %s, trying again: %s", settings.temporal_address, error)
        try:
            await asyncio.wait_for(stopping.wait(), 1)
        except TimeoutError:
            continue
    return None
