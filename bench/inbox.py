"""The inbox among many human tasks: `python -m bench.inbox`.

Of half a million tasks one in five is still to be done. Each is given to one of 10 roles, every third to one of 1,000
people by name, every fourth open one is claimed. For each way to look into the inbox it tells what the first page
costs, and one in the middle.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.filled import filled, seconds, server
from bench.printing import table
from service.embedded.problem import Problem
from storage import database, human_tasks
from storage.database import query
from storage.human_tasks import Wanted

MANY = 500_000
PAGE = 50
ROUNDS = 25

_TASKS = """
INSERT INTO human_tasks (workspace, execution_id, step_id, visit, template_id, version_id, title, assignee, roles,
    groups, priority, status, claimed_by, due_time, position, create_time, update_time, end_time)
SELECT 'default', id, 'approve', 1, template_id, version_id, 'Approve the order',
    CASE WHEN n % 3 = 0 THEN 'person-' || n % 1000 ELSE '' END, ARRAY['role-' || n % 10], '{}',
    (ARRAY['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'])[1 + n % 4],
    CASE WHEN n % 5 > 0 THEN 'COMPLETED' WHEN n % 20 = 0 THEN 'CLAIMED' ELSE 'OPEN' END,
    CASE WHEN n % 20 = 0 THEN 'person-' || n % 997 ELSE '' END, create_time + interval '3 days',
    to_char(create_time, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || ' 0000000003', create_time, create_time,
    CASE WHEN n % 5 > 0 THEN create_time END
FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM executions) AS e;
INSERT INTO human_task_audience
SELECT workspace, kind, name, end_time IS NULL, position, execution_id, step_id, visit FROM human_tasks,
    LATERAL (VALUES ('ROLE', roles[1]), ('ASSIGNEE', assignee), ('CLAIMER', claimed_by)) AS a(kind, name)
WHERE name <> '';
VACUUM ANALYZE human_tasks; VACUUM ANALYZE human_task_audience
"""
_SOON = datetime(2026, 1, 10, tzinfo=UTC) + timedelta(days=3)
CASES: dict[str, Wanted] = {
    "all that is to be done": Wanted(),
    "one person's": Wanted(assignee="person-300", claimed_by="person-300"),
    "a role's": Wanted(roles=("role-5",)),
    "a person's with three roles": Wanted(assignee="person-300", roles=("role-0", "role-5", "role-9")),
    "a role's that is claimed": Wanted(roles=("role-0",), statuses=("CLAIMED",)),
    "a role's, critical": Wanted(roles=("role-5",), priorities=("CRITICAL",)),
    "a role's, due early": Wanted(roles=("role-5",), due_before=_SOON),
    "a template's": Wanted(template_id="t3"),
    "a role's that is done": Wanted(roles=("role-4",), statuses=("COMPLETED",)),
}


def main() -> int:
    """Load, read and print."""
    parser = argparse.ArgumentParser(prog="bench.inbox", description=__doc__)
    parser.add_argument("--tasks", type=int, default=MANY, help=f"how many to load; {MANY:,} when left out")
    many = parser.parse_args().tasks
    try:
        with server() as url:
            database.connect(filled(url, "inbox", many, _TASKS.split(";")))
            print(table(["tasks", "first page", "in the middle", "buffers", "found"], map(_line, CASES)))
    except Problem as problem:
        print(f"bench.inbox: {problem}", file=sys.stderr)
        return 1
    return 0


def _line(name: str) -> list[str]:
    wanted = CASES[name]
    middle = _middle()
    first, deep = (_times(wanted, before) for before in ("", middle))
    found = [len(_page(wanted, before).tasks) for before in ("", middle)]
    buffers = [_buffers(wanted, before) for before in ("", middle)]
    return [
        name,
        f"{median(first) * 1000:.1f} ms",
        f"{median(deep) * 1000:.1f} ms",
        " / ".join(f"{one:,}" for one in buffers),
        " / ".join(map(str, found)),
    ]


def _middle() -> str:
    half = "(SELECT count(*) / 2 FROM human_tasks)"
    rows = query(f"SELECT position, execution_id FROM human_tasks ORDER BY position OFFSET {half} LIMIT 1")
    return f"{rows[0][0]} {rows[0][1]}"


def _page(wanted: Wanted, before: str) -> human_tasks.Found:
    return human_tasks.page("default", wanted, before=before, limit=PAGE + 1)


def _buffers(wanted: Wanted, before: str) -> int:
    sql, values = human_tasks.statement("default", wanted, before=before, limit=PAGE + 1)
    ((plans,),) = query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values)
    return int(plans[0]["Plan"]["Shared Hit Blocks"] + plans[0]["Plan"]["Shared Read Blocks"])


def _times(wanted: Wanted, before: str) -> list[float]:
    return [seconds(lambda: _page(wanted, before)) for _ in range(ROUNDS)]


if __name__ == "__main__":
    sys.exit(main())
