from __future__ import annotations

import pytest

from heddle.v1.error_reason_pb2 import ErrorReason
from tests.end_to_end.api import entity, refused
from tests.rpc.registry import a_template, an_active

US = entity("SERVICE_CATALOG", "US_C_CORP")


@pytest.fixture
def template(api):
    return a_template(api)


@pytest.fixture
def link(api, template):
    return api.call("CreateLink", entity=US, template_id=template.id).link


def test_a_link_is_found_by_id_and_by_entity(api, link, template):
    assert (link.entity, link.template_id) == (US, template.id)
    assert api.call("GetLink", link_id=link.id).link == link
    assert api.call("GetLink", entity=US).link == link


def test_an_entity_is_linked_once(api, link, template):
    with refused("ALREADY_EXISTS", "LINK_ENTITY_EXISTS"):
        api.call("CreateLink", entity=US, template_id=template.id)

    api.call("CreateLink", entity=entity("PRODUCT", "US_C_CORP"), template_id=template.id)


def test_a_link_moves_to_another_template(api, link):
    second = a_template(api, "Second")

    moved = api.call("UpdateLink", link_id=link.id, template_id=second.id, etag=link.etag).link

    assert (moved.id, moved.template_id) == (link.id, second.id)
    assert moved.etag != link.etag
    with refused("ABORTED", "ETAG_MISMATCH"):
        api.call("UpdateLink", link_id=link.id, template_id=second.id, etag=link.etag)


@pytest.mark.parametrize("method", ["CreateLink", "UpdateLink"])
def test_a_link_to_no_template_is_refused(api, link, method):
    fields = {"link_id": link.id} if method == "UpdateLink" else {"entity": entity("PRODUCT", "x")}

    with refused("NOT_FOUND", "TEMPLATE_NOT_FOUND"):
        api.call(method, template_id="nothing", **fields)


def test_a_deleted_link_is_gone(api, link):
    api.call("DeleteLink", link_id=link.id)

    with refused("NOT_FOUND", "LINK_NOT_FOUND"):
        api.call("GetLink", entity=US)
    with refused("NOT_FOUND", "LINK_NOT_FOUND"):
        api.call("DeleteLink", link_id=link.id)


def test_links_are_listed_newest_first_by_template_and_type(api, link, template):
    second = a_template(api, "Second")
    product = api.call("CreateLink", entity=entity("PRODUCT", "x"), template_id=second.id).link

    def ids(**filters):
        return [link.id for link in api.call("ListLinks", **filters).links]

    assert ids() == [product.id, link.id]
    assert ids(template_id=template.id) == [link.id]
    assert ids(entity_type="PRODUCT") == [product.id]
    assert ids(entity_type="PRODUCT", template_id=template.id) == []


def test_resolving_says_what_would_start(api, link, template):
    version = an_active(api, template)

    answer = api.call("ResolveLink", entity=US)

    assert (answer.link, answer.template.id, answer.version.id) == (link, template.id, version.id)
    assert answer.startable
    assert answer.reason == ErrorReason.ERROR_REASON_UNSPECIFIED
    assert answer.explanation == (
        'SERVICE_CATALOG "US_C_CORP" is linked to template customer-verification; '
        "version 1.0.0 would start: it is the active one"
    )
    assert not answer.version.definition_json


def test_resolving_says_why_nothing_would_start(api, link, template):
    answer = api.call("ResolveLink", entity=US)
    assert not answer.startable
    assert answer.reason == ErrorReason.ERROR_REASON_TEMPLATE_HAS_NO_ACTIVE_VERSION
    assert answer.explanation.startswith(
        'SERVICE_CATALOG "US_C_CORP" is linked to template customer-verification; '
        "template customer-verification has no active version"
    )
    assert not answer.HasField("version")

    an_active(api, template)
    api.call("ArchiveTemplate", template_id=template.id)

    answer = api.call("ResolveLink", entity=US)
    assert not answer.startable
    assert answer.reason == ErrorReason.ERROR_REASON_TEMPLATE_ARCHIVED
    assert answer.explanation.endswith("template customer-verification is archived")
    assert answer.version.label == "1.0.0"


def test_what_is_not_linked_is_not_found(api):
    with refused("NOT_FOUND", "LINK_NOT_FOUND") as refusals:
        api.call("ResolveLink", entity=US)

    assert refusals[0].message == '"SERVICE_CATALOG" "US_C_CORP" is not linked to a template'


def test_a_nul_in_an_entity_is_named(api):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("GetLink", entity=entity("PRODUCT", "\0"))

    assert refusals[0].fields == ["entity.id"]


def test_resolving_starts_nothing(api, link, template):
    an_active(api, template)

    api.call("ResolveLink", entity=US)

    assert not api.call("ListExecutions").executions
    assert not api.call("ListTriggerRecords", entity=US).trigger_records


@pytest.mark.parametrize(
    ("type_", "id_", "field"),
    [
        ("product", "x", "entity.type"),
        ("", "x", "entity.type"),
        ("PRODUCT", "", "entity.id"),
        ("PRODUCT", "x" * 257, "entity.id"),
    ],
)
def test_a_bad_entity_is_refused(api, template, type_, id_, field):
    with refused("INVALID_ARGUMENT", "INVALID_FIELD") as refusals:
        api.call("CreateLink", entity=entity(type_, id_), template_id=template.id)

    assert refusals[0].fields == [field]
