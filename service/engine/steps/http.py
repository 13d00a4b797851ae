"""A step that sends an HTTP request, by Heddle's own worker, attempt after attempt as a task.

A step as written is given its request. One that was compiled from a task definition is given the input of the task,
and its request is made of that alone, so it is the same for every attempt.
"""

from __future__ import annotations

from datetime import UTC, datetime

from service.definition import http_requests
from service.definition.expressions import ExpressionError, render
from service.definition.plan import Json, Step
from service.definition.task_definitions import INPUT
from service.engine.commands import OWN_QUEUE, RunTask, SetTimer
from service.engine.run import Run, Visit, describe, unstorable
from service.engine.state import OpenRun
from service.engine.steps import contracts
from service.engine.steps.kind import Kind, when_due
from service.engine.steps.task import HEARS

ACTIVITY = "heddle.http"
"""The activity of Heddle's worker that sends a request."""

GRACE = 5.0
"""Seconds that an attempt may take beyond its time limit: the worker keeps the limit; this is for one that dies."""


_WITH_BODY = ("POST", "PUT", "PATCH")
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)  # a task definition's expressions cannot ask for the time


def _open(run: Run, visit: Visit) -> None:
    step = visit.step
    is_defined = "definition" in step.settings
    given = contracts.given(run, visit) if is_defined else None
    if is_defined and given is None:
        return
    try:
        request = run.render(step.settings["request"]) if given is None else _made(step, given.input)
    except ExpressionError as error:
        run.fail(visit, "EXPRESSION_FAILED", describe(error, f"request of step {step.id}"))
        return
    if problem := _problem(run, step, request):
        run.fail(visit, "HTTP_REQUEST_INVALID", problem, category="VALIDATION", retriable=False)
        return
    run.wait(visit, "RUNNING", input=request if given is None else given.input)


def _made(step: Step, input: Json) -> dict[str, Json]:
    """Make the request of a step that was compiled from a task definition."""
    template = step.settings["request"]
    request: dict[str, Json] = render(template, {INPUT: input}, _NO_TIME)
    if "body" not in template and request.get("method") in _WITH_BODY:
        request["body"] = input
    return request


def _problem(run: Run, step: Step, request: Json) -> str:
    """Say why a request cannot be sent, or nothing."""
    if problem := unstorable(request) or run.too_large(step.id, request):
        return f"request of step {step.id}: {problem}"
    for pointer, problem in http_requests.problems(request, is_filled=True):
        return f"request of step {step.id}: {pointer}: {problem}"
    return ""


def _command(step: Step, run: OpenRun) -> RunTask | SetTimer:
    """Ask for the attempt under way, or for the instant at which the next one begins."""
    if (timer := when_due(step, run)) is not None:
        return timer
    settings = step.settings
    request = _made(step, run.input) if "definition" in settings else run.input
    return RunTask(
        key=run.key,
        attempt=run.attempt,
        task=ACTIVITY,
        task_queue=OWN_QUEUE,
        input={"request": request, "output": settings["output"], "timeout": settings["timeout"]},
        timeout=settings["timeout"] + GRACE,
    )


HTTP = Kind(enter=_open, command=_command, hears=HEARS)
