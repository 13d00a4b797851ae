"""Executions that wait for Temporal, on a real database: however many do, finding one of them is a look at one row."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from storage import executions
from storage.database import connection, query
from storage.executions import Writing
from tests.storage.test_execution_lists import add_templates

WAITING = 3_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def launches(own_database):
    """A database that learnt of its rows before the executions came that wait in it."""
    add_templates("w", 1)
    _add("COMPLETED", range(WAITING))
    query("ANALYZE executions")
    _add("CREATED", range(WAITING, 2 * WAITING))


def _add(status, numbers):
    query(
        "INSERT INTO executions (workspace, id, request_id, request_digest, name, template_id, version_id, plan_digest,"
        " status, phase, input, root_id, correlation_id, subject_type, subject_id, entity_type, entity_id, last_number,"
        " create_time, update_time, launch_state, launch_after) SELECT 'w', 'e' || n, 'e' || n, '', '', 't0', 't0v1',"
        " 'p', %s, 'NONE', '{}', 'e' || n, '', '', '', '', '', 1, now(), now(),"
        " CASE WHEN %s = 'CREATED' THEN '{}' END, CASE WHEN %s = 'CREATED' THEN now() + n * interval '1 second' END"
        " FROM unnest(%s) n",
        (status, status, status, list(numbers)),
    )


def _scanned(monkeypatch, call, module=executions):
    """Give the indexes that the statement of a call reads, each with the pages that it looks at."""
    plans = []

    def explained(sql, values=(), *, prepared=False):
        with connection():
            if prepared:
                numbered = sql % tuple(f"${number + 1}" for number in range(len(values)))
                query(f"PREPARE explained AS {numbered}")
                sql = f"EXECUTE explained ({', '.join(['%s'] * len(values))})"
            plans.extend(query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values))
            if prepared:
                query("DEALLOCATE explained")
        return []

    with monkeypatch.context() as patched:
        patched.setattr(module, "query", explained)
        call()
    return [
        (node.get("Index Name"), node["Shared Hit Blocks"] + node["Shared Read Blocks"])
        for ((plan,),) in plans
        for node in _nodes(plan["Plan"])
        if "Index Name" in node or node["Node Type"] == "Seq Scan"
    ]


def _nodes(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


ID = f"e{2 * WAITING - 1}"
ONE = {
    "confirm": lambda: executions.confirm("w", ID, NOW),
    "confirm_all": lambda: executions.confirm_all("w", [ID], NOW),
    "refuse_launch": lambda: executions.refuse_launch("w", ID, json.dumps({}), NOW),
    "postpone_launch": lambda: executions.postpone_launch("w", ID, "away", 1.0, NOW),
    "launch_of": lambda: executions.launch_of("w", ID),
    "record": lambda: executions.record(Writing("w", ID, [{"number": 2, "data": {}}], [], [], "NONE", NOW)),
    "record for the owner": lambda: executions.record(
        Writing("w", ID, [{"number": 2, "data": {}}], [], [], "NONE", NOW, owner="CREATED")
    ),
}


@pytest.mark.parametrize("name", ONE)
def test_an_execution_is_found_among_many_that_wait(launches, monkeypatch, name):
    scanned = _scanned(monkeypatch, ONE[name])
    assert sum(pages for index, pages in scanned if not (index or "").startswith("human_task")) <= 6, scanned


def test_those_that_are_due_are_found_by_their_time(launches, monkeypatch):
    scanned = _scanned(monkeypatch, lambda: executions.claim_launches(10, 1.0))
    assert "executions_to_launch" in [index for index, _ in scanned]


def test_the_waiting_are_counted(launches):
    assert executions.count_waiting(10 * WAITING) == WAITING
    assert executions.count_waiting(10) == 10
