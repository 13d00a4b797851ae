from __future__ import annotations

import hashlib
import json

import pytest
from google.rpc import error_details_pb2

from heddle.v1.finding_pb2 import DefinitionFindings, Finding
from heddle.v1.template_pb2 import Template
from heddle.v1.version_pb2 import Version
from tests.end_to_end.api import refused
from tests.rpc.registry import INVALID, OTHER, VALID, a_draft, a_published, a_template, an_active, an_execution, detail


@pytest.fixture
def template(api):
    return a_template(api)


def test_a_version_begins_as_a_draft_with_its_bytes_kept(api, template):
    odd = VALID.replace('"name"', '\n  "name"', 1).replace("Verification", "Pr\\u00fcfung ü 1.0e2")

    version = a_draft(api, template, "0.1", odd, note="first")

    assert version.definition_json == odd
    assert version.digest == hashlib.sha256(odd.encode()).hexdigest()
    assert (version.number, version.label, version.note, version.dialect) == (1, "0.1", "first", "graph")
    assert version.status == Version.STATUS_DRAFT
    assert not version.HasField("plan_digest")
    assert not version.findings
    assert api.call("GetVersion", version_id=version.id).version == version


def test_numbers_count_up_and_labels_are_unique(api, template):
    assert [a_draft(api, template, label).number for label in ("1.0.0", "2.0.0")] == [1, 2]

    with refused("ALREADY_EXISTS", "VERSION_LABEL_EXISTS"):
        a_draft(api, template, "1.0.0")
    assert a_draft(api, template, "3.0.0").number == 3
    assert a_draft(api, a_template(api, "Other"), "1.0.0").number == 1


def test_a_draft_may_be_wrong_and_says_how(api, template):
    version = a_draft(api, template, definition_json=INVALID)

    assert Finding.SEVERITY_ERROR in {finding.severity for finding in version.findings}
    assert api.call("GetVersion", version_id=version.id).version.findings == version.findings
    mended = api.call("UpdateVersion", version_id=version.id, definition_json=VALID).version
    assert not mended.findings


def test_a_starter_version_is_copied(api, template):
    first = an_active(api, template)

    version = api.call("CreateVersion", template_id=template.id, label="2.0.0", starter_version_id=first.id).version

    assert (version.definition_json, version.dialect, version.status) == (VALID, "graph", Version.STATUS_DRAFT)


def test_a_starter_version_is_of_the_same_template(api, template):
    foreign = a_draft(api, a_template(api, "Other"))

    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        api.call("CreateVersion", template_id=template.id, label="1", starter_version_id=foreign.id)


@pytest.mark.parametrize(
    "definition", ["", "{", "[]", "null", '"x"', "NaN", '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1}//', "{'a': 1}"]
)
def test_what_is_no_strict_json_object_is_not_saved(api, template, definition):
    with refused("INVALID_ARGUMENT", "INVALID_JSON") as refusals:
        a_draft(api, template, definition_json=definition)

    assert refusals[0].fields == ["definition_json"]
    assert not api.call("ListVersions", template_id=template.id).versions


@pytest.mark.parametrize(
    "definition",
    ['{"a": "\\u0000"}', '{"a": "\\ud800"}', '{"a": "\0"}', '{"a": ' + "[" * 9000 + "]" * 9000 + "}"],
    ids=["NUL", "lone surrogate", "raw NUL", "deep"],
)
def test_json_that_no_database_can_hold_is_not_saved(api, template, definition):
    with refused("INVALID_ARGUMENT"):
        a_draft(api, template, definition_json=definition)


def test_a_definition_has_a_limit_in_bytes(api, template):
    def of(size: int) -> str:
        return VALID[:-1] + ', "ui": "' + "ü" * ((size - len(VALID) - 12) // 2) + '"}'

    assert 1_048_570 <= len(of(1_048_576).encode()) <= 1_048_576
    a_draft(api, template, definition_json=of(1_048_576))
    with refused("INVALID_ARGUMENT", "INVALID_JSON") as refusals:
        a_draft(api, template, "2", definition_json=of(1_048_600))
    assert "1,048,576" in refusals[0].message or "1048576" in refusals[0].message


def test_an_unknown_dialect_is_refused(api, template):
    with refused("INVALID_ARGUMENT", "UNKNOWN_DIALECT") as refusals:
        a_draft(api, template, dialect="bpmn")

    assert refusals[0].fields == ["dialect"]
    assert 'dialect is "bpmn": it must be one of' in refusals[0].message


def test_a_version_needs_a_source(api, template):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("CreateVersion", template_id=template.id, label="1")

    assert refusals[0].message == "definition_json or starter_version_id must be given"


@pytest.mark.parametrize("label", ["", " 1", "x" * 129])
def test_a_bad_label_is_refused(api, template, label):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        a_draft(api, template, label)

    assert refusals[0].fields == ["label"]


def test_publishing_freezes(api, template):
    version = a_published(api, template)

    assert version.status == Version.STATUS_PUBLISHED
    assert version.plan_digest
    assert version.HasField("publish_time")
    with refused("FAILED_PRECONDITION", "VERSION_NOT_DRAFT") as refusals:
        api.call("UpdateVersion", version_id=version.id, note="x")
    assert refusals[0].message == "cannot edit version 1.0.0: it is PUBLISHED"
    with refused("FAILED_PRECONDITION", "VERSION_NOT_DRAFT"):
        api.call("PublishVersion", version_id=version.id)
    assert api.call("GetVersion", version_id=version.id).version == version


def test_publishing_refuses_errors_and_tells_all_findings(api, template):
    version = a_draft(api, template, definition_json=INVALID)

    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID") as refusals:
        api.call("PublishVersion", version_id=version.id)
    told = detail(DefinitionFindings, lambda: api.call("PublishVersion", version_id=version.id))

    rules = [finding.rule for finding in version.findings]
    assert refusals[0].facts["errors"] == str(sum(f.severity == Finding.SEVERITY_ERROR for f in version.findings))
    assert rules[0] in refusals[0].message
    assert [finding.rule for finding in told.findings] == rules
    assert api.call("GetVersion", version_id=version.id).version == version


def test_a_thousand_findings_still_fit_into_an_error(api, template):
    steps = ",".join('{"id": "same", "type": "human.confirm", "name": "x"}' for _ in range(1000))
    definition = f'{{"id": "x", "name": "x", "steps": [{steps}], "stepTransitions": []}}'
    version = a_draft(api, template, definition_json=definition)

    told = detail(DefinitionFindings, lambda: api.call("PublishVersion", version_id=version.id))

    assert told.findings
    assert len(told.findings) + told.omitted == len(version.findings)


def test_only_a_published_version_is_activated(api, template):
    version = a_draft(api, template)

    with refused("FAILED_PRECONDITION", "VERSION_NOT_PUBLISHED") as refusals:
        api.call("ActivateVersion", version_id=version.id)
    assert refusals[0].message == "cannot activate version 1.0.0: it is DRAFT"

    api.call("PublishVersion", version_id=version.id)
    answer = api.call("ActivateVersion", version_id=version.id)

    assert answer.template.active_version_id == version.id
    assert answer.template.state == Template.STATE_ACTIVE
    assert answer.version.status == Version.STATUS_PUBLISHED


def test_activating_another_version_moves_the_pointer(api, template):
    an_active(api, template, "1")
    second = an_active(api, template, "2")

    assert api.call("GetTemplate", template_id=template.id).template.active_version_id == second.id


def test_the_etag_of_an_activation_is_the_templates(api, template):
    version = a_published(api, template)

    with refused("ABORTED", "ETAG_MISMATCH"):
        api.call("ActivateVersion", version_id=version.id, etag="99")
    answer = api.call("ActivateVersion", version_id=version.id, etag=template.etag)

    assert answer.template.etag != template.etag


def test_the_active_version_is_deprecated_only_after_another_is_active(api, template):
    first = an_active(api, template, "1")

    with refused("FAILED_PRECONDITION", "VERSION_ACTIVE"):
        api.call("DeprecateVersion", version_id=first.id)
    an_active(api, template, "2")

    deprecated = api.call("DeprecateVersion", version_id=first.id).version
    assert deprecated.status == Version.STATUS_DEPRECATED
    assert deprecated.HasField("deprecate_time")


def test_a_version_is_deprecated_once_its_template_is_deactivated(api, template):
    version = an_active(api, template)
    api.call("DeactivateTemplate", template_id=template.id)

    api.call("DeprecateVersion", version_id=version.id)

    with refused("FAILED_PRECONDITION", "VERSION_NOT_PUBLISHED"):
        api.call("ActivateVersion", version_id=version.id)
    with refused("FAILED_PRECONDITION", "VERSION_NOT_PUBLISHED"):
        api.call("DeprecateVersion", version_id=version.id)


def test_a_draft_is_not_deprecated(api, template):
    version = a_draft(api, template)

    with refused("FAILED_PRECONDITION", "VERSION_NOT_PUBLISHED"):
        api.call("DeprecateVersion", version_id=version.id)


def test_a_version_that_never_ran_is_deleted(api, template):
    version = an_active(api, template)

    with refused("FAILED_PRECONDITION", "VERSION_ACTIVE"):
        api.call("DeleteVersion", version_id=version.id)
    api.call("DeactivateTemplate", template_id=template.id)
    api.call("DeleteVersion", version_id=version.id)

    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        api.call("GetVersion", version_id=version.id)
    assert a_draft(api, template, "1.0.0").number == 2


def test_a_version_that_ran_is_not_deleted(api, template):
    version = a_published(api, template)
    an_execution(api, version)

    with refused("FAILED_PRECONDITION", "VERSION_IN_USE"):
        api.call("DeleteVersion", version_id=version.id)


@pytest.mark.parametrize("method", ["UpdateVersion", "PublishVersion", "DeprecateVersion", "DeleteVersion"])
def test_a_change_meant_for_another_edition_is_refused(api, template, method):
    version = a_draft(api, template)

    with refused("ABORTED", "ETAG_MISMATCH"):
        api.call(method, version_id=version.id, etag="old")

    assert api.call("GetVersion", version_id=version.id).version == version


def test_an_update_changes_what_is_given(api, template):
    version = a_draft(api, template, note="n")

    changed = api.call("UpdateVersion", version_id=version.id, label="1.0.1", etag=version.etag).version

    assert (changed.label, changed.note, changed.definition_json) == ("1.0.1", "n", VALID)
    assert changed.etag != version.etag


def test_an_update_takes_no_label_of_another_version(api, template):
    a_draft(api, template, "1")
    version = a_draft(api, template, "2")

    with refused("ALREADY_EXISTS", "VERSION_LABEL_EXISTS"):
        api.call("UpdateVersion", version_id=version.id, label="1")


def test_validating_tells_and_changes_nothing(api, template):
    version = a_draft(api, template, definition_json=INVALID)
    published = a_published(api, template, "2")

    stored = api.call("ValidateVersion", version_id=version.id)
    unstored = api.call("ValidateVersion", definition_json=OTHER)
    valid = api.call("ValidateVersion", version_id=published.id)

    assert (stored.valid, list(stored.findings)) == (False, list(version.findings))
    assert not stored.HasField("plan_digest")
    assert (unstored.valid, list(unstored.findings)) == (True, [])
    assert (valid.valid, valid.plan_digest) == (True, published.plan_digest)


def test_versions_are_listed_newest_first_without_definitions(api, template):
    first, second = a_published(api, template, "1"), a_draft(api, template, "2", INVALID)

    answer = api.call("ListVersions", template_id=template.id)

    assert [version.id for version in answer.versions] == [second.id, first.id]
    assert {version.definition_json for version in answer.versions} == {""}
    drafts = api.call("ListVersions", template_id=template.id, status=Version.STATUS_DRAFT).versions
    assert [version.id for version in drafts] == [second.id]


def test_the_versions_of_no_template_are_not_found(api, template):
    assert not api.call("ListVersions", template_id=template.id).versions
    with refused("NOT_FOUND", "TEMPLATE_NOT_FOUND"):
        api.call("ListVersions", template_id="nothing")


def test_an_error_leads_to_its_page(api):
    page = detail(error_details_pb2.Help, lambda: api.call("GetVersion", version_id="nothing"))

    assert page.links[0].url == "docs/errors/VERSION_NOT_FOUND.md"


ORCHESTRATOR = """{
  "name": "Order",
  "steps": [{"stepId": "pay", "type": "TASK", "taskId": "charge_card", "input": {"id": "${workflow.input.id}"}}]
}"""


def test_a_definition_of_another_dialect_is_kept_and_its_translation_can_be_read(api, template):
    version = a_draft(api, template, definition_json=ORCHESTRATOR, dialect="orchestrator")

    told = api.call("GetVersion", version_id=version.id, include_native=True)

    assert told.version.definition_json == ORCHESTRATOR
    missing = [(finding.rule, finding.pointer) for finding in told.version.findings]
    assert missing == [("TASK_DEFINITION_MISSING", "/steps/0/taskId")]
    native = json.loads(told.native_definition_json)
    assert [(step["id"], step["type"]) for step in native["steps"]] == [
        ("start", "start"), ("pay", "task"), ("end", "end"),
    ]  # fmt: skip
    assert native["steps"][1]["input"] == {"id": "{% __context__.id %}"}
    checked = api.call("ValidateVersion", definition_json=told.native_definition_json, include_native=True)
    assert checked.valid
    assert checked.native_definition_json == told.native_definition_json
    stored = api.call("ValidateVersion", version_id=version.id, include_native=True)
    assert stored.native_definition_json == told.native_definition_json
    assert stored.plan_digest == checked.plan_digest


def test_a_translation_is_told_only_when_asked_for(api, template):
    version = a_draft(api, template, definition_json=ORCHESTRATOR, dialect="orchestrator")

    assert not api.call("GetVersion", version_id=version.id).HasField("native_definition_json")
    assert not api.call("ValidateVersion", version_id=version.id).HasField("native_definition_json")


def test_findings_in_another_dialect_stand_at_the_places_of_its_author(api, template):
    wrong = ORCHESTRATOR.replace("workflow.input.id", "workflow.state.steps.paid.output.id")

    version = a_draft(api, template, definition_json=wrong, dialect="orchestrator")

    errors = [finding for finding in version.findings if finding.severity == Finding.SEVERITY_ERROR]
    assert [finding.pointer for finding in errors] == ["/steps/0/input/id"]
    with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
        api.call("PublishVersion", version_id=version.id)
