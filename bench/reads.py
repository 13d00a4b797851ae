"""Reading: GetExecution beside a gRPC server of the same kind that only echoes."""

from __future__ import annotations

from bench.definitions import HUMAN
from bench.loads import GetExecution, StartExecution
from bench.measuring import Comparison, contest
from bench.stage import Stage
from heddle.v1.execution_service_pb2 import StartExecutionResponse

GOAL = 0.4
EXECUTIONS = 100


def measure(stage: Stage) -> list[Comparison]:
    """Read executions that wait for somebody."""
    start = StartExecution(stage.target, stage.publish(HUMAN)).connect()
    executions = [StartExecutionResponse.FromString(start()).execution for _ in range(EXECUTIONS)]
    ids = [execution.id for execution in executions]
    echo = stage.ground.echo(executions[0].ByteSize() - len(ids[0]))
    turns = [(name, callers) for callers in (1, 8, 16) for name in ("heddle", "echo")]
    with contest(stage.ground, {"heddle": GetExecution(stage.target, ids), "echo": GetExecution(echo, ids)}) as reads:
        bursts = reads.run(turns, seconds=0.35, within=30)
    stage.ground.end("echo server")
    return [
        Comparison("GetExecution", callers, "rate", bursts["heddle", callers], bursts["echo", callers], goal=GOAL)
        for callers in (1, 8, 16)
    ]
