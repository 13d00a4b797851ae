"""Which execution a request means: by its id, or by what it is about."""

from __future__ import annotations

from typing import Any

from service.domain import fields
from service.domain.errors import NotFound
from service.rpc.call import Call
from storage import executions


def execution_id_of(request: Any, call: Call) -> str:
    """Read which execution is meant; raises NotFound for a subject that never had one."""
    if not request.HasField("subject"):
        return fields.required("execution_id", request.execution_id)
    if request.execution_id:
        raise fields.refuse("subject", request.subject.id, "give either execution_id or subject")
    type, id = subject_of(request)
    found = executions.of_subject(call.workspace, type, id)
    if found is None:
        raise NotFound(
            "EXECUTION_NOT_FOUND",
            f"there is no execution for {type} {fields.shown(id)}",
            subject_type=type,
            subject_id=id,
        )
    return found


def subject_of(request: Any) -> tuple[str, str]:
    """Read a request's subject, empty when it has none."""
    if not request.HasField("subject"):
        return "", ""
    type = fields.text("subject.type", request.subject.type, at_least=1, at_most=64)
    return type, fields.subject_id("subject.id", request.subject.id)
