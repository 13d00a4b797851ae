"""What the indexes for lists cost those who write: the same writes with the indexes that there were before them.

Two equal databases take turns in short bursts, so that both meet the same machine.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

import psycopg2

from service.domain.execution import Execution
from service.domain.ids import uuid7
from service.embedded.problem import Problem
from storage import database, executions
from storage.database import query
from storage.executions import StepRunRow, Writing

ROUNDS = 15
SECONDS = 0.4

_STEP = "children"

_BEFORE = """
DROP INDEX executions_by_status, executions_by_template, executions_by_version, executions_by_entity,
    executions_by_correlation, executions_by_root, executions_of_parent, executions_by_parent;
CREATE INDEX executions_by_parent ON executions (workspace, parent_id, parent_step_id, parent_item)
    WHERE parent_id IS NOT NULL;
CREATE INDEX executions_by_template ON executions (workspace, template_id, id);
CREATE INDEX executions_by_version ON executions (workspace, version_id, id);
CREATE INDEX executions_by_entity ON executions (workspace, entity_type, entity_id, id) WHERE entity_type <> '';
CREATE INDEX executions_by_root ON executions (workspace, root_id, id);
CREATE INDEX executions_by_correlation ON executions (workspace, correlation_id, id) WHERE correlation_id <> '';
VACUUM ANALYZE executions
"""

_MAKE_PARENTS = f"""
INSERT INTO step_runs (workspace, execution_id, step_id, visit, attempt, status, create_number, create_time,
    update_time)
    SELECT workspace, id, '{_STEP}', 1, 1, 'RUNNING', 1, now(), now() FROM executions WHERE status = 'STARTED'
    ORDER BY id LIMIT 100 RETURNING execution_id
"""


def without_indexes_for_lists(url: str) -> None:
    """Give a database the indexes that it had before lists could be narrowed in any combination."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    for statement in _BEFORE.split(";"):
        connection.cursor().execute(statement)
    connection.close()


def measure(before: str, now: str) -> list[list[str]]:
    """Write to both; gives lines of a table."""
    for url in (before, now):
        database.connect(url)
        parents = [row[0] for row in query(_MAKE_PARENTS)]
    kinds: dict[str, Callable[[], object]] = {
        "start": _start,
        "start by an entity, with correlation": lambda: _start(entity=("PRODUCT", "p-3"), correlation="nightly"),
        "start of a child": lambda: _start(parent=secrets.choice(parents)),
        "start, confirm, wait, end": _life,
    }
    lines = []
    for wait, option in (("", ""), (", not waiting for the disk", " -c synchronous_commit=off")):
        for name, write in kinds.items():
            rates = [(_rate(_with(before, option), write), _rate(_with(now, option), write)) for _ in range(ROUNDS)]
            ratios = [new / old for old, new in rates]
            old, new = (median(rate[side] for rate in rates) for side in (0, 1))
            spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
            lines.append([name + wait, f"{old:,.0f}/s", f"{new:,.0f}/s", f"{median(ratios):.2f}", spread])
    return lines


def _with(url: str, options: str) -> str:
    return f"{url}?options={options.strip().replace(' ', '%20').replace('=', '%3D')}" if options else url


def _rate(url: str, write: Callable[[], object]) -> float:
    database.connect(url)
    write()  # for the connection
    count, began = 0, time.perf_counter()
    while (taken := time.perf_counter() - began) < SECONDS:
        write()
        count += 1
    return count / taken


def _start(
    *, entity: tuple[str, str] = ("", ""), correlation: str = "", parent: str | None = None
) -> tuple[Execution, datetime]:
    now = datetime.now(UTC)
    id = uuid7(now, secrets.randbits(62))
    execution = Execution(
        workspace="default",
        id=id,
        request_id=id,
        request_digest="d" * 64,
        name="Customer Verification",
        template_id="t3",
        version_id="t3v2",
        plan_digest="p",
        status="CREATED",
        phase="WAITING_FOR_INPUT",
        input='{"customerId": "123", "company": "Example"}',
        output=None,
        error=None,
        parent_id=parent,
        root_id=parent or id,
        correlation_id=correlation,
        subject_type="",
        subject_id="",
        entity_type=entity[0],
        entity_id=entity[1],
        last_number=2,
        revision=1,
        create_time=now,
        start_time=None,
        end_time=None,
        update_time=now,
        launch_after=None,
        launch_attempts=0,
        launch_error=None,
        parent_step_id=_STEP if parent else "",
        parent_visit=1 if parent else 0,
        parent_item=secrets.randbelow(10_000) if parent else 0,
        depth=1 if parent else 0,
    )
    if not executions.add(execution, json.dumps({"state": "x" * 400}), 8.0, _writing(execution, now, 1)):
        raise Problem("the execution was not stored")
    return execution, now


def _life() -> None:
    execution, now = _start()
    executions.confirm("default", execution.id, now)
    executions.record(_writing(execution, now, 3, phase="RUNNING"))
    executions.record(_writing(execution, now, 5, phase="NONE", status="COMPLETED"))


def _writing(
    execution: Execution, now: datetime, number: int, *, phase: str = "WAITING_FOR_INPUT", status: str | None = None
) -> Writing:
    """Two entries and two step runs."""
    time = now.isoformat()
    return Writing(
        workspace="default",
        execution_id=execution.id,
        entries=[{"number": number + more, "type": "STEP_STARTED", "data": {}} for more in (0, 1)],
        step_runs=[
            StepRunRow(
                f"step-{number + more}", 1, 1, "RUNNING", None, None, None, None, number + more, time, time, None
            )
            for more in (0, 1)
        ],
        requests=[],
        phase=phase,
        time=now,
        status=status,
    )
