"""The errors of task attempts, in the engine's words: {code, message, category, retriable, details}."""

from __future__ import annotations

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError, TimeoutError

from service.definition.plan import Json
from service.engine.commands import RunTask

MAX_MESSAGE = 4_000
"""Characters of a worker's message that are kept."""


def as_error(error: BaseException, command: RunTask) -> dict[str, Json]:
    """Say how an attempt of a task ended: the type of a worker's error is its code."""
    cause = error.cause if isinstance(error, ActivityError) else error
    match cause:
        case ApplicationError():
            return _error(cause.type or "TASK_FAILED", cause.message, "", not cause.non_retryable, _details(cause))
        case TimeoutError():
            message = f"task {command.task} did not finish within {command.timeout:g} s ({cause.type})"
            if cause.type and cause.type.name == "HEARTBEAT":
                message = f"task {command.task} was not heard of for {command.heartbeat:g} s"
            return _error("TIMEOUT", message, "TIMEOUT", True)
        case CancelledError():
            return _error("TASK_CANCELLED", f"the worker cancelled task {command.task}", "", False)
        case FailureError():
            return _error("TASK_FAILED", str(cause), "", True)
        case _:
            return _error("RESULT_UNREADABLE", f"the result of task {command.task} is not JSON: {cause}", "", False)


def _error(code: str, message: str, category: str, retriable: bool, details: Json = None) -> dict[str, Json]:
    error: dict[str, Json] = {"code": code, "message": message[:MAX_MESSAGE], "retriable": retriable}
    if category:
        error["category"] = category
    if details is not None:
        error["details"] = details
    return error


def _details(cause: ApplicationError) -> Json:
    return cause.details[0] if len(cause.details) == 1 else (list(cause.details) or None)
