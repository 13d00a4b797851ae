"""What a list of executions is narrowed by, read from a request."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from heddle.v1.execution_pb2 import Execution
from heddle.v1.execution_service_pb2 import ListExecutionsRequest
from service.domain import fields
from service.rpc.messages import entity_of, time_of, value_of
from storage.execution_lists import Wanted


def wanted_of(request: ListExecutionsRequest) -> Wanted:
    """Read what is wanted; raises Invalid for what no execution can have."""
    return Wanted(
        subject=_subject(request) if request.HasField("subject") else None,
        parent_id=request.parent_execution_id,
        root_id=request.root_execution_id,
        correlation_id=fields.text("correlation_id", request.correlation_id, at_most=256),
        entity=entity_of(request.entity) if request.HasField("entity") else None,
        version_id=request.version_id,
        template_id=request.template_id,
        statuses=frozenset(_status(status) for status in request.statuses),
        phase=value_of("phase", Execution.Phase, request.phase),
        created_from=_time(request, "create_time_after"),
        created_before=_time(request, "create_time_before"),
    )


def _subject(request: ListExecutionsRequest) -> tuple[str, str]:
    return (
        fields.text("subject.type", request.subject.type, at_least=1, at_most=64),
        fields.subject_id("subject.id", request.subject.id),
    )


def _time(request: ListExecutionsRequest, field: Literal["create_time_after", "create_time_before"]) -> datetime | None:
    return time_of(field, getattr(request, field)) if request.HasField(field) else None


def _status(number: int) -> str:
    return fields.required("statuses", value_of("statuses", Execution.Status, number))
