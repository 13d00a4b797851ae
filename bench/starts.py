"""Starting: StartExecution beside `start_workflow` of Temporal's own client."""

from __future__ import annotations

from bench.bare import QUEUE, steps
from bench.definitions import HUMAN, ONE_TASK
from bench.ground import UNATTENDED
from bench.loads import BareWorkflow, Load, StartExecution
from bench.measuring import Comparison, contest
from bench.stage import Stage

GOAL = 0.85


def measure(stage: Stage) -> list[Comparison]:
    """Start with the workers running, which take the work up meanwhile, and on a queue that nobody works on."""
    ground = stage.ground
    unattended = ground.server("second server", stage.database, queue=UNATTENDED)
    human, task = stage.publish(HUMAN), stage.publish(ONE_TASK)
    loads: dict[str, Load] = {
        "human": StartExecution(stage.target, human),
        "bare human": BareWorkflow(ground.temporal, QUEUE, "bench.waiting"),
        "task": StartExecution(stage.target, task),
        "bare task": BareWorkflow(ground.temporal, QUEUE, "bench.interpreter", steps(1)),
        "human, no worker": StartExecution(unattended, human),
        "bare human, no worker": BareWorkflow(ground.temporal, UNATTENDED, "bench.waiting"),
    }
    pairs = [
        *(("human", callers) for callers in (1, 8, 16)),
        ("task", 8),
        *(("human, no worker", callers) for callers in (1, 8)),
    ]
    turns = [turn for name, callers in pairs for turn in ((name, callers), (f"bare {name}", callers))]
    with contest(ground, loads) as starts:
        bursts = starts.run(turns, seconds=0.35, within=80)
    ground.end("second server")
    return [
        Comparison(f"start, {name}", callers, "rate", bursts[name, callers], bursts[f"bare {name}", callers], goal=GOAL)
        for name, callers in pairs
    ]
