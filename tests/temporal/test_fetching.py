"""Data sources asked from a workflow on a real Temporal: over HTTP, and by activities of somebody's worker."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from service.engine.commands import FetchCall
from service.engine.state import json_size
from service.settings import DataSource
from service.temporal import fetching
from service.temporal.fetching import AT_ONCE, FULL, FetchFailed, Fetching, fetch
from service.temporal.orders import fetch_queue
from service.temporal.sources import DataSources
from tests.endpoint import answer, endpoint, flood, hang, head

QUICK = {"maxAttempts": 3, "initialInterval": 0.01, "backoffMultiplier": 1, "maxInterval": 1.0}


@workflow.defn
class Asking:
    """A workflow that asks data sources at once, and may be told that nobody wants to know."""

    def __init__(self) -> None:
        self.unwanted = False

    @workflow.run
    async def run(self, documents: list[dict[str, Any]]) -> list[Any]:
        asked = [asyncio.create_task(self.ask(FetchCall(**document))) for document in documents]
        await workflow.wait_condition(lambda: self.unwanted or all(task.done() for task in asked))
        for task in asked:
            task.cancel()
        return [await task for task in asked]

    async def ask(self, call: FetchCall) -> Any:
        try:
            return {"value": await fetch(call)}
        except FetchFailed as failed:
            return {"error": failed.error}
        except asyncio.CancelledError:
            return {"unwanted": True}

    @workflow.signal
    def give_up(self) -> None:
        self.unwanted = True


async def _at_once(value: Any) -> None:
    """Let everything go to Temporal at once."""


@workflow.defn
class Gathering:
    """A workflow that takes in what data sources give, portion by portion."""

    @workflow.run
    async def run(self, documents: list[dict[str, Any]]) -> list[Any]:
        calls, fetching, portions = [FetchCall(**document) for document in documents], Fetching(_at_once), []
        while calls:
            try:
                portion = await fetching.fetch(calls)
            except FetchFailed as failed:
                return [*portions, {"error": failed.error}]
            assert [call for call, _ in portion] == calls[: len(portion)]
            calls = calls[len(portion) :]
            portions.append([json_size(value) for _, value in portion])
        return portions


@dataclass
class Provider:
    """Activities that give data, and what they were asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0

    def activities(self) -> list[Any]:
        @activity.defn(name="getDirectors")
        async def get_directors(request: dict[str, Any]) -> Any:
            self.asked.append(request)
            return {"data": [{"id": "d1"}, {"id": "d2"}]}

        @activity.defn(name="unreliable")
        async def unreliable(request: dict[str, Any]) -> str:
            self.asked.append(request)
            if len(self.asked) < 3:
                raise ApplicationError("the office is closed", type="OFFICE_CLOSED")
            return "open"

        @activity.defn(name="noCompany")
        async def no_company(request: dict[str, Any]) -> None:
            self.asked.append(request)
            raise ApplicationError("there is no company c9", type="NO_COMPANY", non_retryable=True)

        @activity.defn(name="defect")
        async def defect(request: dict[str, Any]) -> None:
            self.asked.append(request)
            raise KeyError("company")

        @activity.defn(name="hangs")
        async def hangs(request: dict[str, Any]) -> None:
            self.asked.append(request)
            await asyncio.sleep(30)

        @activity.defn(name="gives")
        async def gives(request: dict[str, Any]) -> Any:
            self.asked.append(request)
            what = request["params"]
            return b"\xff" if what == "bytes" else "\ud800" if what == "half" else "\0" if what == "nul" else "x" * what

        @activity.defn(name="slow")
        async def slow(request: dict[str, Any]) -> Any:
            self.asked.append(request)
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            await asyncio.sleep(0.05)
            self.busy -= 1
            return "x" * (request["params"] - 2)

        return [slow, get_directors, unreliable, no_company, defect, hangs, gives]


def call(id: str, *, type: str = "BACKEND", **fields: Any) -> dict[str, Any]:
    return {
        "key": "dsc/1",
        "alias": "directors",
        "type": type,
        "id": id,
        "params": None,
        "timeout": 2.0,
        "retry": QUICK,
        **fields,
    }


class World:
    """A worker of Heddle's kind with data sources, a provider, and a client."""

    def __init__(self, address: str, url: str = "", token: str = "") -> None:
        self.address = address
        self.queue = f"fetching-{secrets.token_hex(4)}"
        self.provider = Provider()
        self.places = {
            "BACKEND": DataSource(queue=f"{self.queue}-provider"),
            "NOBODY": DataSource(queue=self.queue * 2),
        }
        self.token = token
        if url:
            self.places["CRM"] = DataSource(url=url, token=token)
        self.history = ""

    def ask(self, *calls: dict[str, Any]) -> list[Any]:
        """Run a workflow that asks these; gives how each ended."""
        return asyncio.run(self._ask(calls, give_up=False))

    def gather(self, *calls: dict[str, Any]) -> list[Any]:
        """Run a workflow that takes in what these give portion by portion; gives the sizes in each, or the error."""
        return asyncio.run(self._ask(calls, give_up=False, run=Gathering.run))

    def give_up(self, *calls: dict[str, Any]) -> list[Any]:
        """Begin to ask and, when the provider was reached, ask no more."""
        return asyncio.run(self._ask(calls, give_up=True))

    async def _ask(self, calls: tuple[dict[str, Any], ...], *, give_up: bool, run: Any = Asking.run) -> list[Any]:
        client = await Client.connect(self.address)
        async with AsyncExitStack() as stack:
            sources = DataSources(self.places, stack.enter_context(ThreadPoolExecutor()))
            for queue, workflows, activities in (
                (self.queue, [Asking, Gathering], [sources.provider_of]),
                (fetch_queue(self.queue), [], [sources.fetch]),
                (f"{self.queue}-provider", [], self.provider.activities()),
            ):
                worker = Worker(
                    client,
                    task_queue=queue,
                    workflows=workflows,
                    activities=activities,
                    workflow_runner=UnsandboxedWorkflowRunner(),
                    graceful_shutdown_timeout=timedelta(0),
                )
                await stack.enter_async_context(worker)
            name = f"heddle/space/{secrets.token_hex(4)}"
            handle = await client.start_workflow(run, list(calls), id=name, task_queue=self.queue)
            if give_up:
                while not self.provider.asked:
                    await asyncio.sleep(0.02)
                await handle.signal(Asking.give_up)
            result = await asyncio.wait_for(handle.result(), 30)
            self.execution_id = name.rpartition("/")[2]
            self.history = (await handle.fetch_history()).to_json()
        return result


@pytest.fixture
def world(temporal_address):
    return World(temporal_address)


@contextmanager
def crm(temporal_address, *behaviours, token=""):
    with endpoint(*behaviours) as served:
        yield World(temporal_address, served.url, token), served


def told(outcome: Any) -> tuple[str, str, bool]:
    assert outcome["error"]["code"] == "DATA_SOURCE_FAILED"
    return outcome["error"]["message"], outcome["error"]["category"], outcome["error"]["retriable"]


def test_an_activity_of_that_name_on_the_queue_of_the_type_is_asked(world):
    assert world.ask(call("getDirectors", params={"of": ["c9"]})) == [{"value": {"data": [{"id": "d1"}, {"id": "d2"}]}}]

    assert world.provider.asked == [
        {
            "dataSourceID": "getDirectors",
            "params": {"of": ["c9"]},
            "alias": "directors",
            "execution": {"id": world.execution_id, "workspace": "space"},
            "step": {"id": "dsc", "visit": 1},
        }
    ]


def test_an_endpoint_is_asked_the_same(temporal_address):
    with crm(temporal_address, answer({"data": []})) as (world, served):
        outcome = world.ask(call("getDirectors", type="CRM", params={"of": ["c9"]}, key="größe ✓/2", item=7))

    assert outcome == [{"value": {"data": []}}]
    assert served.requests[0].document == {
        "dataSourceID": "getDirectors",
        "params": {"of": ["c9"]},
        "alias": "directors",
        "execution": {"id": world.execution_id, "workspace": "space"},
        "step": {"id": "größe ✓", "visit": 2},
        "item": 7,
    }
    key = f"{world.execution_id}/gr%C3%B6%C3%9Fe%20%E2%9C%93/2/directors/7"
    assert served.requests[0].headers["idempotency-key"] == key
    assert "authorization" not in served.requests[0].headers


def test_a_token_is_sent_and_stands_nowhere(temporal_address, capfd, caplog):
    with crm(temporal_address, answer(status=401), token="s3cr3t-t0ken") as (world, served):
        ((message, *_),) = map(told, world.ask(call("x", type="CRM")))

    assert served.requests[0].headers["authorization"] == "Bearer s3cr3t-t0ken"
    assert "answered 401" in message
    assert "s3cr3t-t0ken" not in message + world.history + caplog.text + "".join(capfd.readouterr())


def test_a_token_is_not_sent_to_where_an_endpoint_was_before(temporal_address):
    class Moved(dict):
        """Settings that are other ones for the worker that fetches than for the worker that decided where."""

        def get(self, type):
            self.asked = getattr(self, "asked", 0) + 1
            return DataSource(url=self["CRM"].url + ("" if self.asked % 2 else "/new"), token="s3cr3t")

    with crm(temporal_address, answer(1)) as (world, served):
        world.places = Moved(world.places)
        ((message, category, retriable),) = map(told, world.ask(call("x", type="CRM")))

    assert (category, retriable) == ("DATA_SOURCE_UNAVAILABLE", True)
    assert "no longer say that CRM is served where it was (3 attempts)" in message
    assert served.requests == []


def test_what_fails_and_may_pass_is_tried_again(temporal_address):
    with crm(temporal_address, answer(status=500), hang, answer("at last")) as (world, served):
        outcomes = world.ask(call("x", type="CRM", timeout=0.5), call("unreliable", alias="office"))

    assert outcomes == [{"value": "at last"}, {"value": "open"}]
    assert len(served.requests) == 3
    assert len({request.headers["idempotency-key"] for request in served.requests}) == 1


BAD_ENDPOINTS = {
    "down": (answer(status=503), "answered 503 (3 attempts)", "UNAVAILABLE", 3),
    "hangs": (hang, "did not answer within 0.5 s (3 attempts)", "UNAVAILABLE", 3),
    "refuses": (answer(status=404), "answered 404", "REFUSED", 1),
    "redirects": (answer(status=302, Location="/"), "answered 302, but redirects are not followed", "REFUSED", 1),
    "no_json": (answer(b"<html>"), "is not taken: not JSON", "INVALID", 1),
    "50_mb": (flood(head(Content_Length="52428800"), b"x" * 1024, 51200), "more than 262,144 bytes", "TOO_LARGE", 1),
}


@pytest.mark.parametrize("name", BAD_ENDPOINTS)
def test_an_endpoint_that_fails_is_named(temporal_address, name):
    behaviour, says, kind, attempts = BAD_ENDPOINTS[name]
    with crm(temporal_address, behaviour) as (world, served):
        ((message, *rest),) = map(told, world.ask(call("getDirectors", type="CRM", timeout=0.5, item=4)))

    assert message.startswith('data source "directors" (CRM getDirectors) for item 4: ')
    assert says in message
    assert rest == [f"DATA_SOURCE_{kind}", kind == "UNAVAILABLE"]
    assert len(served.requests) == attempts


BAD_ACTIVITIES = {
    "refuses": (call("noCompany"), "there is no company c9", ["NO_COMPANY", False], 1),
    "defect": (call("defect"), "'company' (3 attempts)", ["KeyError", True], 3),
    "hangs": (
        call("hangs", timeout=0.2),
        "it did not answer within 0.2 s (3 attempts)",
        ["DATA_SOURCE_UNAVAILABLE", True],
        3,
    ),
    "is_not_there": (call("nothing"), "Activity function nothing for workflow", ["NotFoundError", True], 0),
    "bytes": (call("gives", params="bytes"), "the answer is not JSON", ["DATA_SOURCE_INVALID", False], 1),
    "half": (call("gives", params="half"), "not taken: half of a surrogate", ["DATA_SOURCE_INVALID", False], 1),
    "nul": (call("gives", params="nul"), "not taken: the character \\u0000", ["DATA_SOURCE_INVALID", False], 1),
    "large": (call("gives", params=262_143), "too large: 262,145 bytes", ["DATA_SOURCE_TOO_LARGE", False], 1),
}


@pytest.mark.parametrize("name", BAD_ACTIVITIES)
def test_an_activity_that_fails_is_named(world, name):
    asked, says, expected, attempts = BAD_ACTIVITIES[name]

    ((message, *rest),) = map(told, world.ask(asked))

    assert message.startswith(f'data source "directors" (BACKEND {asked["id"]}): ')
    assert says in message
    assert rest == expected
    assert len(world.provider.asked) == attempts


@pytest.mark.parametrize(
    ("megabytes", "category"),
    [
        (1, "DATA_SOURCE_TOO_LARGE"),  # what Temporal still takes
        (3, "DATA_SOURCE_TOO_LARGE"),  # what it takes no more
        (50, "DATA_SOURCE_UNAVAILABLE"),  # what does not even reach it
    ],
)
def test_an_activity_that_gives_far_too_much_fails_itself_and_nothing_else(world, megabytes, category):
    outcomes = world.ask(call("gives", params=megabytes * 1024**2, timeout=1.0), call("getDirectors", alias="other"))

    assert told(outcomes[0])[1] == category
    assert "value" in outcomes[1]


def test_a_queue_without_workers_is_told(world, monkeypatch):
    monkeypatch.setattr(fetching, "PATIENCE", 0.2)

    ((message, *rest),) = map(told, world.ask(call("getDirectors", type="NOBODY", timeout=0.1)))

    assert message == 'data source "directors" (NOBODY getDirectors): no worker took it within 0.2 s (3 attempts)'
    assert rest == ["DATA_SOURCE_UNAVAILABLE", True]


def test_a_type_that_is_served_nowhere_is_told_at_once(world):
    ((message, *rest),) = map(told, world.ask(call("getDirectors", type="ELSEWHERE")))

    assert message == (
        'data source "directors" (ELSEWHERE getDirectors): '
        "HEDDLE_DATA_SOURCES does not say where data sources of type ELSEWHERE are served"
    )
    assert rest == ["DATA_SOURCE_UNKNOWN", False]


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        ({"maxAttempts": 1}, 1),
        ({"nonRetryableErrors": ["OFFICE_CLOSED"]}, 1),
        ({"retryableErrors": ["TIMEOUT"]}, 1),
        ({"retryableErrors": ["OFFICE_CLOSED"], "maxAttempts": 2}, 2),
    ],
)
def test_the_policy_of_the_call_is_kept(world, policy, attempts):
    (outcome,) = world.ask(call("unreliable", retry=QUICK | policy))

    assert told(outcome)[1:] == ("OFFICE_CLOSED", True)
    assert len(world.provider.asked) == attempts


def test_what_is_too_large_to_be_asked_is_not(world):
    ((message, *rest),) = map(told, world.ask(call("getDirectors", params="x" * 262_144)))

    assert "it would be asked with 262,2" in message
    assert rest == ["DATA_SOURCE_PARAMS_TOO_LARGE", False]
    assert world.provider.asked == []


def test_where_a_policy_says_nothing_there_are_three_attempts(world):
    assert world.ask(call("unreliable", retry={})) == [{"value": "open"}]


def test_what_nobody_wants_any_more_is_not_tried_again(world):
    assert world.give_up(call("hangs", timeout=20.0)) == [{"unwanted": True}]
    assert len(world.provider.asked) == 1


def test_only_so_many_sources_are_asked_at_a_time(world):
    (sizes,) = world.gather(*(call("slow", params=10, item=item) for item in range(3 * AT_ONCE)))

    assert sizes == [10] * 3 * AT_ONCE
    assert world.provider.busiest <= AT_ONCE


def test_large_answers_are_taken_in_portion_by_portion_and_asked_for_once(world):
    calls = [call("slow", params=200_000 - item, item=item) for item in range(25)]

    portions = world.gather(*calls)

    assert all(sum(sizes) <= FULL for sizes in portions)
    assert [size for sizes in portions for size in sizes] == [200_000 - item for item in range(25)]
    assert len(world.provider.asked) == 25


def test_when_one_source_fails_the_others_are_given_up(world):
    calls = [call("hangs", item=item, timeout=60.0) for item in range(5)]

    (outcome,) = world.gather(*calls, call("noCompany", alias="company"))

    assert told(outcome)[1] == "NO_COMPANY"
    assert world.history.count("EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED") == 5
