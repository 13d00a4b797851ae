from __future__ import annotations

import json
from typing import Any

import pytest

from tests.definition.definitions import chain, step
from tests.end_to_end.api import Api, refused
from tests.rpc.registry import a_draft, a_template, at_once, reasons

SCHEMA = '{"type": "object",  "required": ["orderId"]}'
HTTP = {"type": "http", "method": "POST", "url": "https://pay.example/charges", "timeout": 1000}


def create(api: Api, key: str = "charge_card", type: str = "TYPE_AUTOMATED", **fields: Any) -> Any:
    return api.call("CreateTaskDefinition", key=key, type=type, **fields).task_definition


def get(api: Api, key: str = "charge_card", **fields: Any) -> Any:
    return api.call("GetTaskDefinition", task_definition_key=key, **fields).task_definition


def update(api: Api, definition: Any, **fields: Any) -> Any:
    return api.call("UpdateTaskDefinition", task_definition_id=definition.id, **fields).task_definition


def findings(api: Api, *steps: dict[str, Any]) -> list[tuple[str, str]]:
    answer = api.call("ValidateVersion", definition_json=json.dumps(chain(*steps)))
    return [(finding.rule, finding.pointer) for finding in answer.findings]


def test_a_task_definition_is_kept_as_it_was_given(api):
    stored = create(
        api,
        name="Charge the card",
        description="once",
        type="TYPE_INTEGRATION",
        input_schema_json=SCHEMA,
        output_schema_json="true",
        implementation_json=json.dumps(HTTP, indent=3),
    )

    assert get(api) == stored
    assert api.call("GetTaskDefinition", task_definition_id=stored.id, version=1).task_definition == stored
    assert (stored.version, stored.key, stored.name, stored.input_schema_json) == (
        1,
        "charge_card",
        "Charge the card",
        SCHEMA,
    )
    assert (stored.output_schema_json, stored.implementation_json) == ("true", json.dumps(HTTP, indent=3))
    assert stored.create_time == stored.update_time


def test_what_is_left_out_has_a_meaning(api):
    plain = create(api)
    manual = create(api, "approve", "TYPE_MANUAL")
    form = create(api, "fill_in", "TYPE_MANUAL", output_schema_json='{"type": "object"}')

    assert (plain.name, plain.HasField("input_schema_json")) == ("charge_card", False)
    assert json.loads(plain.implementation_json) == {"type": "task", "task": "charge_card"}
    assert json.loads(manual.implementation_json) == {"type": "human.confirm"}
    assert json.loads(form.implementation_json) == {"type": "human.form", "formSchema": {"type": "object"}}


def test_each_change_makes_a_version_and_those_before_stay(api):
    first = create(api, input_schema_json=SCHEMA, implementation_json=json.dumps(HTTP))

    second = update(api, first, name="Charge", etag=first.etag)
    third = update(api, first, input_schema_json="", implementation_json="", type="TYPE_MANUAL")

    assert [(v.version, v.name) for v in (first, second, third)] == [(1, "charge_card"), (2, "Charge"), (3, "Charge")]
    assert second.input_schema_json == SCHEMA
    assert not third.HasField("input_schema_json")
    assert json.loads(third.implementation_json) == {"type": "human.confirm"}
    assert (get(api).version, get(api, version=1).implementation_json) == (3, first.implementation_json)
    listed = api.call("ListTaskDefinitionVersions", task_definition_id=first.id, page_size=2)
    assert [version.version for version in listed.task_definitions] == [3, 2]
    rest = api.call(
        "ListTaskDefinitionVersions", task_definition_id=first.id, page_size=2, page_token=listed.next_page_token
    )
    assert ([version.version for version in rest.task_definitions], rest.next_page_token) == ([1], "")
    assert third.create_time == first.create_time
    with refused("ABORTED", "ETAG_MISMATCH"):
        update(api, first, name="Late", etag=first.etag)


@pytest.mark.parametrize("fields", [{"task_definition_key": "nobody"}, {"task_definition_id": "nobody"}])
def test_what_is_not_there_is_not_found(api, fields):
    definition = create(api)

    with refused("NOT_FOUND", "TASK_DEFINITION_NOT_FOUND"):
        api.call("GetTaskDefinition", **fields)
    with refused("NOT_FOUND", "TASK_DEFINITION_NOT_FOUND"):
        api.call("GetTaskDefinition", task_definition_id=definition.id, version=2)
    with refused("NOT_FOUND", "TASK_DEFINITION_NOT_FOUND"):
        api.call("ListTaskDefinitionVersions", task_definition_id="nobody")


def test_a_key_stands_for_one_task_definition(api, other):
    create(api)
    create(other)

    with refused("ALREADY_EXISTS", "TASK_DEFINITION_KEY_EXISTS"):
        create(api)


def test_of_two_changes_at_once_one_wins(api):
    definition = create(api)

    outcomes = at_once(*(lambda: update(api, definition, name="New", etag=definition.etag) for _ in range(4)))

    assert reasons(outcomes) == ["ETAG_MISMATCH"] * 3
    assert get(api).version == 2


def test_task_definitions_are_listed_by_type_in_pages(api):
    for key in "abc":
        create(api, key)
    create(api, "d", "TYPE_MANUAL")
    page = api.call("ListTaskDefinitions", page_size=2)

    assert [one.key for one in page.task_definitions] == ["d", "c"]
    rest = api.call("ListTaskDefinitions", page_size=2, page_token=page.next_page_token)
    assert ([one.key for one in rest.task_definitions], rest.next_page_token) == (["b", "a"], "")
    manual = api.call("ListTaskDefinitions", type="TYPE_MANUAL").task_definitions
    assert [one.key for one in manual] == ["d"]


def test_large_task_definitions_are_listed_all_the_same(api):
    large = json.dumps(HTTP | {"x-note": "x" * 120_000})
    for number in range(25):
        create(api, f"k{number}", implementation_json=large)
    found, token = [], ""
    while not found or token:
        page = api.call("ListTaskDefinitions", page_token=token)
        found += [one.key for one in page.task_definitions]
        token = page.next_page_token

    assert found == [f"k{number}" for number in reversed(range(25))]


def test_a_deleted_task_definition_is_gone_with_its_versions(api):
    definition = create(api)
    update(api, definition, name="Charge")

    api.call("DeleteTaskDefinition", task_definition_id=definition.id)

    with refused("NOT_FOUND", "TASK_DEFINITION_NOT_FOUND"):
        get(api, version=1)
    assert create(api).version == 1


BAD = {
    "no key": ({"key": ""}, "INVALID_FIELD", "key"),
    "a key with a space": ({"key": "charge card"}, "INVALID_FIELD", "key"),
    "a key that is too long": ({"key": "k" * 129}, "INVALID_FIELD", "key"),
    "no type": ({"type": 0}, "INVALID_FIELD", "type"),
    "an unknown type": ({"type": 9}, "INVALID_FIELD", "type"),
    "a long name": ({"name": "n" * 257}, "INVALID_FIELD", "name"),
    "a schema that is no JSON": ({"input_schema_json": "{"}, "INVALID_JSON", "input_schema_json"),
    "a schema that is a list": ({"output_schema_json": "[]"}, "TASK_DEFINITION_INVALID", "output_schema_json"),
    "a schema that is none": (
        {"input_schema_json": '{"type": "objekt"}'},
        "TASK_DEFINITION_INVALID",
        "input_schema_json",
    ),
    "a schema beyond the limit": (
        {"input_schema_json": json.dumps({"description": "x" * 200_000})},
        "INVALID_JSON",
        "input_schema_json",
    ),
}


@pytest.mark.parametrize(("fields", "reason", "field"), BAD.values(), ids=BAD)
def test_a_bad_field_is_named(api, fields, reason, field):
    with refused("INVALID_ARGUMENT", reason) as refusals:
        api.call("CreateTaskDefinition", **{"key": "k", "type": "TYPE_AUTOMATED"} | fields)

    assert refusals[0].fields[0] == field
    assert not api.call("ListTaskDefinitions").task_definitions


IMPLEMENTATIONS = {
    "no type": ("TYPE_AUTOMATED", {}, "/type: a task of type AUTOMATED is performed by a step of type task or http"),
    "a person for a machine": ("TYPE_AUTOMATED", {"type": "human.form"}, "/type"),
    "a machine for a person": ("TYPE_MANUAL", {"type": "task", "task": "a"}, "/type"),
    "a sub-workflow": ("TYPE_AUTOMATED", {"type": "sys.sub_workflow"}, "/type"),
    "http without url": ("TYPE_AUTOMATED", {"type": "http"}, '"url" is a required property'),
    "a bad address": ("TYPE_AUTOMATED", {"type": "http", "url": "ftp://x.example"}, "/url"),
    "a password": ("TYPE_AUTOMATED", {"type": "http", "url": "https://u:p@x.example/"}, "/url"),
    "a bad timeout": ("TYPE_AUTOMATED", {"type": "task", "task": "a", "timeout": "soon"}, "/timeout"),
    "a timeout beyond the limit": (
        "TYPE_AUTOMATED",
        {"type": "http", "url": "https://x.example/", "timeout": "PT1H"},
        "/timeout",
    ),
    "a bad retry policy": ("TYPE_AUTOMATED", {"type": "task", "task": "a", "retry": {"maxAttempts": 0}}, "/retry"),
    "a bad form": ("TYPE_MANUAL", {"type": "human.form", "formSchema": {"type": "x"}}, "/formSchema"),
    "a typing mistake": ("TYPE_AUTOMATED", {"type": "task", "task": "a", "time_out": 1}, "/time_out"),
    "an input": ("TYPE_AUTOMATED", {"type": "task", "task": "a", "input": {}}, "/input"),
    "itself": ("TYPE_AUTOMATED", {"type": "task", "taskDefinition": "k"}, "/taskDefinition"),
    "an expression that does not parse": (
        "TYPE_AUTOMATED",
        {"type": "http", "method": "PUT", "url": "https://x.example/", "body": {"a": "{% 1 + %}"}},
        "/body/a",
    ),
    "a name of the workflow's": (
        "TYPE_AUTOMATED",
        {"type": "http", "url": "{% __context__.url %}"},
        'nothing has the name "__context__" here',
    ),
    "the time": ("TYPE_MANUAL", {"type": "human.confirm", "title": "{% $now() %}"}, "/title: it asks for the time"),
}


@pytest.mark.parametrize(("type", "implementation", "message"), IMPLEMENTATIONS.values(), ids=IMPLEMENTATIONS)
def test_an_implementation_that_could_not_perform_the_task_is_refused(api, type, implementation, message):
    with refused("INVALID_ARGUMENT", "TASK_DEFINITION_INVALID") as refusals:
        create(api, type=type, implementation_json=json.dumps(implementation))

    assert message in refusals[0].message


def test_a_step_may_only_name_what_there_is(api, other):
    create(other)
    charge = step("a", "task", taskDefinition="charge_card")

    assert findings(api, charge) == [("TASK_DEFINITION_EXISTS", "/steps/1/taskDefinition")]
    first = create(api)
    assert findings(api, charge) == []
    assert findings(api, step("a", "task", taskDefinition={"key": "charge_card", "version": 2})) == [
        ("TASK_DEFINITION_EXISTS", "/steps/1/taskDefinition")
    ]
    update(api, first, name="New")
    assert findings(api, step("a", "task", taskDefinition={"key": "charge_card", "version": 2})) == []
    optional = step("b", "task", taskDefinition={"key": "nobody", "optional": True})
    assert findings(api, charge, optional) == [("TASK_DEFINITION_MISSING", "/steps/2/taskDefinition")]


def test_a_published_version_keeps_the_task_definition_that_it_was_published_with(api):
    first = create(api, implementation_json=json.dumps({"type": "task", "task": "old"}))
    definition = json.dumps(chain(step("a", "task", taskDefinition="charge_card")))
    template = a_template(api)
    version = api.call("PublishVersion", version_id=a_draft(api, template, definition_json=definition).id).version
    digest = api.call("ValidateVersion", version_id=version.id).plan_digest
    draft = a_draft(api, template, "2", definition_json=definition)
    assert api.call("ValidateVersion", version_id=draft.id).plan_digest == digest

    update(api, first, implementation_json=json.dumps({"type": "task", "task": "new"}))

    assert api.call("ValidateVersion", version_id=version.id).plan_digest == digest
    assert api.call("ValidateVersion", version_id=draft.id).plan_digest != digest
    api.call("DeleteTaskDefinition", task_definition_id=first.id)
    assert not api.call("GetVersion", version_id=version.id).version.findings
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
        api.call("PublishVersion", version_id=draft.id)
    assert api.call("ValidateVersion", version_id=version.id).plan_digest == digest
