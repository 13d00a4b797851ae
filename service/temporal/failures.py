"""The errors of task attempts, in the engine's words: {code, message, category, retriable, details?}.

A worker raises an application failure: its type is the code; its one detail, when that is an object, may name the
`category` and say whether it is `retriable`, and what else stands in it is the details.
"""

from __future__ import annotations

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, FailureError, TimeoutError

from service.definition.plan import Json
from service.engine.commands import RunTask
from service.engine.run import unstorable
from service.engine.state import json_size

MAX_MESSAGE = 4_000
"""Characters of a worker's message that are kept."""

MAX_CODE = 200
"""Characters of the type of a worker's error that are kept."""

MAX_DETAILS = 16 * 1024
"""Bytes of JSON that a worker's error may say beside its message."""

CATEGORIES = ("TRANSIENT", "PERMANENT", "BUSINESS", "SYSTEM", "TIMEOUT", "VALIDATION", "SECURITY", "UNKNOWN")
"""The families of errors that tasks have."""

LASTING = frozenset({"PERMANENT", "BUSINESS", "VALIDATION", "SECURITY"})
"""Categories of errors that trying again does not help, unless the worker says that it does."""


def as_error(error: BaseException, command: RunTask) -> dict[str, Json]:
    """Say how an attempt of a task ended."""
    cause = error.cause if isinstance(error, ActivityError) else error
    match cause:
        case ApplicationError():
            return _raised(cause)
        case TimeoutError():
            message = f"task {command.task} did not finish within {command.timeout:g} s ({cause.type})"
            if cause.type and cause.type.name == "HEARTBEAT":
                message = f"task {command.task} was not heard of for {command.heartbeat:g} s"
            return _error("TIMEOUT", message, "TIMEOUT", retriable=True)
        case CancelledError():
            return _error("TASK_CANCELLED", f"the worker cancelled task {command.task}", "UNKNOWN", retriable=False)
        case FailureError():
            return _error("TASK_FAILED", str(cause), "SYSTEM", retriable=True)
        case _:
            message = f"the result of task {command.task} is not JSON: {cause}"
            return _error("RESULT_UNREADABLE", message, "PERMANENT", retriable=False)


def _raised(cause: ApplicationError) -> dict[str, Json]:
    details = _details(cause)
    said = details if isinstance(details, dict) else {}
    category = said.get("category") if said.get("category") in CATEGORIES else None
    retriable = category not in LASTING
    if category is not None:
        details = {name: value for name, value in said.items() if name not in ("category", "retriable")} or None
        retriable = said["retriable"] if isinstance(said.get("retriable"), bool) else retriable
    if cause.non_retryable:
        retriable = False
    category = category or ("PERMANENT" if cause.non_retryable else "UNKNOWN")
    return _error(cause.type or "TASK_FAILED", cause.message, category, retriable=retriable, details=details)


def _error(code: str, message: str, category: str, *, retriable: bool, details: Json = None) -> dict[str, Json]:
    error: dict[str, Json] = {
        "code": code[:MAX_CODE].replace("\0", ""),
        "message": message[:MAX_MESSAGE].replace("\0", ""),
        "category": category,
        "retriable": retriable,
    }
    if details is not None:
        error["details"] = details
    return error


def _details(cause: ApplicationError) -> Json:
    """What was said beside the message, as far as it can be kept."""
    details = cause.details[0] if len(cause.details) == 1 else (list(cause.details) or None)
    if details is None:
        return None
    if unstorable(details):
        return {"omitted": "the details are not JSON that can be kept"}
    if (size := json_size(details)) > MAX_DETAILS:
        return {"omitted": f"the details have {size:,} bytes of JSON, the limit is {MAX_DETAILS:,}"}
    return details
