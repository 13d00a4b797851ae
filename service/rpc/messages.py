"""The registry's records as messages, and the values in messages as the records have them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from google.protobuf.timestamp_pb2 import Timestamp

from heddle.v1.entity_pb2 import Entity
from heddle.v1.finding_pb2 import Finding as FindingMessage
from heddle.v1.link_pb2 import Link as LinkMessage
from heddle.v1.template_pb2 import Template as TemplateMessage
from heddle.v1.version_pb2 import Version as VersionMessage
from service.domain import fields
from service.domain.errors import Finding, Invalid
from service.domain.link import Link
from service.domain.template import Template
from service.domain.version import Version


def template_message(template: Template) -> TemplateMessage:
    """Tell a template."""
    return TemplateMessage(
        id=template.id,
        key=template.key,
        name=template.name,
        description=template.description,
        state=TemplateMessage.State.Value(f"STATE_{template.state}"),
        active_version_id=template.active_version_id,
        etag=template.etag,
        create_time=time_message(template.create_time),
        update_time=time_message(template.update_time),
    )


def version_message(version: Version, findings: Iterable[Finding] = ()) -> VersionMessage:
    """Tell a version."""
    return VersionMessage(
        id=version.id,
        template_id=version.template_id,
        number=version.number,
        label=version.label,
        note=version.note,
        status=VersionMessage.Status.Value(f"STATUS_{version.status}"),
        dialect=version.dialect,
        definition_json=version.definition,
        digest=version.digest,
        plan_digest=version.plan_digest,
        findings=map(finding_message, findings),
        etag=version.etag,
        create_time=time_message(version.create_time),
        update_time=time_message(version.update_time),
        publish_time=time_message(version.publish_time),
        deprecate_time=time_message(version.deprecate_time),
    )


def finding_message(finding: Finding) -> FindingMessage:
    """Tell a finding."""
    return FindingMessage(
        severity=FindingMessage.Severity.Value(f"SEVERITY_{finding.severity}"),
        rule=finding.rule,
        code=finding.code,
        message=finding.message,
        pointer=finding.pointer,
    )


def link_message(link: Link) -> LinkMessage:
    """Tell a link."""
    return LinkMessage(
        id=link.id,
        entity=Entity(type=link.entity_type, id=link.entity_id),
        template_id=link.template_id,
        etag=link.etag,
        create_time=time_message(link.create_time),
        update_time=time_message(link.update_time),
    )


@overload
def time_message(time: datetime) -> Timestamp: ...
@overload
def time_message(time: None) -> None: ...
def time_message(time: datetime | None) -> Timestamp | None:
    """Tell an instant; None is left out."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def time_of(field: str, message: Timestamp) -> datetime:
    """Read an instant; what is finer than records tell it is rounded up."""
    try:
        time = message.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        told = f"{message.seconds} seconds and {message.nanos} nanoseconds since 1970"
        rule = "it must be within the years 1 to 9999, and have 0 to 999,999,999 nanoseconds"
        raise Invalid("INVALID_FIELD", f"{field} is {told}: {rule}", field=field) from error
    return time if message.nanos % 1000 == 0 else min(time, _LAST) + _MICROSECOND


def entity_of(entity: Entity) -> tuple[str, str]:
    """Read the type and the id of an entity."""
    return (
        fields.entity_type("entity.type", entity.type),
        fields.text("entity.id", entity.id, at_least=1, at_most=256),
    )


_MICROSECOND = timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC) - _MICROSECOND


def value_of(field: str, enum: Any, number: int) -> str:
    """Read an enum's value as the records write it: STATUS_DRAFT is "DRAFT", and unspecified is empty."""
    prefix = f"{enum.DESCRIPTOR.name.upper()}_"
    if number == 0:
        return ""
    if number not in enum.DESCRIPTOR.values_by_number:
        known = ", ".join(f"{name} = {value}" for name, value in enum.items() if value)
        raise Invalid("INVALID_FIELD", f"{field} is {number}: it must be one of {known}", field=field)
    return str(enum.Name(number)).removeprefix(prefix)


def target_of(request: Any, oneof: str = "target") -> str:
    """Tell which field of a oneof is set; one must be."""
    name = request.WhichOneof(oneof)
    if name is None:
        choices = " or ".join(field.name for field in request.DESCRIPTOR.oneofs_by_name[oneof].fields)
        raise Invalid("INVALID_FIELD", f"{choices} must be given", field=oneof)
    return str(name)


def given(request: Any, field: str) -> str | None:
    """Read a field that may be left out; None when it is."""
    return str(getattr(request, field)) if request.HasField(field) else None
