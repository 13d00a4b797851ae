"""Running five tasks in a row: Heddle beside an interpreter of a few lines, with the same tasks and worker settings."""

from __future__ import annotations

from bench.bare import QUEUE, steps
from bench.definitions import FIVE_TASKS
from bench.loads import BareWorkflow, Load, RunExecution, StartExecution
from bench.measuring import Comparison, contest
from bench.stage import Stage
from heddle.v1.execution_service_pb2 import StartExecutionRequest

GOAL_RATE, GOAL_P50 = 0.8, 1.5


def measure(stage: Stage) -> list[Comparison]:
    """Run executions from their start to their end."""
    ground = stage.ground
    version = stage.publish(FIVE_TASKS)
    loads: dict[str, Load] = {
        "heddle": RunExecution(StartExecution(stage.target, version), ground.temporal),
        "bare": BareWorkflow(ground.temporal, QUEUE, "bench.interpreter", steps(5), wait=True),
        "waiting": StartExecution(stage.target, version, wait_for=StartExecutionRequest.WAIT_FOR_END),
    }
    turns = [(name, callers) for callers in (1, 8) for name in loads]
    with contest(ground, loads) as runs:
        bursts = runs.run(turns, seconds=0.8, within=45)
    comparisons = []
    for callers in (1, 8):
        heddle, bare = bursts["heddle", callers], bursts["bare", callers]
        comparisons += [
            Comparison("5 tasks, done", callers, "rate", heddle, bare, goal=GOAL_RATE),
            Comparison("5 tasks, p50", callers, "p50", heddle, bare, goal=GOAL_P50),
            Comparison("5 tasks, p50 with WAIT_FOR_END", callers, "p50", bursts["waiting", callers], bare),
        ]
    return comparisons
