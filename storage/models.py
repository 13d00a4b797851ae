"""The tables as Peewee knows them; `migrations/` is what makes them."""

from __future__ import annotations

from peewee import BlobField, BooleanField, CompositeKey, Field, IntegerField, Model, TextField

from storage.database import handle


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


class Request(Row):
    request_id = TextField()
    method = TextField()
    digest = TextField()
    answer = BlobField()
    create_time = TimeField()

    class Meta:
        table_name = "requests"
        primary_key = CompositeKey("workspace", "request_id")
