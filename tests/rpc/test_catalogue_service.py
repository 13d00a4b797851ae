from __future__ import annotations

import json
from typing import Any

import pytest

from service.domain.catalogue import MAX_ENTRIES, MAX_TASK_GROUPS, MAX_TASKS, MAX_TYPES
from tests.definition.definitions import chain, step
from tests.end_to_end.api import Api, refused
from tests.rpc.registry import a_draft, a_template, at_once, reasons

INDIA = {
    "types": [
        {
            "key": "INDIA",
            "name": "India Pvt Ltd",
            "task_groups": [
                {"key": "FILING", "name": "Filing", "tasks": [{"key": "FILE_MCA", "name": "File with MCA"}]},
                {"key": "DSC", "tasks": [{"key": "COLLECT"}]},
            ],
        },
        {"key": "FILING", "task_groups": [{"key": "INDIA", "tasks": [{"key": "FILING"}]}]},
    ]
}
LEGACY = chain(
    step("file", "human.confirm", legacyServiceRequestTaskKey="FILE_MCA"),
    legacyServiceRequestType="INDIA",
    stepGroups=[{"id": "g", "stepIds": ["file"], "legacyServiceRequestTaskGroupKey": "FILING"}],
)


def put(api: Api, catalogue: Any, **fields: Any) -> Any:
    return api.call("PutCatalogue", catalogue=catalogue, **fields).catalogue


def get(api: Api) -> Any:
    return api.call("GetCatalogue").catalogue


def types(*keys: str) -> dict[str, Any]:
    return {"types": [{"key": key} for key in keys]}


def validate(api: Api, definition: Any) -> list[tuple[str, str]]:
    answer = api.call("ValidateVersion", definition_json=json.dumps(definition))
    return [(finding.rule, finding.pointer) for finding in answer.findings]


def test_a_catalogue_is_kept_as_it_was_put(api):
    stored = put(api, INDIA)

    assert get(api) == stored
    assert [type.key for type in stored.types] == ["INDIA", "FILING"]
    assert stored.types[0].task_groups[0].tasks[0].name == "File with MCA"
    assert (stored.types[1].task_groups[0].key, stored.types[1].task_groups[0].tasks[0].key) == ("INDIA", "FILING")
    assert stored.create_time == stored.update_time


def test_a_workspace_begins_without_a_catalogue(api):
    with refused("NOT_FOUND", "CATALOGUE_NOT_FOUND"):
        get(api)


def test_a_put_replaces_the_whole(api):
    first = put(api, INDIA)

    second = put(api, types("SINGAPORE"), etag=first.etag)

    assert [type.key for type in get(api).types] == ["SINGAPORE"]
    assert second.etag != first.etag
    assert second.create_time == first.create_time
    assert put(api, {}).types == []


def test_a_put_meant_for_another_edition_is_refused(api):
    with refused("ABORTED", "ETAG_MISMATCH"):
        put(api, INDIA, etag="1")
    first = put(api, INDIA)
    second = put(api, types("A"))

    with refused("ABORTED", "ETAG_MISMATCH"):
        put(api, types("B"), etag=first.etag)

    assert get(api) == second


def test_a_put_is_done_once(api):
    first = put(api, INDIA, request_id="one")
    put(api, types("A"))

    assert put(api, INDIA, request_id="one") == first
    assert [type.key for type in get(api).types] == ["A"]
    with refused("ALREADY_EXISTS", "REQUEST_ID_REUSED"):
        put(api, types("B"), request_id="one")


def test_what_is_output_only_is_not_looked_at(api):
    stored = put(api, {**types("A"), "etag": "7", "create_time": {"seconds": 1}})

    assert stored.etag == "1"
    assert stored.create_time.seconds > 1


def test_of_two_first_puts_at_once_one_is_kept(api):
    outcomes = at_once(*(lambda key=key: put(api, types(key)) for key in "AB"))

    assert reasons(outcomes) in ([], ["CONCURRENT_CHANGE"])
    assert [type.key for type in get(api).types] in (["A"], ["B"])


def test_of_two_puts_for_one_edition_one_is_kept(api):
    etag = put(api, INDIA).etag

    outcomes = at_once(*(lambda key=key: put(api, types(key), etag=etag) for key in "AB"))

    assert reasons(outcomes) == ["ETAG_MISMATCH"]
    (kept,) = [outcome for outcome in outcomes if outcome.__class__.__name__ == "Catalogue"]
    assert get(api) == kept


def task_groups(*groups: dict[str, Any]) -> dict[str, Any]:
    return {"types": [{"key": "A", "task_groups": list(groups)}]}


@pytest.mark.parametrize(
    ("catalogue", "field", "rule"),
    [
        (types("A", "B", "A"), "catalogue.types[2].key", "catalogue.types[0] has that key already"),
        (types(""), "catalogue.types[0].key", "it must have 1 to 128 characters"),
        (types(" A"), "catalogue.types[0].key", "it must not begin or end with space"),
        (types("A\n"), "catalogue.types[0].key", "space"),
        (types("A" * 129), "catalogue.types[0].key", "1 to 128"),
        ({"types": [{"key": "A", "name": "n" * 257}]}, "catalogue.types[0].name", "at most 256"),
        ({"types": [{"key": "A", "name": "\0"}]}, "catalogue.types[0].name", "NUL"),
        (
            task_groups({"key": "G"}, {"key": "G"}),
            "catalogue.types[0].task_groups[1].key",
            "task_groups[0] has that key",
        ),
        (
            task_groups({"key": "G", "tasks": [{"key": "T"}, {"key": "T"}]}),
            "catalogue.types[0].task_groups[0].tasks[1].key",
            "tasks[0] has that key",
        ),
        (task_groups({"key": "G", "tasks": [{}]}), "catalogue.types[0].task_groups[0].tasks[0].key", "1 to 128"),
        (types(*map(str, range(MAX_TYPES + 1))), "catalogue.types", "1,000"),
        (task_groups(*({"key": str(n)} for n in range(MAX_TASK_GROUPS + 1))), "catalogue.types[0].task_groups", "200"),
        (
            task_groups({"key": "G", "tasks": [{"key": str(n)} for n in range(MAX_TASKS + 1)]}),
            "catalogue.types[0].task_groups[0].tasks",
            "200",
        ),
        (
            task_groups(
                *({"key": str(n), "tasks": [{"key": str(m)} for m in range(MAX_TASKS)]} for n in range(MAX_TASK_GROUPS))
            ),
            "catalogue.types",
            f"{MAX_ENTRIES:,}",
        ),
        (None, "catalogue", "must be given"),
    ],
)
def test_a_bad_catalogue_is_refused_and_nothing_changes(api, catalogue, field, rule):
    stored = put(api, INDIA)

    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        put(api, catalogue)

    assert refusals[0].fields == [field]
    assert field in refusals[0].message
    assert rule in refusals[0].message
    assert get(api) == stored


def test_the_largest_catalogue_is_taken(api):
    tasks = [{"key": f"TASK_{n}", "name": "x" * 40} for n in range(MAX_TASKS - 1)]
    groups = [{"key": f"GROUP_{n}", "tasks": tasks} for n in range(99)]
    catalogue = {"types": [{"key": "A", "task_groups": groups}]}

    stored = put(api, catalogue)

    assert len(stored.types[0].task_groups) == 99
    assert get(api) == stored


def test_a_catalogue_is_its_workspaces_own(api, other):
    put(api, INDIA)

    with refused("NOT_FOUND", "CATALOGUE_NOT_FOUND"):
        get(other)
    assert validate(other, {**LEGACY, "legacyServiceRequestType": "X"}) == []
    theirs = put(other, types("INDIA"))
    assert (get(api).etag, get(other)) == ("1", theirs)


# Definitions and the catalogue.


def test_without_a_catalogue_nothing_is_asked_of_it(api):
    assert validate(api, LEGACY) == []


def test_a_definition_is_checked_against_the_catalogue(api):
    put(api, INDIA)

    assert validate(api, LEGACY) == []
    assert validate(api, {**LEGACY, "legacyServiceRequestType": "INDAI"}) == [
        ("LEGACY_SERVICE_REQUEST_TYPE_EXISTS", "/legacyServiceRequestType")
    ]


def test_a_draft_meets_the_catalogue_as_it_is_now(api):
    draft = a_draft(api, a_template(api), definition_json=json.dumps(LEGACY))
    assert not draft.findings
    put(api, types("SINGAPORE"))

    assert [found.rule for found in api.call("GetVersion", version_id=draft.id).version.findings] == [
        "LEGACY_SERVICE_REQUEST_TYPE_EXISTS"
    ]
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
        api.call("PublishVersion", version_id=draft.id)
    put(api, INDIA)
    assert not api.call("PublishVersion", version_id=draft.id).version.findings


def test_a_changed_catalogue_never_changes_a_published_version(api):
    put(api, INDIA)
    draft = a_draft(api, a_template(api), definition_json=json.dumps(LEGACY))
    published = api.call("PublishVersion", version_id=draft.id).version
    valid = api.call("ValidateVersion", version_id=draft.id)

    put(api, types("SINGAPORE"))

    assert api.call("GetVersion", version_id=draft.id).version == published
    assert api.call("ValidateVersion", version_id=draft.id) == valid
    assert valid.valid
    api.call("ActivateVersion", version_id=draft.id)
    assert api.call("StartExecution", version_id=draft.id, input_json="{}").execution.id
    copied = api.call("CreateVersion", template_id=draft.template_id, label="2", starter_version_id=draft.id).version
    assert [found.rule for found in copied.findings] == ["LEGACY_SERVICE_REQUEST_TYPE_EXISTS"]
