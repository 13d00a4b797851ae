"""Statistics among a million executions: `python -m bench.statistics`.

It tells what gathering them costs in the background, what reading them costs, and what share of the time the gathering
takes then. Of the executions of a quarter of a year those of the last 30 days count for durations and failures.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from bench.filled import filled, seconds, server
from bench.million import MANY
from bench.printing import table
from service.embedded.problem import Problem
from storage import database, statistics
from storage.database import query

_ENDED = """
UPDATE executions SET create_time = create_time + shift, end_time = end_time + shift + random() * interval '2 days'
FROM (SELECT now() - max(create_time) AS shift FROM executions) AS age WHERE end_time IS NOT NULL
"""
_FAILED = """
INSERT INTO step_runs (workspace, execution_id, step_id, visit, attempt, status, error, create_number, create_time,
    update_time, end_time)
SELECT workspace, id, 'step' || s, 1, 1, CASE WHEN s = 3 AND hashtext(id) % 20 = 0 THEN 'FAILED' ELSE 'COMPLETED' END,
    '{"code":"TIMEOUT","message":"m"}', s, create_time, create_time, coalesce(end_time, create_time)
FROM executions, generate_series(1, 3) s
"""


def main() -> int:
    """Load, gather, read and print."""
    parser = argparse.ArgumentParser(prog="bench.statistics", description=__doc__)
    parser.add_argument("--executions", type=int, default=MANY, help=f"how many to load; {MANY:,} when left out")
    many = parser.parse_args().executions
    try:
        with server() as url:
            _measure(filled(url, "statistics", many, (_ENDED, _FAILED, "VACUUM ANALYZE")), many)
    except Problem as problem:
        print(f"bench.statistics: {problem}", file=sys.stderr)
        return 1
    return 0


def _measure(url: str, many: int) -> None:
    database.connect(url)
    gathered = [seconds(_gather) for _ in range(5)]
    read = [seconds(lambda: statistics.get("default", "t3")) for _ in range(200)]
    ((rows, failed),) = query("SELECT count(*), sum(number) FILTER (WHERE kind = 'FAILURE') FROM statistics")
    lines = [
        ["executions, step runs", f"{many:,}, {3 * many:,}"],
        ["rows of figures; failures told", f"{rows:,}; {failed:,}"],
        ["first gathering", f"{gathered[0]:.2f} s"],
        ["gathering, median of the others", f"{median(gathered[1:]):.2f} s"],
        ["share of the time, one each minute", f"{median(gathered[1:]) / 60:.1%} of one core"],
        ["reading a template's", f"{median(read) * 1000:.2f} ms"],
    ]
    print(table(["statistics", ""], lines))


def _gather() -> None:
    query("UPDATE statistics_refreshes SET refresh_time = now() - interval '1 day', seconds = 0")
    statistics.refresh(60)


if __name__ == "__main__":
    sys.exit(main())
