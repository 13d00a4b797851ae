"""A step that a worker outside performs, attempt after attempt as its retry policy says."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from service.definition.expressions import ExpressionError
from service.definition.plan import Step
from service.definition.schemas import violations
from service.engine.attempts import may_retry, pause
from service.engine.commands import RunTask, SetTimer
from service.engine.observations import TaskCompleted, TaskFailed, TimerFired
from service.engine.run import Run, Visit, describe
from service.engine.state import OpenRun
from service.engine.steps.kind import Kind


def _open(run: Run, visit: Visit) -> None:
    template = visit.step.settings.get("input")
    try:
        input = run.state.input if template is None else run.render(template)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"input of task {visit.step.id}"))
        return
    if problem := run.too_large(visit.step.id, input):
        run.fail(visit, "INPUT_TOO_LARGE", problem)
        return
    run.wait(visit, "RUNNING", input=input)


def _command(step: Step, run: OpenRun) -> RunTask | SetTimer:
    """Ask for the attempt under way, or for the instant at which the next one begins."""
    if run.due:
        return SetTimer(run.key, datetime.fromisoformat(run.due))
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


def _complete(run: Run, visit: Visit, completed: TaskCompleted) -> None:
    if completed.attempt != visit.attempt:
        return
    result = completed.result
    outcome = result.get("outcome") if isinstance(result, dict) else None
    schema = visit.step.output_schema
    if schema is not None and (found := violations(schema, result)):
        message = f"the output of task {visit.step.id} does not match its schema: {found[0].message}"
        run.fail(visit, "OUTPUT_INVALID", message, pointer=found[0].pointer)
        return
    run.complete(visit, result, outcome=outcome if isinstance(outcome, str) else "")


def _fail(run: Run, visit: Visit, failed: TaskFailed) -> None:
    if failed.attempt != visit.attempt:
        return
    error = failed.error
    policy = visit.step.settings["retry"]
    if not may_retry(policy, failed.attempt, error):
        run.fail(visit, **error)
        return
    due = run.now + timedelta(seconds=pause(policy, failed.attempt))
    run.note("ATTEMPT_FAILED", visit, error=error, due=due.isoformat())


def _try_again(run: Run, visit: Visit, fired: TimerFired) -> None:
    run.note("ATTEMPT_STARTED", replace(visit, attempt=visit.attempt + 1))


TASK = Kind(enter=_open, command=_command, hears={TaskCompleted: _complete, TaskFailed: _fail, TimerFired: _try_again})
