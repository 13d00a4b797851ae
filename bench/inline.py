"""Executions that need nobody: beside an empty workflow, and beside one row inserted into a table."""

from __future__ import annotations

import psycopg2

from bench.bare import QUEUE
from bench.definitions import INLINE
from bench.loads import BareWorkflow, Insert, Load, StartExecution
from bench.measuring import Comparison, contest
from bench.stage import Stage

GOAL_WORKFLOW, GOAL_INSERT = 3.0, 0.15


def measure(stage: Stage) -> list[Comparison]:
    """Run executions of five inline steps, which have ended when StartExecution answers."""
    ground = stage.ground
    loads: dict[str, Load] = {
        "heddle": StartExecution(stage.target, stage.publish(INLINE)),
        "workflow": BareWorkflow(ground.temporal, QUEUE, "bench.empty", wait=True),
        "insert": Insert(_small_table(stage.database)),
    }
    turns = [(name, callers) for callers in (1, 8) for name in loads]
    with contest(ground, loads) as runs:
        bursts = runs.run(turns, seconds=0.35, within=35)
    comparisons = []
    for callers in (1, 8):
        heddle = bursts["heddle", callers]
        comparisons += [
            Comparison(
                "5 inline steps / workflow", callers, "rate", heddle, bursts["workflow", callers], goal=GOAL_WORKFLOW
            ),
            Comparison("5 inline steps / INSERT", callers, "rate", heddle, bursts["insert", callers], goal=GOAL_INSERT),
        ]
    return comparisons


def _small_table(database: str) -> str:
    connection = psycopg2.connect(database)
    connection.autocommit = True
    connection.cursor().execute("CREATE TABLE small (id text PRIMARY KEY, body text NOT NULL)")
    connection.close()
    return database
