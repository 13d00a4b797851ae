"""Orders of four tasks in the dialect `orchestrator`, beside an interpreter of a few lines with the same four tasks."""

from __future__ import annotations

import json

from bench.bare import QUEUE, steps
from bench.definitions import ORDER, TASK, TASK_QUEUE
from bench.ground import define_task
from bench.loads import BareWorkflow, Load, RunExecution, StartExecution
from bench.measuring import Comparison, contest
from bench.stage import Stage

GOAL = 0.8


def measure(stage: Stage) -> list[Comparison]:
    """Run orders from their start to their end."""
    define_task(stage.target, TASK, TASK_QUEUE)
    version = stage.publish(ORDER, dialect="orchestrator")
    order = json.dumps({"orderId": "ORD-1", "totalAmount": 99.99, "currency": "EUR"})
    loads: dict[str, Load] = {
        "heddle": RunExecution(StartExecution(stage.target, version, input_json=order), stage.ground.temporal),
        "bare": BareWorkflow(stage.ground.temporal, QUEUE, "bench.interpreter", steps(4), wait=True),
    }
    turns = [(name, callers) for callers in (1, 8) for name in loads]
    with contest(stage.ground, loads) as runs:
        bursts = runs.run(turns, seconds=0.8, within=40)
    return [
        Comparison("orders of 4 tasks", callers, "rate", bursts["heddle", callers], bursts["bare", callers], goal=GOAL)
        for callers in (1, 8)
    ]
