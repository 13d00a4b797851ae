"""A step that a worker outside performs, attempt after attempt as its retry policy says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from service.definition.plan import Step
from service.engine import ways
from service.engine.attempts import is_meant, may_retry, pause
from service.engine.commands import RunTask, SetTimer
from service.engine.observations import TaskCompleted, TaskFailed, TimerFired
from service.engine.run import Run, Visit
from service.engine.state import OpenRun
from service.engine.steps import contracts
from service.engine.steps.kind import Kind, when_due


def _open(run: Run, visit: Visit) -> None:
    if (given := contracts.given(run, visit)) is not None:
        run.wait(visit, "RUNNING", input=given.input)


def _command(step: Step, run: OpenRun) -> RunTask | SetTimer:
    """Ask for the attempt under way, or for the instant at which the next one begins."""
    if (timer := when_due(step, run)) is not None:
        return timer
    settings = step.settings
    return RunTask(
        key=run.key,
        attempt=run.attempt,
        task=settings["task"],
        task_queue=settings["taskQueue"],
        input=run.input,
        timeout=settings["timeout"],
        heartbeat=settings.get("heartbeat"),
    )


def _is_under_way(run: Run, visit: Visit, attempt: int) -> bool:
    """Tell whether it is the attempt whose end is awaited, and not one of which is known that it failed."""
    return attempt == visit.attempt and run.state.open[visit.key].due is None


def _complete(run: Run, visit: Visit, completed: TaskCompleted) -> None:
    if not _is_under_way(run, visit, completed.attempt):
        return
    result = completed.result
    outcome = result.get("outcome") if isinstance(result, dict) else None
    if not contracts.is_refused(run, visit, result):
        run.complete(visit, result, outcome=outcome if isinstance(outcome, str) else "")


def _fail(run: Run, visit: Visit, failed: TaskFailed) -> None:
    if not _is_under_way(run, visit, failed.attempt):
        return
    error = failed.error
    policy = visit.step.settings["retry"]
    if ways.by_name(run.plan, visit.step.id, error) and not is_meant(policy, error):
        run.fail(visit, **error)
        return
    if not may_retry(policy, failed.attempt, error):
        run.fail(visit, **error)
        return
    due = run.now + timedelta(seconds=pause(policy, failed.attempt))
    run.note("ATTEMPT_FAILED", visit, error=error, due=due.isoformat())


def _try_again(run: Run, visit: Visit, fired: TimerFired) -> None:
    if run.state.open[visit.key].due is None:
        return  # it has been tried again already
    run.note("ATTEMPT_STARTED", replace(visit, attempt=visit.attempt + 1))


HEARS: Mapping[type, Callable[[Run, Visit, Any], None]] = {
    TaskCompleted: _complete,
    TaskFailed: _fail,
    TimerFired: _try_again,
}
"""What becomes of the attempts of a task, whoever makes them."""

TASK = Kind(enter=_open, command=_command, hears=HEARS)
