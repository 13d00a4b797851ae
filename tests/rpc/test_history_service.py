"""The history of an execution over gRPC."""

from __future__ import annotations

import json

import pytest

from heddle.v1.history_event_pb2 import HistoryEvent
from tests.end_to_end.api import refused
from tests.end_to_end.definitions import definition

PASSED = {"activationPolicy": {"defaultStatus": "Completed"}}
INSTANT = definition("start > a; a > end", name="Instant", a=PASSED)
PARALLEL = definition("start > ps; ps > a, b; a > pj; b > pj; pj > end", name="Parallel", a={"name": "First"})


def told(event) -> str:
    return f"{HistoryEvent.Type.Name(event.type).removeprefix('TYPE_')} {event.step_id}".strip()


def listed(api, size, **fields):
    found, token = [], ""
    while True:
        answer = api.call("ListHistoryEvents", page_size=size, page_token=token, **fields)
        assert len(answer.events) <= size
        found += answer.events
        if not (token := answer.next_page_token):
            return found


def test_an_execution_is_told_from_its_start_to_its_end(api):
    id = api.start(INSTANT, {"a": 1}).execution.id

    found = api.call("ListHistoryEvents", execution_id=id).events

    assert [told(event) for event in found] == [
        "WORKFLOW_STARTED",
        "STEP_STARTED a",
        "STEP_COMPLETED a",
        "WORKFLOW_COMPLETED",
    ]
    assert json.loads(found[0].details_json) == {"input": {"a": 1}}
    numbers = [entry["number"] for entry in api.ledger(id)]
    assert [event.ledger_number for event in found] == [numbers[0], numbers[2], numbers[2], numbers[-1]]


def test_what_waits_says_so_and_by_which_name(api):
    id = api.start(PARALLEL, subject={"type": "CASE", "id": "h"}).execution.id

    found = api.call("ListHistoryEvents", subject={"type": "CASE", "id": "h"}).events

    assert [told(event) for event in found][3:5] == ["STEP_STARTED a", "STEP_WAITING a"]
    assert (found[3].step_name, found[3].visit, found[3].attempt) == ("First", 1, 1)
    assert list(found) == listed(api, 200, execution_id=id)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8])
def test_pages_of_any_size_have_the_same_events(api, size):
    id = api.start(PARALLEL).execution.id

    assert [told(event) for event in listed(api, size, execution_id=id)] == [
        "WORKFLOW_STARTED",
        "STEP_STARTED ps",
        "STEP_COMPLETED ps",
        "STEP_STARTED a",
        "STEP_WAITING a",
        "STEP_STARTED b",
        "STEP_WAITING b",
    ]


def test_an_execution_that_is_not_there_has_no_history(api):
    with refused("NOT_FOUND", "EXECUTION_NOT_FOUND"):
        api.call("ListHistoryEvents", execution_id="0197c5a0-0000-7000-8000-000000000000")
