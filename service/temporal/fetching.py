"""Asking a data source from within a workflow, attempt after attempt.

A data source of a type is served by an activity that is named as the source, on a task queue of its provider, or by an
HTTP endpoint, which Heddle's own worker asks. Both get the same document and give JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, ServerError, TimeoutError, TimeoutType

from service.definition.plan import Json
from service.domain.execution import parse_workflow_id
from service.domain.json_text import InvalidJson, compact, parse
from service.engine.attempts import may_retry, pause
from service.engine.commands import FetchCall
from service.engine.state import json_size
from service.temporal.failures import MAX_MESSAGE
from service.temporal.orders import FETCH, PROVIDER_OF, FetchOrder, fetch_queue
from service.temporal.pacing import Room

MAX_DATA = 256 * 1024
"""Bytes of JSON that a data source may give."""

RETRY: dict[str, Json] = {"maxAttempts": 3, "initialInterval": 1.0, "backoffMultiplier": 2, "maxInterval": 60.0}
"""What holds where a call's own policy says nothing."""

AT_ONCE = 10
"""Sources that one step run asks at a time."""

FULL = 512 * 1024
"""Bytes of JSON that a step run takes in at a time, which soon stand together in a message of Temporal's."""

PATIENCE = 60.0
"""Seconds in which some worker of a provider's task queue has to take an attempt, at least."""


class FetchFailed(Exception):
    """A data source has not given what it was asked for, and is not asked again.

    `error` is {code: DATA_SOURCE_FAILED, message, category, retriable}; the category is the code of the last attempt.
    """

    def __init__(self, error: dict[str, Json]) -> None:
        super().__init__(error["message"])
        self.error = error


Name = tuple[str, int | None]
"""Tells the calls of one step run apart: alias and item."""


class Fetching:
    """What the sources of one step run gave and it has not taken in yet.

    `room` waits until a value may be handed to Temporal.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: dict[Name, tuple[Json, int]] = {}  # each with its bytes of JSON

    async def fetch(self, calls: list[FetchCall]) -> list[tuple[FetchCall, Json]]:
        """Ask for the calls, or the first of them, and give as many answers as may be taken in at a time, at least one.

        What is given is forgotten here, the others are kept until they are asked for again. When a source fails, so
        does this (`FetchFailed`), and those that are still asked are given up.
        """
        missing = iter([call for call in calls if _name(call) not in self._kept])
        asking = [asyncio.create_task(self._ask(missing)) for _ in range(min(AT_ONCE, len(calls)))]
        try:
            await asyncio.gather(*asking)
        except BaseException:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
            raise
        return self._take(calls)

    async def _ask(self, missing: Iterator[FetchCall]) -> None:
        while self._size < FULL and (call := next(missing, None)) is not None:
            await self._room(call.params)
            value = await fetch(call)
            self._kept[_name(call)] = (value, json_size(value))

    @property
    def _size(self) -> int:
        return sum(size for _, size in self._kept.values())

    def _take(self, calls: list[FetchCall]) -> list[tuple[FetchCall, Json]]:
        taken: list[tuple[FetchCall, Json]] = []
        room = FULL
        for call in calls:
            if (kept := self._kept.get(_name(call))) is None or kept[1] > room:
                break
            room -= kept[1]
            taken.append((call, kept[0]))
            del self._kept[_name(call)]
        return taken


def _name(call: FetchCall) -> Name:
    return call.alias, call.item


async def fetch(call: FetchCall) -> Json:
    """Ask a data source as its retry policy says; gives at most `MAX_DATA` bytes of JSON or raises `FetchFailed`."""
    policy = RETRY | call.retry
    attempt = 1
    while True:
        try:
            return await _attempt(call, attempt)
        except _AttemptFailed as failed:
            if not may_retry(policy, attempt, failed.error):
                raise FetchFailed(_told(call, attempt, failed.error)) from failed
        await workflow.sleep(pause(policy, attempt))
        attempt += 1


class _AttemptFailed(Exception):
    def __init__(self, code: str, message: str, *, retriable: bool) -> None:
        super().__init__(message)
        self.error: dict[str, Json] = {"code": code, "message": message, "retriable": retriable}


async def _attempt(call: FetchCall, attempt: int) -> Json:
    try:
        provider = await _provider(call)
        return _checked(await _ask(call, attempt, provider))
    except _AttemptFailed:
        raise
    except FailureError as error:
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise asyncio.CancelledError from error  # an activity that is given up says so in a way of its own
        raise _as_failed(call, error) from error
    except Exception as error:  # what no worker for JSON has sent: no answer may stop the workflow
        raise _AttemptFailed("DATA_SOURCE_INVALID", f"the answer is not JSON: {error}", retriable=False) from error


async def _provider(call: FetchCall) -> dict[str, str]:
    """Ask where the source is served, anew for each attempt: the settings may have been put right meanwhile."""
    provider: dict[str, str] | None = await workflow.execute_local_activity(
        PROVIDER_OF, call.type, start_to_close_timeout=timedelta(seconds=10)
    )
    if provider is None:
        message = f"HEDDLE_DATA_SOURCES does not say where data sources of type {call.type} are served"
        raise _AttemptFailed("DATA_SOURCE_UNKNOWN", message, retriable=False)
    return provider


async def _ask(call: FetchCall, attempt: int, provider: dict[str, str]) -> Any:
    document = _document(call)
    if (size := json_size(document)) > MAX_DATA:
        message = f"it would be asked with {size:,} bytes; at most {MAX_DATA:,} are allowed"
        raise _AttemptFailed("DATA_SOURCE_PARAMS_TOO_LARGE", message, retriable=False)
    name = "/".join([call.key, call.alias] if call.item is None else [call.key, call.alias, str(call.item)])
    if "queue" in provider:
        return await _ask_worker(call, document, provider["queue"], id=f"{name}/{attempt}")
    order = FetchOrder(
        type=call.type,
        url=provider["url"],
        document=document,
        timeout=call.timeout,
        idempotency_key=f"{document['execution']['id']}/{name}",
    )
    return await _ask_endpoint(order, id=f"{name}/{attempt}")


def _document(call: FetchCall) -> dict[str, Json]:
    """Write what whoever serves the source gets."""
    name = parse_workflow_id(workflow.info().workflow_id)
    assert name is not None
    workspace, execution_id, _ = name
    step_id, _, visit = call.key.rpartition("/")
    document: dict[str, Json] = {
        "dataSourceID": call.id,
        "params": call.params,
        "alias": call.alias,
        "execution": {"id": execution_id, "workspace": workspace},
        "step": {"id": step_id, "visit": int(visit)},
    }
    return document if call.item is None else document | {"item": call.item}


async def _ask_worker(call: FetchCall, document: dict[str, Json], queue: str, *, id: str) -> Any:
    return await workflow.execute_activity(
        call.id,
        document,
        task_queue=queue,
        activity_id=id,
        schedule_to_start_timeout=timedelta(seconds=max(call.timeout, PATIENCE)),
        start_to_close_timeout=timedelta(seconds=call.timeout),
        retry_policy=_ONCE,
    )


async def _ask_endpoint(order: FetchOrder, *, id: str) -> Any:
    return await workflow.execute_activity(
        FETCH,
        order,
        task_queue=fetch_queue(workflow.info().task_queue),
        activity_id=id,
        # It keeps the time itself; this is for a worker that dies over it.
        start_to_close_timeout=timedelta(seconds=order.timeout + 5),
        retry_policy=_ONCE,
    )


_ONCE = RetryPolicy(maximum_attempts=1)


def _checked(value: Any) -> Json:
    """Refuse what is no JSON or too much of it; over HTTP both were seen to already."""
    text = compact(value)
    try:
        return parse(text, limit=MAX_DATA, field="answer")
    except InvalidJson as error:
        is_large = len(text.encode(errors="replace")) > MAX_DATA
        code = "DATA_SOURCE_TOO_LARGE" if is_large else "DATA_SOURCE_INVALID"
        raise _AttemptFailed(code, f"the answer is not taken: {error.message}", retriable=False) from error


def _as_failed(call: FetchCall, error: FailureError) -> _AttemptFailed:
    cause = error.cause if isinstance(error, ActivityError) else error
    match cause:
        case ApplicationError():
            return _AttemptFailed(cause.type or "DATA_SOURCE_FAILED", cause.message, retriable=not cause.non_retryable)
        case TimeoutError(type=TimeoutType.SCHEDULE_TO_START):
            message = f"no worker took it within {max(call.timeout, PATIENCE):g} s"
            return _AttemptFailed("DATA_SOURCE_UNAVAILABLE", message, retriable=True)
        case TimeoutError():
            message = f"it did not answer within {call.timeout:g} s"
            return _AttemptFailed("DATA_SOURCE_UNAVAILABLE", message, retriable=True)
        case ServerError() if "exceeds size limit" in cause.message:  # Temporal's own, far above ours
            return _AttemptFailed("DATA_SOURCE_TOO_LARGE", "the answer is too large for Temporal", retriable=False)
        case _:
            return _AttemptFailed("DATA_SOURCE_UNAVAILABLE", str(cause), retriable=True)


def _told(call: FetchCall, attempts: int, error: dict[str, Json]) -> dict[str, Json]:
    """Say which source has failed, and how."""
    item = "" if call.item is None else f" for item {call.item}"
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    message = f'data source "{call.alias}" ({call.type} {call.id}){item}: {error["message"]}{tries}'
    return {
        "code": "DATA_SOURCE_FAILED",
        "message": message[:MAX_MESSAGE],
        "category": error["code"],
        "retriable": error["retriable"],
    }
