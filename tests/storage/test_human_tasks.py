"""Human tasks are found by their keys, also while PostgreSQL knows nothing of their tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from storage import executions, human_tasks
from storage.database import query
from storage.executions import Writing
from storage.task_rows import TaskRow
from tests.storage.test_execution_lists import add_templates
from tests.storage.test_launches import _scanned

MANY = 3_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TIME = NOW.isoformat()


@pytest.fixture
def tasks(own_database):
    """Many open tasks of one workspace, in tables that nobody has looked through yet."""
    add_templates("w", 1)
    query(
        "INSERT INTO executions (workspace, id, template_id, version_id, status, phase, root_id, correlation_id, "
        "subject_type, subject_id, entity_type, entity_id, create_time, request_id, request_digest, name, plan_digest, "
        "input, last_number, update_time) SELECT 'w', 'e' || n, 't0', 't0v1', 'STARTED', 'WAITING_FOR_INPUT', "
        "'e' || n, '', '', '', '', '', now(), 'r' || n, '', '', 'p', '{}', 1, now() FROM generate_series(1, %s) n",
        (MANY,),
    )
    query(
        "INSERT INTO human_tasks (workspace, execution_id, step_id, visit, template_id, version_id, title, assignee, "
        "roles, groups, priority, status, position, create_time, update_time) SELECT 'w', 'e' || n, 'a', 1, 't0', "
        "'t0v1', '', '', '{r}', '{}', 'LOW', 'OPEN', n::text, now(), now() FROM generate_series(1, %s) n",
        (MANY,),
    )
    query(
        "INSERT INTO human_task_audience SELECT workspace, 'ROLE', 'r', true, position, execution_id, step_id, visit "
        "FROM human_tasks"
    )


def closing():
    row = TaskRow(
        step_id="a",
        visit=1,
        status="COMPLETED",
        opens=False,
        again=False,
        title="",
        assignee="",
        roles=[],
        groups=[],
        priority="",
        due_time=None,
        completed_by="ann",
        position="",
        create_time=TIME,
        update_time=TIME,
        end_time=TIME,
    )
    executions.record(Writing("w", "e7", [{"number": 2, "data": {}}], [], [], "NONE", NOW, tasks=[row]))


@pytest.mark.parametrize(
    ("module", "call"),
    [
        (executions, closing),
        (executions, lambda: executions.refuse_launch("w", "e7", "{}", NOW)),
        (human_tasks, lambda: human_tasks.get("w", "e7", "a", 1)),
        (human_tasks, lambda: human_tasks.open_of("w", "e7")),
    ],
    ids=["closing", "refusing", "getting", "listing one execution's"],
)
def test_a_task_is_found_by_its_key_among_many(tasks, monkeypatch, module, call):
    scanned = _scanned(monkeypatch, call, module)

    found = [index for index, _ in scanned if index and index.startswith("human")]
    assert set(found) <= {"human_tasks_pkey", "human_task_audience_pkey"}, scanned
    assert None not in [index for index, _ in scanned]
