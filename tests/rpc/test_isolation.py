"""A workspace sees nothing of another: an id of another workspace is answered byte for byte as one that is missing."""

from __future__ import annotations

import secrets
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from tests.end_to_end.api import Api, entity, refused
from tests.rpc.registry import VALID, a_draft, a_published, a_template, an_active, an_execution

SERVICES = ("template", "version", "link", "event_definition", "trigger", "task_definition")
ID_FIELDS = (
    "template_id",
    "version_id",
    "link_id",
    "starter_version_id",
    "template_key",
    "event_definition_id",
    "trigger_id",
    "task_definition_id",
    "task_definition_key",
)


def requests() -> list[tuple[str, str]]:
    """Every rpc of the registry with every field that names a thing."""
    return [
        (method.name, field.name)
        for service in SERVICES
        for descriptor in import_module(f"heddle.v1.{service}_service_pb2").DESCRIPTOR.services_by_name.values()
        for method in descriptor.methods
        for field in method.input_type.fields
        if field.name in ID_FIELDS
    ]


FILLED = {
    "CreateVersion": {"label": "9", "definition_json": VALID},
    "CreateLink": {"entity": entity("PRODUCT", "new")},
    "CreateTrigger": {"action": "ACTION_START", "pattern": "a.b"},
}
"""What else a request needs to be right."""


@pytest.fixture
def things(api) -> dict[str, str]:
    """One of each thing in the workspace `api`, by the field that names it."""
    template = a_template(api, key="secret-key")
    version = an_active(api, template)
    link = api.call("CreateLink", entity=entity("PRODUCT", "secret"), template_id=template.id).link
    defined = api.call("CreateTaskDefinition", key="secret", type="TYPE_AUTOMATED").task_definition
    return {
        "task_definition_id": defined.id,
        "task_definition_key": "secret",
        "template_id": template.id,
        "template_key": "secret-key",
        "version_id": version.id,
        "starter_version_id": version.id,
        "link_id": link.id,
        "trigger_id": api.call(
            "CreateTrigger", template_id=template.id, action="ACTION_START", pattern="a.b"
        ).trigger.id,
        "event_definition_id": api.call("CreateEventDefinition", name="secret.event").event_definition.id,
    }


@pytest.fixture
def own(other) -> dict[str, str]:
    """The things of the workspace that asks, for the fields that are not under test."""
    template = a_template(other)
    defined = other.call("CreateTaskDefinition", key="own", type="TYPE_AUTOMATED").task_definition
    return {
        "task_definition_id": defined.id,
        "template_id": template.id,
        "version_id": a_draft(other, template).id,
        "link_id": other.call("CreateLink", entity=entity("PRODUCT", "own"), template_id=template.id).link.id,
    }


def answer(caller: Api, method: str, fields: dict[str, Any], secret: str) -> tuple[Any, ...]:
    """Everything that a caller gets to see, with the id that was asked for taken out."""
    try:
        shown = (
            caller.call(method, request_id="same", **fields)
            if _changes(caller, method)
            else caller.call(method, **fields)
        )
    except grpc.RpcError as error:
        trailers = [(key, value) for key, value in error.trailing_metadata() if key.startswith("grpc-")]
        shown = (error.code(), error.details(), trailers, error.initial_metadata())
    text = shown.SerializeToString() if isinstance(shown, Message) else repr(shown)
    return (type(shown), repr(text).replace(secret, "<id>"))


def _changes(caller: Api, method: str) -> bool:
    return "request_id" in caller._methods[method][1].DESCRIPTOR.fields_by_name


@pytest.mark.parametrize(("method", "field"), requests())
def test_a_foreign_id_is_answered_as_a_missing_one(other, things, own, method, field):
    request = caller_fields(other, method, own) | FILLED.get(method, {})
    if field == "starter_version_id":
        request.pop("definition_json")
    missing = f"{secrets.token_hex(4)}{things[field][8:]}"[: len(things[field])]

    foreign_answer = answer(other, method, request | {field: things[field]}, things[field])
    missing_answer = answer(other, method, request | {field: missing}, missing)

    assert foreign_answer == missing_answer


def caller_fields(caller: Api, method: str, own: dict[str, str]) -> dict[str, str]:
    """Own ids for the fields that stand beside the one under test; of a oneof only one may be set."""
    fields = caller._methods[method][1].DESCRIPTOR.fields
    return {field.name: own[field.name] for field in fields if field.name in own and not field.containing_oneof}


@pytest.mark.parametrize("method", ["GetLink", "ResolveLink"])
def test_a_foreign_entity_is_not_linked(other, things, method):
    with refused("NOT_FOUND", "LINK_NOT_FOUND"):
        other.call(method, entity=entity("PRODUCT", "secret"))


def test_lists_show_nothing_of_another_workspace(other, things):
    assert not other.call("ListTemplates").templates
    assert not other.call("ListLinks").links
    assert not other.call("ListTaskDefinitions").task_definitions
    assert not other.call("ListLinks", template_id=things["template_id"]).links


def test_names_taken_in_another_workspace_are_free(api, other, things):
    template = a_template(other, key="secret-key")

    other.call("CreateLink", entity=entity("PRODUCT", "secret"), template_id=template.id)


def test_a_page_token_of_another_workspace_is_refused(api, other):
    for name in "abc":
        a_template(api, name)
        a_template(other, name)
    token = api.call("ListTemplates", page_size=1).next_page_token

    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        other.call("ListTemplates", page_size=1, page_token=token)


def test_an_execution_does_not_keep_another_workspaces_template(api, other):
    an_execution(api, a_published(api, a_template(api)))
    template = a_template(other)

    other.call("DeleteTemplate", template_id=template.id)


@pytest.mark.parametrize("workspace", ["Acme Corp", "", "-a", "x" * 64, "a_b"])
def test_a_bad_workspace_is_refused(channel, workspace):
    with refused("INVALID_ARGUMENT", "WORKSPACE_INVALID"):
        Api(channel, workspace).call("ListTemplates")


def test_a_call_without_a_workspace_is_of_the_default_one(channel):
    from heddle.v1.template_service_pb2 import CreateTemplateRequest, GetTemplateRequest
    from heddle.v1.template_service_pb2_grpc import TemplateServiceStub

    stub = TemplateServiceStub(channel)
    name = f"T{secrets.token_hex(6)}"
    template = stub.CreateTemplate(CreateTemplateRequest(request_id=name, name=name)).template

    assert Api(channel, "default").call("GetTemplate", template_id=template.id).template == template
    assert stub.GetTemplate(GetTemplateRequest(template_id=template.id)).template == template
