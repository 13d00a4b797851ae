from __future__ import annotations

import pytest

from heddle.v1.template_pb2 import Template
from tests.end_to_end.api import entity, refused
from tests.rpc.registry import a_published, a_template, an_active, an_execution


def test_a_template_begins_as_a_draft(api):
    template = a_template(api, "Customer Verification", description="Who is it?")

    assert (template.key, template.name, template.description) == (
        "customer-verification",
        "Customer Verification",
        "Who is it?",
    )
    assert template.state == Template.STATE_DRAFT
    assert not template.HasField("active_version_id")
    assert template.etag
    assert template.create_time == template.update_time


def test_a_template_is_found_by_id_and_by_key(api):
    template = a_template(api, key="kyc")

    assert api.call("GetTemplate", template_id=template.id).template == template
    assert api.call("GetTemplate", template_key="kyc").template == template


def test_a_key_is_taken_once(api, other):
    a_template(api)

    with refused("ALREADY_EXISTS", "TEMPLATE_KEY_EXISTS"):
        a_template(api)
    a_template(other)


def test_an_update_changes_what_is_given(api):
    template = a_template(api, description="x")

    changed = api.call("UpdateTemplate", template_id=template.id, name="New", etag=template.etag).template

    assert (changed.name, changed.description, changed.key) == ("New", "x", template.key)
    assert changed.etag != template.etag
    assert api.call("GetTemplate", template_id=template.id).template == changed


def test_a_field_given_empty_is_not_a_field_left_out(api):
    template = a_template(api, description="x")

    assert api.call("UpdateTemplate", template_id=template.id, description="").template.description == ""
    with refused("INVALID_ARGUMENT", "INVALID_FIELD"):
        api.call("UpdateTemplate", template_id=template.id, name="")


@pytest.mark.parametrize(
    "method", ["UpdateTemplate", "ArchiveTemplate", "UnarchiveTemplate", "DeactivateTemplate", "DeleteTemplate"]
)
def test_a_change_meant_for_another_edition_is_refused(api, method):
    template = a_template(api)

    with refused("ABORTED", "ETAG_MISMATCH"):
        api.call(method, template_id=template.id, etag="old")

    assert api.call("GetTemplate", template_id=template.id).template == template


def test_the_states_follow_from_what_is_done(api):
    template = a_template(api)
    an_active(api, template)

    states = [
        Template.State.Name(api.call(method, template_id=template.id).template.state)
        for method in ("DeactivateTemplate", "ArchiveTemplate", "UnarchiveTemplate")
    ]

    assert states == ["STATE_DRAFT", "STATE_ARCHIVED", "STATE_DRAFT"]


def test_an_archived_template_keeps_its_active_version_and_links(api):
    template = a_template(api)
    version = an_active(api, template)
    api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id)

    archived = api.call("ArchiveTemplate", template_id=template.id).template

    assert archived.state == Template.STATE_ARCHIVED
    assert archived.active_version_id == version.id
    assert api.call("GetLink", entity=entity("PRODUCT", "p")).link.template_id == template.id
    assert api.call("UnarchiveTemplate", template_id=template.id).template.state == Template.STATE_ACTIVE


@pytest.mark.parametrize(
    ("before", "method", "reason"),
    [
        ([], "DeactivateTemplate", "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        ([], "UnarchiveTemplate", "TEMPLATE_NOT_ARCHIVED"),
        (["ArchiveTemplate"], "ArchiveTemplate", "TEMPLATE_ARCHIVED"),
        (["ArchiveTemplate"], "DeactivateTemplate", "TEMPLATE_ARCHIVED"),
    ],
)
def test_what_the_state_does_not_allow_is_refused(api, before, method, reason):
    template = a_template(api)
    for step in before:
        api.call(step, template_id=template.id)

    with refused("FAILED_PRECONDITION", reason):
        api.call(method, template_id=template.id)


def test_an_archived_template_is_not_activated(api):
    template = a_template(api)
    version = a_published(api, template)
    api.call("ArchiveTemplate", template_id=template.id)

    with refused("FAILED_PRECONDITION", "TEMPLATE_ARCHIVED"):
        api.call("ActivateVersion", version_id=version.id)


def test_deleting_a_template_deletes_its_versions_and_links(api):
    template = a_template(api)
    version = an_active(api, template)
    link = api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id).link

    api.call("DeleteTemplate", template_id=template.id)

    with refused("NOT_FOUND", "TEMPLATE_NOT_FOUND"):
        api.call("GetTemplate", template_id=template.id)
    with refused("NOT_FOUND", "VERSION_NOT_FOUND"):
        api.call("GetVersion", version_id=version.id)
    with refused("NOT_FOUND", "LINK_NOT_FOUND"):
        api.call("GetLink", link_id=link.id)


def test_a_template_that_ran_is_not_deleted(api):
    template = a_template(api)
    an_execution(api, a_published(api, template))

    with refused("FAILED_PRECONDITION", "TEMPLATE_IN_USE"):
        api.call("DeleteTemplate", template_id=template.id)


def test_templates_are_listed_newest_first_by_state(api):
    drafts = [a_template(api, f"T{number}") for number in range(3)]
    an_active(api, drafts[1])
    api.call("ArchiveTemplate", template_id=drafts[2].id)

    def keys(state):
        return [template.key for template in api.call("ListTemplates", state=state).templates]

    assert keys(Template.STATE_UNSPECIFIED) == ["t2", "t1", "t0"]
    assert keys(Template.STATE_DRAFT) == ["t0"]
    assert keys(Template.STATE_ACTIVE) == ["t1"]
    assert keys(Template.STATE_ARCHIVED) == ["t2"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"name": "x", "key": "No Slug"}, "key"),
        ({"name": "x", "description": "x" * 4097}, "description"),
        ({"name": "x", "description": "a\0"}, "description"),
        ({"name": "x", "request_id": ""}, "request_id"),
        ({"name": "x", "request_id": "x" * 129}, "request_id"),
        ({"name": "x", "request_id": "two words"}, "request_id"),
    ],
)
def test_a_bad_field_is_named(api, fields, field):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("CreateTemplate", **fields)

    assert refusals[0].fields == [field]
    assert refusals[0].message.startswith(f"{field} ")


def test_a_get_without_a_target_is_refused(api):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("GetTemplate")

    assert refusals[0].message == "template_id or template_key must be given"


def test_a_state_that_does_not_exist_is_refused(api):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("ListTemplates", state=99)

    assert refusals[0].message.startswith("state is 99: it must be one of STATE_DRAFT = 1,")
