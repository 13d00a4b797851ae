"""Running one attempt of a task as an activity, on the queue of whoever performs it."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from service.engine.commands import RunTask
from service.engine.observations import TaskCompleted, TaskFailed
from service.temporal.failures import as_error
from service.temporal.orders import Order, fetch_queue


async def run_task(order: Order, command: RunTask, activity_id: str) -> TaskCompleted | TaskFailed:
    """Run it, and tell how it ended."""
    step_id, _, visit = command.key.rpartition("/")
    try:
        result = await workflow.execute_activity(
            command.task,
            {
                "input": command.input,
                "execution": {"id": order.execution_id, "workspace": order.workspace},
                "step": {"id": step_id, "visit": int(visit), "attempt": command.attempt},
                "idempotencyKey": f"{order.execution_id}/{command.key}",
            },
            task_queue=command.task_queue or fetch_queue(workflow.info().task_queue),
            start_to_close_timeout=timedelta(seconds=command.timeout),
            heartbeat_timeout=timedelta(seconds=command.heartbeat) if command.heartbeat else None,
            retry_policy=RetryPolicy(maximum_attempts=1),
            activity_id=activity_id,
        )
    except Exception as error:  # also a result that cannot be read: no error of a task may stop the workflow
        return TaskFailed(command.key, command.attempt, as_error(error, command))
    return TaskCompleted(command.key, command.attempt, result)
