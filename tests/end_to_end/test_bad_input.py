"""What callers do wrong, through the real server: the right refusal, and everything stored stays as it was."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import grpc
import pytest
from grpc_status import rpc_status

from heddle.v1.finding_pb2 import DefinitionFindings, Finding
from tests.end_to_end.api import SERVICES, Api, Refusal, entity, refused, status
from tests.end_to_end.definitions import definition
from tests.end_to_end.world import REQUESTS, SHORT, World, build, everything, method_of, outline, send

KIB = 1024
UNKNOWN = "0197c5a0-0000-7000-8000-000000000000"


@dataclass
class Place:
    """A world, who calls in it, and what is stored there."""

    api: Api
    ids: World
    stored: list[Any]

    def assert_unchanged(self) -> None:
        before, self.stored = self.stored, outline(self.api)  # one test that changes something fails alone

        assert self.stored == before


@pytest.fixture(scope="module")
def place(heddle) -> Iterator[Place]:
    """One world for all tests that change nothing."""
    api = Api(heddle.channel, f"bad-{secrets.token_hex(6)}")
    ids = build(api)
    place = Place(api, ids, outline(api))
    before = everything(api)
    yield place

    assert everything(api) == before


def refusal(place: Place, request: str, code: str, reason: str, field: str | None = None, /, **changes: Any) -> Refusal:
    """Send a request that must be refused and leave everything as it was; gives the refusal."""
    try:
        with refused(code, reason) as refusals:
            send(place.api, request, place.ids, **changes)
    finally:
        place.assert_unchanged()

    assert refusals[0].fields == ([] if field is None else [field])
    return refusals[0]


def invalid(place: Place, request: str, field: str, /, **changes: Any) -> Refusal:
    return refusal(place, request, "INVALID_ARGUMENT", "INVALID_FIELD", field, **changes)


METHODS = {
    method.name: method
    for name, module in SERVICES.items()
    for method in import_module(f"heddle.v1.{module}_pb2").DESCRIPTOR.services_by_name[f"{name}Service"].methods
}


def requests_with(field: str) -> list[str]:
    return [name for name in REQUESTS if field in METHODS[method_of(name)].input_type.fields_by_name]


CHANGING = requests_with("request_id")
LISTS = requests_with("page_token")


def test_every_rpc_is_among_the_requests():
    assert {method_of(request) for request in REQUESTS} == set(METHODS)


# Documents.

NESTED = '{"a": ' + "[" * 100 + "]" * 100 + "}"
DOCUMENTS = {
    "cut short": ('{"a": ', "line 1, column 7"),
    "no JSON at all": ("hello", "line 1, column 1"),
    "nothing but space": (" ", "line 1, column 2"),
    "two documents": ("{} {}", "line 1, column 4"),
    "single quotes": ("{'a': 1}", "line 1, column 2"),
    "a comma too many": ('{"a": 1,}', "line 1"),
    "a comment": ('{"a": 1} // one', "line 1, column 10"),
    "a byte order mark": ("\ufeff{}", ""),
    "a line break in a string": ('{"a": "x\ny"}', "line 1"),
    "nested too deep": (NESTED, "100"),
    "nested far too deep": (NESTED.replace("[", "[" * 90).replace("]", "]" * 90), "100"),
    "an escaped NUL": ('{"a": {"b": "x\\u0000"}}', "/a/b"),
    "an escaped NUL in a key": ('{"a\\u0000": 1}', "\\u0000"),
    "the first half of a pair": ('{"a": "\\ud83d"}', "surrogate"),
    "the second half of a pair": ('{"a": "\\ude00x"}', "surrogate"),
    "a key twice": ('{"a": {"b": 1, "b": 1}}', '"b"'),
    "NaN": ('{"a": NaN}', "NaN"),
    "infinity": ('{"a": -Infinity}', "-Infinity"),
    "a number without end": ('{"a": 1e999}', "1e999"),
    "an integer that no one can compute with": ('{"a": 9223372036854775808}', "9223372036854775808"),
}
FIELDS = {
    "CreateVersion": "definition_json",
    "UpdateVersion": "definition_json",
    "ValidateVersion by definition": "definition_json",
    "CreateTaskDefinition": "implementation_json",
    "StartExecution": "input_json",
    "CompleteStep": "output_json",
    "PublishEvent": "payload_json",
    "CompleteHumanTask": "output_json",
    "SetVariables": "variables_json",
}


@pytest.mark.parametrize("request_", FIELDS)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_that_is_no_strict_json_is_refused_with_the_place(place, request_, document):
    text, says = DOCUMENTS[document]

    told = refusal(place, request_, "INVALID_ARGUMENT", "INVALID_JSON", FIELDS[request_], **{FIELDS[request_]: text})

    assert told.message.startswith(FIELDS[request_])
    assert says in told.message


@pytest.mark.parametrize("request_", [name for name in FIELDS if not name.startswith("Complete")])
@pytest.mark.parametrize("text", ["[]", "null", '"x"', "1", "true"])
def test_a_definition_and_an_input_are_objects(place, request_, text):
    told = refusal(place, request_, "INVALID_ARGUMENT", "INVALID_JSON", FIELDS[request_], **{FIELDS[request_]: text})

    assert "object" in told.message


@pytest.mark.parametrize("request_", [name for name in FIELDS if FIELDS[name] == "definition_json"])
def test_an_empty_definition_is_refused(place, request_):
    refusal(place, request_, "INVALID_ARGUMENT", "INVALID_JSON", "definition_json", definition_json="")


@pytest.mark.parametrize("request_", FIELDS)
def test_a_document_over_its_limit_is_refused_with_both_sizes(place, request_):
    limit = (1024 if FIELDS[request_] == "definition_json" else 256) * KIB
    text = json.dumps({"company": "x" * limit, "ok": True})

    told = refusal(place, request_, "INVALID_ARGUMENT", "INVALID_JSON", FIELDS[request_], **{FIELDS[request_]: text})

    assert f"{len(text):,} bytes" in told.message
    assert f"{limit:,}" in told.message


def test_sizes_are_bytes_not_characters(place):
    text = json.dumps({"company": "ü" * (129 * KIB)}, ensure_ascii=False)

    refusal(place, "StartExecution", "INVALID_ARGUMENT", "INVALID_JSON", "input_json", input_json=text)


@pytest.mark.parametrize("request_", ["CreateVersion", "UpdateVersion", "ValidateVersion by definition"])
@pytest.mark.parametrize("dialect", ["bpmn", "GRAPH", " graph", "graph\n"])
def test_an_unknown_dialect_is_refused_with_those_that_are_known(place, request_, dialect):
    told = refusal(place, request_, "INVALID_ARGUMENT", "UNKNOWN_DIALECT", "dialect", dialect=dialect)

    assert "graph" in told.message.partition("one of")[2]


def test_an_input_that_the_input_schema_refuses_starts_nothing(place):
    told = refusal(
        place, "StartExecution", "INVALID_ARGUMENT", "INPUT_INVALID", "input_json", input_json='{"company": 1}'
    )

    assert "/company" in told.message


@pytest.mark.parametrize("output", ["{}", "", "null", '{"ok": "yes"}'])
def test_an_output_that_its_schema_refuses_completes_nothing(place, output):
    refusal(place, "CompleteStep", "INVALID_ARGUMENT", "OUTPUT_INVALID", "output_json", output_json=output)


# Ids.

REASONS = {
    "template_id": "TEMPLATE_NOT_FOUND",
    "template_key": "TEMPLATE_NOT_FOUND",
    "version_id": "VERSION_NOT_FOUND",
    "starter_version_id": "VERSION_NOT_FOUND",
    "link_id": "LINK_NOT_FOUND",
    "entity": "LINK_NOT_FOUND",
    "execution_id": "EXECUTION_NOT_FOUND",
    "human_task_id": "HUMAN_TASK_NOT_FOUND",
    "step_id": "STEP_NOT_FOUND",
    "event_id": "EVENT_NOT_FOUND",
    "event_definition_id": "EVENT_DEFINITION_NOT_FOUND",
    "trigger_id": "TRIGGER_NOT_FOUND",
}
NAMED = [(name, field) for name, fields in REQUESTS.items() for field in fields if field in REASONS]
NAMED.remove(("CreateLink", "entity"))  # the one that may not exist
NAMED.remove(("PublishEvent", "event_id"))  # likewise
NAMED.remove(("ListTriggerRecords by event", "event_id"))  # records outlive events and triggers
NAMED.remove(("ListTriggerRecords by trigger", "trigger_id"))
NAMED.remove(("ListTriggerRecords", "entity"))  # which tells of starts for entities without a link, too
NAMED.remove(("CreateVersion as a copy", "template_id"))  # what is not there is the version of that template


@pytest.mark.parametrize(("request_", "field"), NAMED)
def test_what_is_not_there_is_not_found(place, request_, field):
    unknown = entity("PRODUCT", "unknown") if field == "entity" else UNKNOWN

    told = refusal(place, request_, "NOT_FOUND", REASONS[field], **{field: unknown})

    assert ("unknown" if field == "entity" else UNKNOWN) in told.message


@pytest.mark.parametrize(
    ("request_", "field"), [(name, field) for name, field in NAMED if field not in ("entity", "starter_version_id")]
)
def test_what_must_be_named_is_not_left_empty(place, request_, field):
    invalid(place, request_, field, **{field: ""})


CHOICES = {
    "GetTemplate": "template_id",
    "CreateVersion": "definition_json",
    "ValidateVersion": "version_id",
    "GetLink": "link_id",
    "GetStatistics": "template_id",
    "StartExecution": "version_id",
    "CompleteStep": "step_id",
    "UpdateStep": "step_id",
}


@pytest.mark.parametrize("request_", CHOICES)
def test_where_a_thing_can_be_named_in_several_ways_one_is_needed(place, request_):
    told = invalid(place, request_, "source" if request_ == "CreateVersion" else "target", **{CHOICES[request_]: None})

    assert CHOICES[request_] in told.message


MALFORMED = ["x", "$execution", "$execution/a", "$execution/a/", "$execution/a/0", "$execution/a/x", "$execution/a/-1"]
MALFORMED += [
    "$execution/a/1 ",
    "$execution/a/01",
    "$execution/a/1/",
    "$execution/a/99999999999999999999",
    "$execution//1",
    "/a/1",
    "//",
    "$execution/a/²",
]


@pytest.mark.parametrize("id", MALFORMED)
def test_a_step_run_id_that_is_none_is_refused(place, id):
    for request in ("CompleteStep by run", "UpdateStep by run"):
        invalid(place, request, "step_run_id", step_run_id=id)
    refusal(place, "GetStepRun", "NOT_FOUND", "STEP_RUN_NOT_FOUND", step_run_id=id)


@pytest.mark.parametrize("request_", ["CompleteStep by run", "UpdateStep by run"])
@pytest.mark.parametrize(
    ("id", "reason"),
    [
        (f"{UNKNOWN}/a/1", "EXECUTION_NOT_FOUND"),
        ("$execution/unknown/1", "STEP_NOT_FOUND"),
        ("$execution/a/7", "STEP_RUN_NOT_FOUND"),
        ("$execution/b/1", "STEP_RUN_NOT_FOUND"),
    ],
)
def test_a_step_run_that_is_not_there_is_not_found(place, request_, id, reason):
    refusal(place, request_, "NOT_FOUND", reason, step_run_id=id)


@pytest.mark.parametrize("id", [f"{UNKNOWN}/a/1", "$execution/unknown/1", "$execution/a/7", "$execution/b/1"])
def test_a_step_run_that_is_not_there_cannot_be_read(place, id):
    refusal(place, "GetStepRun", "NOT_FOUND", "STEP_RUN_NOT_FOUND", step_run_id=id)


@pytest.mark.parametrize("request_", ["CompleteStep by run", "UpdateStep by run"])
def test_an_execution_that_contradicts_the_step_run_is_refused(place, request_):
    invalid(place, request_, "execution_id", execution_id="$completed")


# Single fields.


@pytest.mark.parametrize("request_", CHANGING)
def test_every_change_has_a_request_id(place, request_):
    invalid(place, request_, "request_id", request_id="")


@pytest.mark.parametrize("request_", ["CreateTemplate", "StartExecution", "CompleteStep"])
@pytest.mark.parametrize("request_id", ["a b", "ü", "a\n", "a\0b", "x" * 129])
def test_a_request_id_is_printable_ascii(place, request_, request_id):
    invalid(place, request_, "request_id", request_id=request_id)


TEXTS = {
    ("CreateTemplate", "name"): ["", " x", "x\n", "a\nb", "a\x07b", "a\x7fb", "x" * 257],
    ("CreateTemplate", "key"): ["Ab", "a b", "-a", "a_b", "ä", "a\n", "x" * 64],
    ("CreateTemplate", "description"): ["a\0b", "x" * 4097],
    ("UpdateTemplate", "name"): ["", " x", "a\rb", "x" * 257],
    ("UpdateTemplate", "description"): ["a\0b", "x" * 4097],
    ("CreateVersion", "label"): ["", " 1", "1\n", "1\x1b0", "x" * 129],
    ("CreateVersion", "note"): ["a\0b", "x" * 4097],
    ("UpdateVersion", "label"): ["", "1 ", "1\x000", "x" * 129],
    ("UpdateVersion", "note"): ["a\0b", "x" * 4097],
    ("StartExecution", "name"): [" x", "a\nb", "a\0b", "x" * 257],
    ("StartExecution", "correlation_id"): ["a\0b", "x" * 257],
    ("CancelExecution", "reason"): ["a\0b", "x" * 1025],
    ("CompleteStep", "outcome"): ["a\0b", "x" * 129],
    ("GetTemplate", "template_id"): ["a\0b"],
    ("GetTemplate by key", "template_key"): ["a\0b"],
    ("GetVersion", "version_id"): ["a\0b"],
    ("GetLink", "link_id"): ["a\0b"],
    ("GetExecution", "execution_id"): ["a\0b"],
    ("DeleteExecution", "execution_id"): ["", "a\0b"],
    ("WatchExecution", "execution_id"): ["", "a\0b"],
    ("ListStepRuns", "step_id"): ["a\0b"],
    ("ListStepRuns", "execution_id"): ["", "a\0b"],
    ("ListLedgerEntries", "execution_id"): ["", "a\0b"],
    ("ListExecutions", "correlation_id"): ["a\0b", "x" * 257],
    ("ListExecutions", "template_id"): ["a\0b"],
    ("ListExecutions", "root_execution_id"): ["a\0b"],
    ("GetStepRun", "step_run_id"): ["", "a\0b/a/1"],
    ("StartExecution", "version_id"): ["", "a\0b"],
    ("StartExecution by key", "template_key"): ["", "a\0b"],
    ("PublishEvent", "event_id"): ["", "a\0b", "a\nb", "x" * 129, "workflow/1"],
    ("PublishEvent", "name"): ["", "order.*", "*", "a..b", "a b", "ä", "workflow.completed", "x" * 201],
    ("PublishEvent", "version"): ["a\0b", "x" * 65],
    ("ListEvents", "pattern"): ["a*", "a..b", "a b", "**"],
    ("GetEvent", "event_id"): ["", "a\0b"],
    ("CreateTrigger", "pattern"): ["", "a*", "a..b", "a b"],
    ("CreateTrigger", "name"): ["a\0b", "x" * 257],
    ("CreateTrigger", "description"): ["a\0b", "x" * 4097],
    ("CreateTrigger", "condition"): ["a\0b", "(", "x" * 4097],
    ("CreateTrigger", "correlation_key"): ["a\0b", "(", "x" * 4097],
    ("CreateTrigger", "reason"): ["a\0b", "x" * 1025],
    ("UpdateTrigger", "pattern"): ["", "a*"],
    ("CreateEventDefinition", "name"): ["", "order.*", "a b"],
    ("CreateEventDefinition", "description"): ["a\0b", "x" * 4097],
}


@pytest.mark.parametrize(
    ("request_", "field", "text"),
    [(request, field, text) for (request, field), texts in TEXTS.items() for text in texts],
)
def test_a_text_that_breaks_its_rule_is_refused(place, request_, field, text):
    invalid(place, request_, field, **{field: text})


BY_ENTITY = ["CreateLink", "StartExecution by entity", "GetLink by entity", "ResolveLink", "ListExecutions"]
BY_ENTITY += ["ListTriggerRecords"]


@pytest.mark.parametrize("request_", BY_ENTITY)
@pytest.mark.parametrize(
    ("type", "id", "path"),
    [
        ("", "x", "entity.type"),
        ("product", "x", "entity.type"),
        ("PRODUCT\n", "x", "entity.type"),
        ("P" * 65, "x", "entity.type"),
        ("PRODUCT", "", "entity.id"),
        ("PRODUCT", "a\0b", "entity.id"),
        ("PRODUCT", "x" * 257, "entity.id"),
    ],
)
def test_an_entity_that_none_can_be_is_refused(place, request_, type, id, path):
    invalid(place, request_, path, entity=entity(type, id))


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ({"id": "x"}, "subject.type"),
        ({"type": "a\0b", "id": "x"}, "subject.type"),
        ({"type": "x" * 65, "id": "x"}, "subject.type"),
        ({"type": "customer"}, "subject.id"),
        ({"type": "customer", "id": "x" * 257}, "subject.id"),
    ],
)
def test_a_subject_that_tells_nothing_is_refused(place, subject, path):
    for request in ("StartExecution", "ListExecutions"):
        invalid(place, request, path, subject=subject)


@pytest.mark.parametrize("field", ["create_time_after", "create_time_before"])
@pytest.mark.parametrize("time", [{"seconds": 2**62}, {"seconds": -(2**40)}, {"nanos": -1}, {"nanos": 10**9}])
def test_a_time_that_there_is_not_is_refused(place, field, time):
    invalid(place, "ListExecutions", field, **{field: time})


@pytest.mark.parametrize("number", [0, 99, -1])
def test_every_one_of_several_statuses_is_one(place, number):
    invalid(place, "ListExecutions", "statuses", statuses=[4, number])


ENUMS = [
    ("ListTemplates", "state"),
    ("ListVersions", "status"),
    ("ListExecutions", "phase"),
    ("ListStepRuns", "status"),
    ("UpdateStep", "status"),
    ("StartExecution", "wait_for"),
    ("ListTriggerRecords", "outcome"),
    ("ListEvents", "order"),
    ("CreateTrigger", "action"),
    ("CreateTrigger", "language"),
]


@pytest.mark.parametrize(("request_", "field"), ENUMS)
@pytest.mark.parametrize("number", [99, -1])
def test_a_number_that_the_enum_does_not_have_is_refused(place, request_, field, number):
    told = invalid(place, request_, field, **{field: number})

    assert str(number) in told.message


def test_no_status_is_no_status_to_set(place):
    invalid(place, "UpdateStep", "status", status=0)


@pytest.mark.parametrize("request_", ["WatchExecution", "ListLedgerEntries"])
def test_ledger_numbers_are_not_negative(place, request_):
    invalid(place, request_, "after_number", after_number=-1)


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_workspace_that_none_can_be_is_refused_by_every_rpc(place, request_):
    elsewhere = Api(place.api.channel, "Acme Corp")

    with refused("INVALID_ARGUMENT", "WORKSPACE_INVALID") as refusals:
        send(elsewhere, request_, place.ids)

    assert refusals[0].fields == ["heddle-workspace"]


@pytest.mark.parametrize("workspace", ["", " ", "-a", "a_b", "x" * 64, "a/b", "%41"])
def test_a_workspace_is_a_slug(place, workspace):
    with refused("INVALID_ARGUMENT", "WORKSPACE_INVALID"):
        Api(place.api.channel, workspace).call("ListTemplates")


# Pages.


@pytest.mark.parametrize("request_", LISTS)
def test_a_page_has_no_negative_size(place, request_):
    invalid(place, request_, "page_size", page_size=-1)


@pytest.mark.parametrize("request_", LISTS)
def test_a_page_token_leads_on_in_its_own_list_alone(place, request_):
    token = send(place.api, request_, place.ids, page_size=1).next_page_token
    assert token
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    forged = base64.urlsafe_b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode()
    others = [send(place.api, other, place.ids, page_size=1).next_page_token for other in LISTS if other != request_]

    for wrong in ["x", "!", "ü", "a b", token[:-2], token + "AAAA", token * 500, forged, *others]:
        refusal(place, request_, "INVALID_ARGUMENT", "PAGE_TOKEN_INVALID", "page_token", page_token=wrong)


FILTERS = {
    "ListTemplates": {"state": "STATE_DRAFT"},
    "ListVersions": {"status": "STATUS_PUBLISHED"},
    "ListLinks": {"entity_type": "PRODUCT"},
    "ListExecutions": {"statuses": ["STATUS_COMPLETED"]},
    "ListStepRuns": {"status": "STATUS_COMPLETED"},
    "ListLedgerEntries": {"after_number": 1},
    "GetExecutionTree": {"execution_id": "$execution"},
    "ListTaskDefinitions": {"type": "TYPE_AUTOMATED"},
    "ListTaskDefinitionVersions": {"task_definition_id": "$other_task_definition"},
    "ListTriggerRecords": {"outcome": "OUTCOME_REFUSED"},
    "ListHistoryEvents": {"execution_id": "$family"},
    "ListEvents": {"pattern": "world.*"},
    "ListDeliveries": {"event_id": "other"},
    "ListDeliveries by execution": {"execution_id": "$execution"},
    "ListTriggers": {"pattern": "world.*"},
    "ListTriggerRecords by event": {"outcome": "OUTCOME_REFUSED"},
    "ListTriggerRecords by trigger": {"outcome": "OUTCOME_REFUSED"},
    "ListEventDefinitions": {"pattern": "order.*"},
    "ListHumanTasks": {"roles": ["any"]},
    "ListHumanTaskActions": {"human_task_id": "$execution/a/1"},
}


@pytest.mark.parametrize("request_", LISTS)
def test_a_page_token_leads_on_under_its_own_filters_alone(place, request_):
    token = send(place.api, request_, place.ids, page_size=1).next_page_token

    refusal(
        place,
        request_,
        "INVALID_ARGUMENT",
        "PAGE_TOKEN_INVALID",
        "page_token",
        page_token=token,
        **FILTERS[request_],
    )


@pytest.mark.parametrize("request_", ["ListTemplates", "ListLinks", "ListExecutions"])
def test_a_page_token_leads_on_in_its_own_workspace_alone(place, request_, api):
    token = send(place.api, request_, place.ids, page_size=1).next_page_token

    with refused("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID"):
        send(api, request_, place.ids, page_token=token)


# Requests that were there before.


@pytest.mark.parametrize("used", ["used-CreateTemplate", "used-StartExecution", "used-CompleteStep"])
@pytest.mark.parametrize("request_", CHANGING)
def test_a_request_id_stands_for_one_request_of_whatever_rpc(place, request_, used):
    told = refusal(place, request_, "ALREADY_EXISTS", "REQUEST_ID_REUSED", request_id=used)

    assert told.facts["request_id"] == used


@pytest.mark.parametrize("request_", requests_with("etag"))
def test_a_change_of_another_edition_changes_nothing(place, request_):
    refusal(place, request_, "ABORTED", "ETAG_MISMATCH", etag="0")


# States.


@pytest.mark.parametrize(
    ("request_", "changes", "reason"),
    [
        ("StartExecution", {"version_id": "$draft"}, "VERSION_NOT_PUBLISHED"),
        ("StartExecution", {"version_id": "$old"}, "VERSION_NOT_PUBLISHED"),
        ("StartExecution", {"version_id": "$archived_version"}, "TEMPLATE_ARCHIVED"),
        ("StartExecution by template", {"template_id": "$archived_template"}, "TEMPLATE_ARCHIVED"),
        ("StartExecution by template", {"template_id": "$idle_template"}, "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        ("StartExecution by entity", {"entity": ("PRODUCT", "archived")}, "TEMPLATE_ARCHIVED"),
        ("StartExecution by entity", {"entity": ("PRODUCT", "idle")}, "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        ("UpdateVersion", {"version_id": "$version"}, "VERSION_NOT_DRAFT"),
        ("UpdateVersion", {"version_id": "$old"}, "VERSION_NOT_DRAFT"),
        ("PublishVersion", {"version_id": "$version"}, "VERSION_NOT_DRAFT"),
        ("ActivateVersion", {"version_id": "$draft"}, "VERSION_NOT_PUBLISHED"),
        ("ActivateVersion", {"version_id": "$old"}, "VERSION_NOT_PUBLISHED"),
        ("DeprecateVersion", {"version_id": "$draft"}, "VERSION_NOT_PUBLISHED"),
        ("DeprecateVersion", {"version_id": "$version"}, "VERSION_ACTIVE"),
        ("DeleteVersion", {"version_id": "$version"}, "VERSION_ACTIVE"),
        ("DeleteVersion", {"version_id": "$spare"}, "VERSION_IN_USE"),
        ("DeleteTemplate", {"template_id": "$template"}, "TEMPLATE_IN_USE"),
        ("ArchiveTemplate", {"template_id": "$archived_template"}, "TEMPLATE_ARCHIVED"),
        ("UnarchiveTemplate", {"template_id": "$template"}, "TEMPLATE_NOT_ARCHIVED"),
        ("DeactivateTemplate", {"template_id": "$idle_template"}, "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        ("CancelExecution", {"execution_id": "$completed"}, "EXECUTION_ENDED"),
        ("DeleteExecution", {"execution_id": "$execution"}, "EXECUTION_NOT_ENDED"),
        ("CompleteStep", {"step_id": "b"}, "STEP_NOT_WAITING"),
        ("CompleteStep", {"step_id": "start", "output_json": "1"}, "STEP_NOT_WAITING"),
        ("CompleteStep", {"step_id": "task_x"}, "STEP_NOT_WAITING"),
        ("CompleteStep by run", {"step_run_id": "$execution/task_x/1"}, "STEP_NOT_WAITING"),
        ("CompleteStep", {"execution_id": "$completed"}, "EXECUTION_ENDED"),
        ("CompleteStep", {"execution_id": "$cancelled"}, "EXECUTION_ENDED"),
        ("UpdateStep", {"execution_id": "$completed"}, "EXECUTION_ENDED"),
        ("UpdateStep", {"execution_id": "$cancelled"}, "EXECUTION_ENDED"),
        ("UpdateStep", {"step_id": "b"}, "STEP_NOT_WAITING"),
    ],
)
def test_what_the_state_does_not_allow_is_refused(place, request_, changes, reason):
    refusal(place, request_, "FAILED_PRECONDITION", reason, **changes)


@pytest.mark.parametrize("step", ["a", "task_x"])
@pytest.mark.parametrize("wanted", ["PENDING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"])
def test_a_status_that_may_not_follow_is_refused_with_those_that_may(place, step, wanted):
    told = refusal(
        place, "UpdateStep", "FAILED_PRECONDITION", "STEP_STATUS_REFUSED", step_id=step, status=f"STATUS_{wanted}"
    )

    assert told.facts["allowed"] == "DISABLED"
    assert "allowed: DISABLED" in told.message


@pytest.mark.parametrize(
    ("request_", "changes", "reason"),
    [
        ("CreateLink", {"entity": ("PRODUCT", "world")}, "LINK_ENTITY_EXISTS"),
        ("CreateLink", {"entity": ("PRODUCT", "world"), "template_id": "$idle_template"}, "LINK_ENTITY_EXISTS"),
        ("CreateTemplate", {"key": "world"}, "TEMPLATE_KEY_EXISTS"),
        ("CreateTemplate", {"key": "", "name": "World"}, "TEMPLATE_KEY_EXISTS"),
        ("CreateVersion", {"label": "1.0.0"}, "VERSION_LABEL_EXISTS"),
        ("UpdateVersion", {"label": "1.0.0"}, "VERSION_LABEL_EXISTS"),
    ],
)
def test_a_name_that_is_taken_is_refused(place, request_, changes, reason):
    refusal(place, request_, "ALREADY_EXISTS", reason, **changes)


# What was done once.


def test_completing_a_step_again_in_the_same_words_changes_nothing(api):
    id = api.start(definition("start > a; a > b; b > end"), {}).execution.id
    api.complete(id, "a", {"x": 1, "y": 2}, outcome="GOOD")
    before = everything(api)

    answer = api.call("CompleteStep", execution_id=id, step_id="a", outcome="GOOD", output_json='{ "y": 2, "x": 1 }')

    assert [(run.step_id, status(run)) for run in answer.step_runs][1:] == [("a", "COMPLETED"), ("b", "WAITING")]
    assert everything(api) == before


@pytest.mark.parametrize(
    "other",
    [
        {"output_json": '{"x": 2}'},
        {"output_json": '{"x": true}'},
        {"outcome": "BAD"},
        {"output_json": ""},
    ],
)
def test_completing_a_step_again_in_other_words_is_refused(api, other):
    id = api.start(definition("start > a; a > b; b > end"), {}).execution.id
    fields = {"execution_id": id, "step_id": "a", "outcome": "GOOD", "output_json": '{"x": 1}'}
    api.call("CompleteStep", **fields)
    before = everything(api)

    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING"):
        api.call("CompleteStep", **fields | other)

    assert everything(api) == before


@pytest.mark.parametrize("output", ['{"x": 1}', '{"x": true}', '{"x": 2}', ""])
def test_completing_the_last_step_again_is_answered_in_the_same_words_alone(api, output):
    id = api.start(definition("start > a; a > end"), {}).execution.id
    api.complete(id, "a", {"x": 1})
    before = everything(api)

    if output == '{"x": 1}':
        assert (
            status(api.call("CompleteStep", execution_id=id, step_id="a", output_json=output).execution) == "COMPLETED"
        )
    else:
        with refused("FAILED_PRECONDITION", "EXECUTION_ENDED"):
            api.call("CompleteStep", execution_id=id, step_id="a", output_json=output)

    assert everything(api) == before


def test_a_step_that_is_switched_off_is_not_completed(api):
    id = api.start(definition("start > a; a > end"), {}).execution.id
    api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_DISABLED")
    before = everything(api)

    with refused("FAILED_PRECONDITION", "STEP_NOT_WAITING"):
        api.complete(id, "a")
    with refused("FAILED_PRECONDITION", "STEP_STATUS_REFUSED") as refusals:
        api.call("UpdateStep", execution_id=id, step_id="a", status="STATUS_FAILED")

    assert refusals[0].facts["allowed"] == "RUNNING, PENDING, COMPLETED"
    assert everything(api) == before


def test_of_two_publishes_at_once_one_wins(api):
    template = api.call("CreateTemplate", name="Contested").template
    draft = api.call("CreateVersion", template_id=template.id, label="1", definition_json=json.dumps(SHORT)).version

    publish = partial(api.call, "PublishVersion", version_id=draft.id)
    won, lost = at_once(publish, publish)

    assert [(told.code, told.reason) for told in lost] == [("FAILED_PRECONDITION", "VERSION_NOT_DRAFT")]
    assert [api.call("GetVersion", version_id=draft.id).version] == [answer.version for answer in won]


@pytest.mark.parametrize("round", range(5))
def test_of_two_rpcs_with_one_request_id_at_once_one_wins(api, round):
    version = api.publish(SHORT)
    templates = api.call("ListTemplates").templates

    won, lost = at_once(
        partial(api.call, "StartExecution", version_id=version.id, request_id="one"),
        partial(api.call, "CreateTemplate", name="One", request_id="one"),
    )

    assert [told.reason for told in lost] == ["REQUEST_ID_REUSED"]
    started = api.call("ListExecutions").executions
    created = len(api.call("ListTemplates").templates) - len(templates)
    assert (len(won), len(started) + created) == (1, 1)


def at_once(*calls: Callable[[], Any]) -> tuple[list[Any], list[Refusal]]:
    """Make calls at the same moment; gives the answers, and how the others were refused."""
    barrier = threading.Barrier(len(calls))
    won, lost = [], []

    def make(call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            won.append(call())
        except grpc.RpcError as error:
            lost.append(Refusal(error))

    threads = [threading.Thread(target=make, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won, lost


def test_publishing_a_definition_with_errors_tells_all_findings(api):
    template = api.call("CreateTemplate", name="Wrong").template
    # No start, no end, a transition to nowhere.
    wrong = {
        "id": "wrong",
        "name": "Wrong",
        "steps": [{"id": "a", "type": "human.confirm", "name": "a"}],
        "stepTransitions": [{"id": "t1", "fromStepId": "a", "toStepId": "nowhere"}],
    }
    draft = api.call("CreateVersion", template_id=template.id, label="1", definition_json=json.dumps(wrong)).version
    before = everything(api)

    with pytest.raises(grpc.RpcError) as error:
        api.call("PublishVersion", version_id=draft.id)

    told = Refusal(error.value)
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "DEFINITION_INVALID")
    findings = DefinitionFindings()
    assert any(detail.Unpack(findings) for detail in rpc_status.from_call(error.value).details)
    assert list(findings.findings) == list(draft.findings)
    assert sum(finding.severity == Finding.SEVERITY_ERROR for finding in findings.findings) > 2
    assert everything(api) == before
