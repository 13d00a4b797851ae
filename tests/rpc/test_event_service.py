from __future__ import annotations

import json

import pytest
from google.protobuf.duration_pb2 import Duration

from tests.end_to_end.api import refused
from tests.rpc.registry import at_once, reasons

SCHEMA = json.dumps({"type": "object", "required": ["orderId"]})


def publish(api, event_id="1", name="order.paid", **fields):
    return api.call("PublishEvent", event_id=event_id, name=name, **fields)


def ids(events):
    return [event.event_id for event in events]


def test_an_event_is_kept_as_it_was_published(api):
    event = publish(
        api,
        version="2",
        source={"type": "external", "id": "shop", "name": "Shop"},
        payload_json='{"amount": 99.99, "big": 9007199254740993}',
        metadata_json='{"correlationId": "c"}',
    ).event

    assert event == api.call("GetEvent", event_id="1").event
    assert event.payload_json == '{"amount": 99.99, "big": 9007199254740993}'
    assert event.source.id == "shop"
    assert event.expire_time.seconds - event.publish_time.seconds == 7 * 24 * 3600
    assert event.depth == 0


def test_the_same_event_again_gets_the_same_answer(api):
    first = publish(api, payload_json='{"a": 1}', request_id="r")

    assert publish(api, payload_json='{"a": 1}', request_id="r") == first
    assert publish(api, payload_json='{ "a": 1 }') == first


@pytest.mark.parametrize(
    "other", [{"payload_json": '{"a": 2}'}, {"name": "order.lost"}, {"version": "2"}, {"metadata_json": '{"x": 1}'}]
)
def test_another_event_with_the_same_id_is_refused(api, other):
    publish(api, payload_json='{"a": 1}')

    with refused("ALREADY_EXISTS", "EVENT_ID_REUSED"):
        publish(api, **({"payload_json": '{"a": 1}'} | other))


def test_a_request_id_of_another_event_is_refused(api):
    publish(api, request_id="r")

    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        publish(api, "2", request_id="r")


def test_many_that_publish_at_once_publish_one(api):
    outcomes = at_once(
        *[lambda number=number: publish(api, payload_json=f'{{"a": {number % 2}}}') for number in range(8)]
    )

    assert reasons(outcomes) == ["EVENT_ID_REUSED"] * 4
    assert ids(api.call("ListEvents").events) == ["1"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"event_id": ""}, "INVALID_FIELD"),
        ({"event_id": "x" * 129}, "INVALID_FIELD"),
        ({"event_id": "a\nb"}, "INVALID_FIELD"),
        ({"event_id": "workflow/1"}, "INVALID_FIELD"),
        ({"name": ""}, "INVALID_FIELD"),
        ({"name": "order.*"}, "INVALID_FIELD"),
        ({"name": "*"}, "INVALID_FIELD"),
        ({"name": "a.b.c.d.e.f.g.h.i"}, "INVALID_FIELD"),
        ({"name": "workflow.completed"}, "INVALID_FIELD"),
        ({"payload_json": json.dumps({"a": "x" * 2 * 1024 * 1024})}, "INVALID_JSON"),
        ({"payload_json": "[1]"}, "INVALID_JSON"),
        ({"payload_json": "{"}, "INVALID_JSON"),
        ({"metadata_json": json.dumps({"a": "x" * 17_000})}, "INVALID_JSON"),
        ({"time_to_live": Duration(seconds=0)}, "INVALID_FIELD"),
        ({"time_to_live": Duration(seconds=91 * 24 * 3600)}, "INVALID_FIELD"),
        ({"time_to_live": Duration(seconds=-5, nanos=7)}, "INVALID_FIELD"),
        ({"version": "x" * 65}, "INVALID_FIELD"),
        ({"source": {"id": "x" * 257}}, "INVALID_FIELD"),
    ],
    ids=repr,
)
def test_what_is_no_event_is_refused(api, fields, reason):
    with refused("INVALID_ARGUMENT", reason):
        publish(api, **fields)

    assert not api.call("ListEvents").events


def test_a_payload_has_to_match_the_definition_of_its_event(api):
    publish(api, "before")
    api.call("CreateEventDefinition", name="order.paid", payload_schema_json=SCHEMA)

    with refused("INVALID_ARGUMENT", "EVENT_PAYLOAD_INVALID"):
        publish(api, "bad")
    publish(api, "good", payload_json='{"orderId": 1}')
    publish(api, "other", name="order.lost")
    publish(api, "before")  # was published when there was no definition

    assert ids(api.call("ListEvents").events) == ["other", "good", "before"]


def test_events_are_listed_newest_first_and_by_pattern(api):
    for number, name in enumerate(["order.paid", "order.lost", "stock.low", "order.paid"]):
        publish(api, str(number), name)

    first = api.call("ListEvents", page_size=3)
    rest = api.call("ListEvents", page_size=3, page_token=first.next_page_token)

    assert (ids(first.events), ids(rest.events), rest.next_page_token) == (["3", "2", "1"], ["0"], "")
    assert ids(api.call("ListEvents", pattern="order.paid").events) == ["3", "0"]
    assert ids(api.call("ListEvents", pattern="order.*").events) == ["3", "1", "0"]
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        api.call("ListEvents", pattern="order*")


def test_a_consumer_reads_on_where_it_was(api):
    def read(token, **fields):
        answer = api.call("ListEvents", order="ORDER_PUBLISHED", page_size=2, page_token=token, **fields)
        return ids(answer.events), answer.next_page_token

    empty, token = read("")
    seen = []
    for number in range(5):
        publish(api, str(number))
    for _ in range(200):  # another test's open transaction may hold the last ones back for a moment
        page, token = read(token)
        seen += page
        if len(seen) == 5:
            break
    publish(api, "later")
    after = []
    while not after:
        after, token = read(token)

    assert (empty, seen, after) == ([], ["0", "1", "2", "3", "4"], ["later"])
    assert token


def test_a_definition_is_made_read_changed_and_deleted(api):
    made = api.call("CreateEventDefinition", name="order.paid", description="Paid", payload_schema_json=SCHEMA)
    definition = made.event_definition

    assert api.call("GetEventDefinition", event_definition_id=definition.id).event_definition == definition
    assert api.call("GetEventDefinition", name="order.paid").event_definition == definition
    assert list(api.call("ListEventDefinitions").event_definitions) == [definition]
    changed = api.call(
        "UpdateEventDefinition", event_definition_id=definition.id, payload_schema_json=""
    ).event_definition
    assert (changed.description, changed.payload_schema_json) == ("Paid", "")
    with refused("ABORTED", "ETAG_MISMATCH"):
        api.call("DeleteEventDefinition", event_definition_id=definition.id, etag=definition.etag)
    api.call("DeleteEventDefinition", event_definition_id=definition.id, etag=changed.etag)
    with refused("NOT_FOUND", "EVENT_DEFINITION_NOT_FOUND"):
        api.call("GetEventDefinition", name="order.paid")


@pytest.mark.parametrize("schema", ['{"type": "nonsense"}', "[", "7"])
def test_what_is_no_schema_is_refused(api, schema):
    with refused("INVALID_ARGUMENT"):
        api.call("CreateEventDefinition", name="order.paid", payload_schema_json=schema)


def test_a_name_is_defined_once(api):
    api.call("CreateEventDefinition", name="order.paid")

    with refused("ALREADY_EXISTS", "EVENT_DEFINITION_EXISTS"):
        api.call("CreateEventDefinition", name="order.paid")
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        api.call("CreateEventDefinition", name="order.*")


def test_an_unknown_event_has_no_deliveries(api):
    publish(api)

    assert not api.call("ListDeliveries", event_id="1").deliveries
    with refused("NOT_FOUND", "EVENT_NOT_FOUND"):
        api.call("ListDeliveries", event_id="2")
    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
        api.call("ListDeliveries", execution_id="2")
