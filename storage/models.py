"""The tables as Peewee knows them; `migrations/` is what makes them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from peewee import BlobField, BooleanField, CompositeKey, Field, IntegerField, Model, ModelSelect, TextField

from storage.database import handle

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class TimeField(Field):
    """An instant; the driver gives it as a datetime in UTC."""

    field_type = "TIMESTAMPTZ"


class Row(Model):
    """What all tables share: the wall between workspaces."""

    workspace = TextField()

    class Meta:
        database = handle
        legacy_table_names = False


class Template(Row):
    id = TextField()
    key = TextField()
    name = TextField()
    description = TextField()
    active_version_id = TextField(null=True)
    archived = BooleanField()
    last_number = IntegerField()
    revision = IntegerField()
    create_time = TimeField()
    update_time = TimeField()

    class Meta:
        table_name = "templates"
        primary_key = CompositeKey("workspace", "id")


class Plan(Row):
    digest = TextField()
    body = TextField()

    class Meta:
        table_name = "plans"
        primary_key = CompositeKey("workspace", "digest")


class Version(Row):
    id = TextField()
    template_id = TextField()
    number = IntegerField()
    label = TextField()
    note = TextField()
    status = TextField()
    dialect = TextField()
    definition = TextField()
    digest = TextField()
    plan_digest = TextField(null=True)
    revision = IntegerField()
    create_time = TimeField()
    update_time = TimeField()
    publish_time = TimeField(null=True)
    deprecate_time = TimeField(null=True)

    class Meta:
        table_name = "versions"
        primary_key = CompositeKey("workspace", "id")


class Link(Row):
    id = TextField()
    entity_type = TextField()
    entity_id = TextField()
    template_id = TextField()
    revision = IntegerField()
    create_time = TimeField()
    update_time = TimeField()

    class Meta:
        table_name = "links"
        primary_key = CompositeKey("workspace", "id")


class Catalogue(Row):
    types = TextField()
    revision = IntegerField()
    create_time = TimeField()
    update_time = TimeField()

    class Meta:
        table_name = "catalogues"
        primary_key = CompositeKey("workspace")


class EventDefinition(Row):
    id = TextField()
    name = TextField()
    description = TextField()
    payload_schema = TextField()
    revision = IntegerField()
    create_time = TimeField()
    update_time = TimeField()

    class Meta:
        table_name = "event_definitions"
        primary_key = CompositeKey("workspace", "id")


class Trigger(Row):
    id = TextField()
    template_id = TextField()
    version_id = TextField(null=True)
    name = TextField()
    description = TextField()
    action = TextField()
    pattern = TextField()
    condition = TextField()
    language = TextField()
    input_mapping = TextField()
    correlation_key = TextField()
    priority = IntegerField()
    enabled = BooleanField()
    reason = TextField()
    compensate = BooleanField()
    revision = IntegerField()
    create_time = TimeField()
    update_time = TimeField()

    class Meta:
        table_name = "triggers"
        primary_key = CompositeKey("workspace", "id")


class Request(Row):
    request_id = TextField()
    method = TextField()
    digest = TextField()
    answer = BlobField()
    create_time = TimeField()

    class Meta:
        table_name = "requests"
        primary_key = CompositeKey("workspace", "request_id")


def locking(select: ModelSelect[Any], *, of: type[Row] | None = None) -> ModelSelect[Any]:
    """Let a query lock what it finds against changes, but not against rows that come to refer to it."""
    return select.for_update("FOR NO KEY UPDATE", of=of)  # type: ignore[arg-type] # the stubs know of a flag only


def columns(model: type[Row], record: type[DataclassInstance]) -> list[Field]:
    """The columns that make a record, in the order of its fields, which have the same names."""
    return [getattr(model, field.name) for field in fields(record)]


def values(record: DataclassInstance) -> dict[str, Any]:
    """The fields of a record by name."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
