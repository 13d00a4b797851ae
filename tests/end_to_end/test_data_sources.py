"""Data sources of sub-workflows, asked by a real worker over HTTP: what children get of them, and how they fail."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager

import pytest
from temporalio.client import Client

from storage import database
from storage.database import query
from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition
from tests.endpoint import answer, endpoint, flood, hang, head

CHILD = definition("start > end", name="Child") | {"outputExpression": {"src": "__context__"}}
DIRECTORS = {"data": [{"id": "d1"}, {"id": "d2"}, {"id": "d3"}]}
QUICK = {"maxAttempts": 2, "initialInterval": 20}


def source(alias="directors", **more):
    return {"alias": alias, "type": "CRM", "dataSourceID": "getDirectors", "timeout": 1000, "retry": QUICK, **more}


def parent(api: Api, *sources, **more):
    step = {
        "type": "sys.sub_workflow",
        "mode": "BATCH",
        "childWorkflowTemplateVersionId": api.publish(CHILD).id,
        "dataSources": list(sources),
        "iterable": {"type": "DATASOURCE", "key": "directors", "select": {"src": "$.data"}},
        "inputMapping": [{"id": "m1", "targetPath": "id", "value": {"expr": {"src": "__each__.id"}}}],
    }
    return definition("start > sub; sub > end", name="Parent", sub={**step, **more}) | {
        "outputExpression": {"src": "[__steps__.sub.outputData]"}
    }


@contextmanager
def crm(own_heddle, workspace, *behaviours):
    with endpoint(*behaviours) as served:
        heddle = own_heddle(HEDDLE_DATA_SOURCES=f"CRM={served.url}", HEDDLE_DATA_SOURCE_TOKEN_CRM="s3cr3t")
        yield Api(heddle.channel, workspace), served, heddle


def test_children_are_made_of_what_the_sources_gave(own_heddle, workspace):
    people = [answer({"email": f"{n}@example.com"}) for n in range(3)]
    with crm(own_heddle, workspace, answer(DIRECTORS), *people) as (api, served, _):
        each = source(
            "person", dataSourceID="getPerson", scope="per-item", params={"of": [{"expr": {"src": "__each__"}}]}
        )
        params = {"company": {"ref": {"source": "CONTEXT", "path": "company.id"}}, "deep": [{"n": {"value": 1}}]}
        email = {"ref": {"source": "DATASOURCE", "key": "person", "path": "email"}}
        mapping = {"id": "m1", "targetPath": "email", "value": email}
        id = api.start(parent(api, source(params=params), each, inputMapping=[mapping]), {"company": {"id": "c9"}})
        done = api.await_end(id.execution.id)

    assert status(done) == "COMPLETED"
    first, *others = [request.document for request in served.requests]
    assert (first["dataSourceID"], first["params"]) == ("getDirectors", {"company": "c9", "deep": [{"n": 1}]})
    assert first["execution"] == {"id": done.id, "workspace": workspace}
    assert [request.headers["authorization"] for request in served.requests] == ["Bearer s3cr3t"] * 4
    asked = sorted((other["item"], other["params"]) for other in others)
    assert asked == [(n, {"of": [{"id": f"d{n + 1}"}]}) for n in range(3)]
    emails = [child["email"] for child in json.loads(done.output_json)]
    assert sorted(emails) == ["0@example.com", "1@example.com", "2@example.com"]


def failed(own_heddle, workspace, *behaviours, **more):
    """Start a parent whose source fails; gives how it ended and how often it was asked."""
    with crm(own_heddle, workspace, *behaviours) as (api, served, _):
        done = api.await_end(api.start(parent(api, source(**more))).execution.id)
        assert api.call("ListExecutions", parent_execution_id=done.id).executions == []
    assert (status(done), done.error.code, done.error.step_id) == ("FAILED", "DATA_SOURCE_FAILED", "sub")
    assert done.error.message.startswith('data source "directors" (CRM getDirectors): ')
    return done.error.message, len(served.requests)


def test_a_source_that_is_down_fails_the_step(own_heddle, workspace):
    message, asked = failed(own_heddle, workspace, answer(status=503))
    assert ("answered 503 (2 attempts)" in message, asked) == (True, 2)


def test_a_source_that_hangs_fails_the_step(own_heddle, workspace):
    message, asked = failed(own_heddle, workspace, hang, timeout=300)
    assert ("did not answer within 0.3 s (2 attempts)" in message, asked) == (True, 2)


def test_a_source_that_answers_with_50_mb_fails_the_step(own_heddle, workspace):
    large = flood(head(Content_Length=str(50 * 1024**2)), b"x" * 1024, 50 * 1024)
    message, asked = failed(own_heddle, workspace, large)
    assert ("more than 262,144 bytes" in message, asked) == (True, 1)


def test_a_type_that_is_served_nowhere_fails_the_step(own_heddle, workspace):
    with crm(own_heddle, workspace, hang) as (api, _, _):
        done = api.await_end(api.start(parent(api, source(type="ELSEWHERE"))).execution.id)
    assert done.error.code == "DATA_SOURCE_FAILED"
    assert "HEDDLE_DATA_SOURCES does not say where data sources of type ELSEWHERE are served" in done.error.message


def test_when_the_source_is_well_again_a_retry_goes_on(own_heddle, workspace):
    with crm(own_heddle, workspace, answer(status=503), answer(status=503), answer(DIRECTORS)) as (api, _, _):
        id = api.start(parent(api, source())).execution.id
        assert status(api.await_end(id)) == "FAILED"

        api.call("RetryExecution", execution_id=id)

        done = api.await_that(id, lambda execution: status(execution) == "COMPLETED")
    assert json.loads(done.output_json) == [{"id": "d1"}, {"id": "d2"}, {"id": "d3"}]


def test_a_source_that_hangs_holds_up_no_other_execution(own_heddle, workspace):
    with crm(own_heddle, workspace, hang) as (api, served, _):
        stuck = api.publish(parent(api, source(timeout=20_000)))
        ids = [api.start(stuck).execution.id for _ in range(30)]
        limit = time.monotonic() + 20
        while len(served.requests) < 30:
            assert time.monotonic() < limit
            time.sleep(0.05)

        # Starting children takes the slots that fetching must not take.
        family = parent(api, iterable={"type": "EXPRESSION", "expr": {"src": "[{'id': 'd1'}, {'id': 'd2'}]"}})
        began = time.monotonic()
        assert status(api.await_end(api.start(family).execution.id)) == "COMPLETED"

        assert time.monotonic() - began < 15
        for stuck_id in ids:
            api.call("CancelExecution", execution_id=stuck_id)
        assert {status(api.execution(stuck_id)) for stuck_id in ids} == {"CANCELLED"}


def test_a_worker_that_dies_while_it_fetches_loses_nothing(own_heddle, workspace, start_process):
    with crm(own_heddle, workspace, hang, answer(DIRECTORS)) as (api, served, heddle):
        id = api.start(parent(api, source())).execution.id
        limit = time.monotonic() + 20
        while not served.requests:
            assert time.monotonic() < limit
            time.sleep(0.02)
        heddle.worker.kill9()
        start_process(
            "work",
            heddle,
            HEDDLE_DATA_SOURCES=f"CRM={served.url}",
            HEDDLE_DATA_SOURCE_TOKEN_CRM="s3cr3t",
        )

        done = api.await_end(id, timeout=40)

    assert status(done) == "COMPLETED"
    first, second = served.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(("length", "in_entries"), [(100, 1), (100_000, 0)])
def test_what_is_fetched_stands_once_and_a_large_value_by_its_digest(own_heddle, workspace, length, in_entries):
    with crm(own_heddle, workspace, answer({"data": [{"id": "d1"}], "text": "x" * length})) as (api, _, heddle):
        id = api.start(parent(api, source())).execution.id
        assert status(api.await_end(id)) == "COMPLETED"
        fetched = [entry["data"] for entry in api.ledger(id) if entry["type"] == "DATA_FETCHED"]
        database.connect(heddle.settings.database_url)
        sql = "SELECT count(*) FROM ledger_entries WHERE execution_id = %s AND strpos(entry::text, 'xxxxx') > 0"
        ((entries,),) = query(sql, (id,))

    assert [len(data["value"]["text"]) for data in fetched] == [length]  # a reader sees no difference
    assert entries == in_entries


def test_large_data_of_each_item_is_fetched_and_handed_on_portion_by_portion(own_heddle, workspace):
    number = 8
    with crm(own_heddle, workspace, answer({"text": "x" * 200_000})) as (api, served, heddle):
        child = api.publish(CHILD | {"outputExpression": {"src": "$length(__context__.text)"}})
        text = {"ref": {"source": "DATASOURCE", "key": "person", "path": "text"}}
        step = parent(
            api,
            source("person", scope="per-item", params={"id": {"expr": {"src": "__each__"}}}),
            childWorkflowTemplateVersionId=child.id,
            iterable={"type": "EXPRESSION", "expr": {"src": f"[1..{number}]"}},
            inputMapping=[{"id": "m1", "targetPath": "text", "value": text}],
        )
        id = api.start(step).execution.id
        done = api.await_end(id)
        largest = largest_event(heddle, f"heddle/{workspace}/{id}")

    assert status(done) == "COMPLETED", done.error
    assert json.loads(done.output_json) == [200_000] * number
    assert len(served.requests) == number
    assert largest < 1024**2  # half of what Temporal takes


def largest_event(heddle, workflow_id):
    """Bytes of the largest event in a workflow's history."""

    async def fetch():
        client = await Client.connect(heddle.settings.temporal_address)
        return await client.get_workflow_handle(workflow_id).fetch_history()

    return max(event.ByteSize() for event in asyncio.run(fetch()).events)
