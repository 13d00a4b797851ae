"""The server's door to Temporal: plain calls for threads, with the client's event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from temporalio.client import (
    Client,
    RPCTimeoutOrCancelledError,
    WithStartWorkflowOperation,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from service.domain.execution import Launch, parse_workflow_id
from service.engine.entries import Entry
from service.engine.run import Refused
from service.gateway import Doubtful, Effect, StartRefused, TemporalAway, Unread, WorkflowEnded
from service.temporal.converting import CONVERTER
from service.temporal.orders import BEHIND, MOMENT, OBSERVE, REFUSED, TELL, UNREAD, UNWRITTEN, WORKFLOW, Batch, Order
from storage import state_parts
from storage.database import connection

log = logging.getLogger(__name__)

START_SECONDS = 5.0
"""How long one attempt to start a workflow may take; shorter than the launcher's lease."""

LIST_SECONDS = 30.0
"""How long a list of workflows may take."""

AT_ONCE = 8
"""Updates of one workflow that are under way at a time. Temporal takes ten, and lets the eleventh wait for a second."""

PATIENCE = {
    RPCStatusCode.RESOURCE_EXHAUSTED: 60.0,  # other servers' updates of the same workflow
    RPCStatusCode.UNAVAILABLE: 5.0,  # also: an update is dropped when its workflow task fails
}
"""Seconds, within the caller's own, in which an update is sent again after these answers."""

Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")


class _Behind(Exception):
    """A worker has just taken the workflow over, and has not come as far as the ledger that others have read."""


ANSWERS = (Refused, StartRefused, WorkflowEnded, TemporalAway)
"""How a call may end that is no success."""

REFUSED_FOR_GOOD = frozenset({RPCStatusCode.INVALID_ARGUMENT})
"""Codes of a start that no further attempt can turn into a success."""


class TemporalGateway:
    """Starts workflows and brings observations to them. Connects when it is first needed, and again after a loss."""

    def __init__(self, address: str, namespace: str, task_queue: str, *, history_limit: int = 0) -> None:
        self._address = address
        self._namespace = namespace
        self._task_queue = task_queue
        self._history_limit = history_limit
        self._client: Client | None = None
        self._connecting: asyncio.Lock | None = None
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # by workflow id
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="temporal-gateway", daemon=True)
        self._thread.start()

    def start(self, launch: Launch) -> None:
        """Start the workflow of an execution; one that was there before, running or ended, is as good.

        Raises StartRefused when Temporal refuses for good, TemporalAway when it cannot be asked.
        """
        self._call(START_SECONDS, self._start, launch, self._order(launch))

    def observe(
        self, workflow_id: str, document: dict[str, Any], id: str, seconds: float, *, after: int, again: bool = False
    ) -> Effect:
        """Bring an observation to a running workflow and wait until its effect is durable; gives the effect.

        Raises Refused when the engine refuses it, WorkflowEnded when the workflow has ended, TemporalAway when no
        answer came in time: the observation may then have been taken in, and may be sent again under the same id.
        The refusal is Doubtful when the workflow does not know entry `after` to be stored. Raises Unread when it is
        asked `again` and more than `after` is stored.
        """
        arguments = [document, after, *([again] if again else [])]  # older workers know nothing of it
        return self._call(seconds, self._observe, workflow_id, arguments, id, seconds)

    def start_and_observe(
        self, launch: Launch, document: dict[str, Any], id: str, seconds: float, *, after: int
    ) -> Effect:
        """Bring an observation to a workflow whose start may not have happened yet; raises what `observe` raises."""
        order = self._order(launch)
        return self._call(seconds, self._start_and_observe, launch, order, [document, after], id, seconds)

    def tell(self, workflow_id: str, document: dict[str, Any], *, after: int) -> None:
        """Bring an observation to a running workflow without waiting for its effect; `after` as in `observe`.

        Raises WorkflowEnded when it does not run, TemporalAway when it cannot be asked.
        """
        self._call(START_SECONDS, self._tell, workflow_id, document, after)

    def unwritten(self, workflow_id: str, seconds: float, *, after: int) -> Effect:
        """Get the newest entries of a workflow, running or ended, that may not be stored, behind the entry `after`.

        Raises WorkflowEnded when Temporal does not know it, or it ended before a worker had begun it; TemporalAway when
        no worker answered in time.
        """
        return self._call(seconds, self._unwritten, workflow_id, seconds, after)

    def fate(self, workflow_id: str) -> str:
        """Tell how Temporal has a workflow: its status there, NONE when it has none; raises TemporalAway."""
        return self._call(START_SECONDS, self._fate, workflow_id)

    def ended_badly(self, since: datetime) -> list[tuple[str, str, int]]:
        """List the workflows that ended since an instant without completing: workspace, execution id, retries.

        Raises TemporalAway.
        """
        return self._call(LIST_SECONDS, self._ended_badly, since)

    def terminate(self, workflow_id: str, reason: str) -> None:
        """End a workflow whose execution was ended without it; one that does not run is as good."""
        self._call(START_SECONDS, self._terminate, workflow_id, reason)

    def close(self) -> None:
        """Stop the event loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

    def _call(
        self,
        seconds: float,
        ask: Callable[Asked, Coroutine[Any, Any, Answer]],
        *args: Asked.args,
        **kwargs: Asked.kwargs,
    ) -> Answer:
        async def work() -> Answer:
            _hear_of(asyncio.current_task())  # the caller may have left by then
            return await ask(*args, **kwargs)

        future = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            return future.result(seconds)
        except FutureTimeout:
            future.cancel()
            raise TemporalAway(f"no answer from Temporal at {self._address} within {seconds:g} s") from None

    def _order(self, launch: Launch) -> Order:
        is_portable = state_parts.is_portable(launch.state)
        return Order(
            launch.workspace,
            launch.execution_id,
            launch.plan_digest,
            launch.state if is_portable else "",
            self._history_limit,
            launch.create_time.isoformat(),
            parts=[] if is_portable else _kept(launch),
            paced=True,
        )

    async def _connected(self) -> Client:
        if self._client is None:
            self._connecting = self._connecting or asyncio.Lock()
            async with self._connecting:
                if self._client is None:
                    try:
                        self._client = await Client.connect(
                            self._address, namespace=self._namespace, data_converter=CONVERTER
                        )
                    except (RuntimeError, RPCError) as error:
                        raise TemporalAway(f"cannot reach Temporal at {self._address}: {error}") from error
        return self._client

    async def _start(self, launch: Launch, order: Order) -> None:
        client = await self._connected()
        try:
            await client.start_workflow(
                WORKFLOW,
                order,
                id=launch.workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=timedelta(seconds=START_SECONDS),
            )
        except WorkflowAlreadyStartedError:
            log.debug("Temporal has had the workflow of execution %s before", launch.execution_id)
        except RPCError as error:
            if error.status in REFUSED_FOR_GOOD:
                raise StartRefused(error.message) from error
            raise TemporalAway(f"Temporal did not start the workflow: {error.message}") from error

    async def _observe(self, workflow_id: str, arguments: list[Any], id: str, seconds: float) -> Effect:
        client = await self._connected()

        async def ask() -> Batch:
            batch: Batch = await client.get_workflow_handle(workflow_id).execute_update(
                OBSERVE,
                args=arguments,
                id=id,
                result_type=Batch,
                rpc_timeout=timedelta(seconds=seconds),
            )
            return batch

        return await self._in_turn(workflow_id, ask, seconds)

    async def _start_and_observe(
        self, launch: Launch, order: Order, arguments: list[Any], id: str, seconds: float
    ) -> Effect:
        client = await self._connected()

        async def ask() -> Batch:
            operation: WithStartWorkflowOperation[Any, str] = WithStartWorkflowOperation(
                WORKFLOW,
                order,
                id=launch.workflow_id,
                task_queue=self._task_queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
            # Of a start that fails the operation tells, too, and complains when it is not asked.
            started = asyncio.ensure_future(operation.workflow_handle())
            _hear_of(started)
            try:
                batch: Batch = await client.execute_update_with_start_workflow(
                    OBSERVE,
                    args=arguments,
                    id=id,
                    start_workflow_operation=operation,
                    result_type=Batch,
                    rpc_timeout=timedelta(seconds=seconds),
                )
            finally:
                started.cancel()
            return batch

        return await self._in_turn(launch.workflow_id, ask, seconds)

    async def _in_turn(self, workflow_id: str, ask: Callable[[], Awaitable[Batch]], seconds: float) -> Effect:
        """Send an update when the workflow has room for one more."""
        turns = self._turns.setdefault(workflow_id, asyncio.Semaphore(AT_ONCE))
        async with turns:
            batch = await _answered(ask, seconds)
        return _effect(batch)

    async def _tell(self, workflow_id: str, document: dict[str, Any], after: int) -> None:
        client = await self._connected()
        try:
            await client.get_workflow_handle(workflow_id).signal(TELL, args=[document, after])
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise WorkflowEnded(f"Temporal has no running workflow: {error.message}") from error
            raise TemporalAway(f"Temporal did not take the observation: {error.message}") from error

    async def _unwritten(self, workflow_id: str, seconds: float, after: int) -> Effect:
        client = await self._connected()
        try:
            batch: Batch = await client.get_workflow_handle(workflow_id).query(
                UNWRITTEN, after, result_type=Batch, rpc_timeout=timedelta(seconds=seconds)
            )
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
            raise TemporalAway(f"the workflow could not be asked: {error}") from error
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise WorkflowEnded(f"Temporal does not know the workflow: {error.message}") from error
            if error.status == RPCStatusCode.FAILED_PRECONDITION and await self._fate(workflow_id) != "RUNNING":
                raise WorkflowEnded(f"no worker can tell of the workflow any more: {error.message}") from error
            raise TemporalAway(f"no worker told of the workflow: {error.message}") from error
        return _effect(batch)

    async def _fate(self, workflow_id: str) -> str:
        client = await self._connected()
        try:
            described = await client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return "NONE"
            raise TemporalAway(f"Temporal did not tell of workflow {workflow_id}: {error.message}") from error
        return described.status.name if described.status is not None else "NONE"

    async def _ended_badly(self, since: datetime) -> list[tuple[str, str, int]]:
        client = await self._connected()
        wanted = (
            f"WorkflowType = '{WORKFLOW}' AND ExecutionStatus IN ('Terminated', 'TimedOut', 'Canceled', 'Failed') "
            f"AND CloseTime >= '{since.astimezone(UTC).isoformat()}'"
        )
        try:
            found = [parse_workflow_id(listed.id) async for listed in client.list_workflows(wanted)]
        except RPCError as error:
            raise TemporalAway(f"Temporal did not list workflows: {error.message}") from error
        return [workflow for workflow in found if workflow is not None]

    async def _terminate(self, workflow_id: str, reason: str) -> None:
        client = await self._connected()
        try:
            await client.get_workflow_handle(workflow_id).terminate(reason=reason)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise TemporalAway(f"Temporal did not end workflow {workflow_id}: {error.message}") from error


def _hear_of(work: asyncio.Future[Any] | None) -> None:
    """Take note of how something ends for which nobody may be waiting any more, which asyncio would complain of."""
    if work is not None:
        work.add_done_callback(_heard)


def _heard(work: asyncio.Future[Any]) -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        is_known = isinstance(error, (*ANSWERS, RPCError, WorkflowAlreadyStartedError))
        log.log(logging.DEBUG if is_known else logging.WARNING, "asking Temporal ended with %r", error)


def _effect(batch: Batch) -> Effect:
    entries = tuple(Entry.from_dict(document) for document in batch.entries)
    return Effect(entries, batch.phase, batch.upto, batch.moment)


def _kept(launch: Launch) -> list[str]:
    """Store a state that is too large for Temporal; gives the digests of its parts."""
    with connection():
        return [state_parts.add(launch.workspace, launch.execution_id, part) for part in state_parts.cut(launch.state)]


async def _answered(ask: Callable[[], Awaitable[Answer]], seconds: float) -> Answer:
    """Ask until there is an answer, as long as asking again may help."""
    begin = time.monotonic()
    pause = 0.01
    while True:
        try:
            return await _once(ask)
        except RPCError as error:
            patience = PATIENCE.get(error.status, 0.0)
            if time.monotonic() - begin + pause > min(patience, seconds):
                raise TemporalAway(f"Temporal did not take the observation: {error.message}") from error
        except _Behind as error:
            if time.monotonic() - begin + pause > seconds:
                raise TemporalAway(f"the workflow could not judge in time: {error}") from error
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - only so that callers do not come again together
        pause = min(pause * 2, 0.2)


async def _once(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Wait for an update and say in the core's words how it went; what may be asked again is left as it is."""
    try:
        return await ask()
    except WorkflowUpdateFailedError as error:
        raise _failure(error.cause) from error
    except (WorkflowUpdateRPCTimeoutOrCancelledError, RPCTimeoutOrCancelledError) as error:
        raise TemporalAway("no worker answered in time") from error
    except WorkflowAlreadyStartedError as error:
        raise WorkflowEnded("the workflow has ended") from error
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise WorkflowEnded(f"Temporal has no running workflow: {error.message}") from error
        if error.status == RPCStatusCode.INVALID_ARGUMENT:
            raise StartRefused(error.message) from error
        raise


def _failure(cause: BaseException | None) -> Exception:
    if isinstance(cause, ApplicationError) and cause.type == REFUSED:
        reason, facts = cause.details
        moment = facts.pop(MOMENT, "")
        return Doubtful(reason, cause.message, moment, **facts) if moment else Refused(reason, cause.message, **facts)
    if isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow":
        return WorkflowEnded("the workflow ended while it took the observation in")
    if isinstance(cause, ApplicationError) and cause.type == BEHIND:
        return _Behind(cause.message)
    if isinstance(cause, ApplicationError) and cause.type == UNREAD:
        return Unread(cause.message)
    return TemporalAway(f"the workflow could not take the observation in: {cause}")
