from __future__ import annotations

import json

import pytest

from heddle.v1 import execution_pb2, step_run_pb2
from service.rpc.execution_messages import newest_fitting, portions
from tests.end_to_end.api import entity, refused
from tests.rpc.registry import a_draft, a_template


@pytest.fixture
def names(api):
    names = [f"t{number}" for number in range(7)]
    for name in names:
        a_template(api, name)
    return names[::-1]


def pages(api, **fields):
    token = ""
    while True:
        answer = api.call("ListTemplates", page_token=token, **fields)
        yield [template.name for template in answer.templates]
        token = answer.next_page_token
        if not token:
            return


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 200, 5000])
def test_pages_together_have_everything_once_newest_first(api, names, size):
    found = list(pages(api, page_size=size))

    assert [name for page in found for name in page] == names
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)


def test_a_page_size_left_out_means_fifty(api):
    for number in range(51):
        a_template(api, f"t{number}")

    assert [len(page) for page in pages(api)] == [50, 1]


def test_what_is_created_meanwhile_does_not_move_the_pages(api, names):
    first = api.call("ListTemplates", page_size=4)
    a_template(api, "newer")
    second = api.call("ListTemplates", page_size=4, page_token=first.next_page_token)

    assert [template.name for template in [*first.templates, *second.templates]] == names


def test_the_size_may_change_from_page_to_page(api, names):
    token = api.call("ListTemplates", page_size=2).next_page_token

    assert [t.name for t in api.call("ListTemplates", page_size=5, page_token=token).templates] == names[2:]


def test_a_negative_page_size_is_refused(api):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("ListTemplates", page_size=-1)

    assert refusals[0].fields == ["page_size"]


@pytest.mark.parametrize("token", ["x", "nonsense", "AAAA", "!!!!", "A" * 2000, "\0", "é"])
def test_a_made_up_token_is_refused(api, names, token):
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID") as refusals:
        api.call("ListTemplates", page_token=token)

    assert refusals[0].fields == ["page_token"]


def test_a_token_belongs_to_its_list(api, names):
    token = api.call("ListTemplates", page_size=2).next_page_token

    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        api.call("ListTemplates", page_size=2, page_token=token, state=1)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        api.call("ListLinks", page_size=2, page_token=token)
    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        api.call("ListTemplates", page_size=2, page_token=token[:-1] + ("A" if token[-1] != "A" else "B"))


def test_versions_and_links_come_in_pages_too(api):
    template = a_template(api)
    for number in range(3):
        a_draft(api, template, f"{number}")
        api.call("CreateLink", entity=entity("PRODUCT", f"{number}"), template_id=template.id)

    first = api.call("ListVersions", template_id=template.id, page_size=2)
    second = api.call("ListVersions", template_id=template.id, page_size=2, page_token=first.next_page_token)
    assert [v.label for v in [*first.versions, *second.versions]] == ["2", "1", "0"]
    first = api.call("ListLinks", template_id=template.id, page_size=2)
    second = api.call("ListLinks", template_id=template.id, page_size=2, page_token=first.next_page_token)
    assert [link.entity.id for link in [*first.links, *second.links]] == ["2", "1", "0"]
    assert not second.next_page_token


def told(api, method, field, **fields):
    """Read a whole list with the longest pages, and count how many there were."""
    found, token, pages = [], "", 0
    while True:
        answer = api.call(method, page_size=200, page_token=token, **fields)
        assert answer.ByteSize() < 4 * 1024 * 1024  # what a client takes
        found += getattr(answer, field)
        token, pages = answer.next_page_token, pages + 1
        if not token or not getattr(answer, field):  # who reads events in order has a token behind the last, too
            return found, pages


@pytest.mark.parametrize("order", ["ORDER_UNSPECIFIED", "ORDER_PUBLISHED"])
def test_events_with_large_payloads_are_spread_over_pages(api, order):
    payload = json.dumps({"text": "x" * 250_000})
    ids = [f"event-{number}" for number in range(18)]
    for id in ids:
        api.call("PublishEvent", event_id=id, name="large.thing", payload_json=payload)

    events, pages = told(api, "ListEvents", "events", pattern="large.thing", order=order)

    assert sorted(event.event_id for event in events) == sorted(ids)
    assert {event.payload_json for event in events} == {payload}
    assert pages >= 3


def test_large_event_definitions_are_spread_over_pages(api):
    schema = json.dumps({"description": "x" * 65_000})
    names = [f"thing.number{number}" for number in range(70)]
    for name in names:
        api.call("CreateEventDefinition", name=name, payload_schema_json=schema)

    definitions, pages = told(api, "ListEventDefinitions", "event_definitions")

    assert [definition.name for definition in definitions] == names[::-1]
    assert pages >= 3


def test_large_triggers_are_spread_over_pages(api):
    template = a_template(api)
    input = json.dumps({"text": "x" * 65_000})
    ids = [
        api.call(
            "CreateTrigger", template_id=template.id, action="ACTION_START", pattern="a.thing", input_mapping_json=input
        ).trigger.id
        for _ in range(70)
    ]

    triggers, pages = told(api, "ListTriggers", "triggers")

    assert [trigger.id for trigger in triggers] == ids[::-1]
    assert pages >= 3


def test_step_runs_have_the_room_that_their_execution_leaves():
    execution = execution_pb2.Execution(input_json="x" * 1_000_000, output_json="x" * 1_500_000)
    runs = [step_run_pb2.StepRun(output_json=f"{number}" * 250_000) for number in range(9)]

    kept = newest_fitting(runs, execution)

    assert list(kept) == runs[3:]
    assert list(newest_fitting(runs)) == runs[1:]
    assert [len(portion) for portion in portions(runs, execution)] == [6, 3]
