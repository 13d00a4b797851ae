"""The wall between workspaces: what another workspace has cannot be told from what nobody has."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import grpc
import pytest

from tests.end_to_end.api import SERVICES, Api
from tests.end_to_end.world import REQUESTS, World, build, everything, method_of, outline, send

MISSING = "0197c5a0-0000-7000-8000-000000000000"
ABROAD, NOWHERE = "abroad", "nobody"  # keys and entity ids of the same length


@dataclass(frozen=True)
class Pair:
    """Two workspaces with the same keys, entities and request ids, and the callers in them."""

    here: Api
    ours: World
    there: Api
    theirs: World


@pytest.fixture(scope="module")
def pair(heddle) -> Pair:
    here, there = (Api(heddle.channel, f"{name}-{secrets.token_hex(6)}") for name in ("here", "there"))
    ours, theirs = build(here), build(there)
    template = there.call("CreateTemplate", name="Abroad", key=ABROAD).template.id
    there.call("CreateLink", entity={"type": "PRODUCT", "id": ABROAD}, template_id=template)
    return Pair(here, ours, there, theirs)


def fields_of(request: str) -> dict[str, Any]:
    return dict(INPUTS[method_of(request)].fields_by_name)


INPUTS = {
    method.name: method.input_type
    for name, module in SERVICES.items()
    for method in import_module(f"heddle.v1.{module}_pb2").DESCRIPTOR.services_by_name[f"{name}Service"].methods
}
KINDS = {
    "template_id": "template",
    "version_id": "version",
    "starter_version_id": "version",
    "link_id": "link",
    "execution_id": "execution",
    "event_id": "event",
    "event_definition_id": "event_definition",
    "trigger_id": "trigger",
    "task_definition_id": "task_definition",
    "parent_execution_id": "execution",
    "root_execution_id": "execution",
}
NO_IDS = {"request_id", "correlation_id", "step_id"}
PLACES = [
    (request, name)
    for request, given in REQUESTS.items()
    for name, field in fields_of(request).items()
    # Of several ways to name a thing, the one that the request has.
    if (name.endswith("_id") or name in ("template_key", "entity"))
    and name not in NO_IDS
    and (field.containing_oneof is None or name in given)
]


def test_every_way_to_name_a_thing_is_tried():
    tried = {(method_of(request), name) for request, name in PLACES}
    there_are = {
        (method, name)
        for method, input in INPUTS.items()
        for name in input.fields_by_name
        if (name.endswith("_id") or name in ("template_key", "entity")) and name not in NO_IDS
    }

    assert tried == there_are


OWN = {("CreateLink", "entity"), ("ListTriggerRecords", "entity"), ("PublishEvent", "event_id")}
"""Where an entity or an event is the caller's own, whether anybody else has it or not."""


@pytest.mark.parametrize(("request_", "field"), [place for place in PLACES if place not in OWN])
def test_what_is_theirs_is_answered_as_what_is_nobodys(pair, request_, field):
    foreign, missing = named(field, pair.theirs)
    stored = outline(pair.there)

    answers = [outcome(pair, request_, {field: value}) for value in (foreign, missing)]

    assert answers[0].replace(text_of(foreign), text_of(missing)) == answers[1]
    assert outline(pair.there) == stored


def named(field: str, theirs: World) -> tuple[Any, Any]:
    """Something that the other workspace has, and something like it that nobody has."""
    if field == "entity":
        return {"type": "PRODUCT", "id": ABROAD}, {"type": "PRODUCT", "id": NOWHERE}
    if field == "template_key":
        return ABROAD, NOWHERE
    if field in ("step_run_id", "human_task_id"):
        return f"{theirs['execution']}/a/1", f"{MISSING}/a/1"
    return theirs[KINDS[field]], MISSING


def text_of(value: Any) -> bytes:
    """The part of a name that goes into an answer; it is as long for what is missing."""
    return (value["id"] if isinstance(value, dict) else value.partition("/")[0]).encode()


def outcome(pair: Pair, request: str, changes: dict[str, Any]) -> bytes:
    """All that a caller gets: the answer, or status, message and details."""
    try:
        return send(pair.here, request, pair.ours, **changes).SerializeToString(deterministic=True)
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        return b"\n".join([error.code().name.encode(), error.details().encode(), details])


@pytest.mark.parametrize("request_", [name for name in REQUESTS if "page_token" in fields_of(name)])
def test_lists_have_nothing_of_theirs(pair, request_):
    answer = send(pair.here, request_, pair.ours).SerializeToString()

    assert answer
    assert not [name for name, id in pair.theirs.items() if id.encode() in answer]


def test_keys_entities_and_request_ids_are_each_workspaces_own(pair):
    assert not set(pair.ours.values()) & set(pair.theirs.values())
    for api, world in ((pair.here, pair.ours), (pair.there, pair.theirs)):
        assert api.call("GetTemplate", template_key="world").template.id == world["template"]
        assert api.call("GetLink", entity={"type": "PRODUCT", "id": "world"}).link.id == world["link"]


def test_what_came_of_their_starts_is_theirs(pair):
    there = {"type": "PRODUCT", "id": "started-there"}
    with pytest.raises(grpc.RpcError):
        pair.there.call("StartExecution", entity=there)

    assert pair.there.call("ListTriggerRecords", entity=there).trigger_records
    assert not pair.here.call("ListTriggerRecords", entity=there).trigger_records


def test_what_is_theirs_cannot_be_seen_to_grow(pair):
    before = everything(pair.here)

    pair.there.complete(pair.theirs["execution"], "a", {"ok": True})

    assert everything(pair.here) == before
