"""Calls that meet: whoever wins, the active version is a PUBLISHED one and what was published stays (F34 to F36)."""

from __future__ import annotations

import pytest

from heddle.v1.version_pb2 import Version
from tests.end_to_end.api import Refusal, entity
from tests.rpc.registry import OTHER, VALID, a_draft, a_published, a_template, an_active, at_once, reasons

ROUNDS = pytest.mark.parametrize("round_", range(10))


@pytest.fixture
def template(api):
    return a_template(api)


def assert_active_is_published(api, template):
    template = api.call("GetTemplate", template_id=template.id).template
    if template.HasField("active_version_id"):
        version = api.call("GetVersion", version_id=template.active_version_id).version
        assert version.status == Version.STATUS_PUBLISHED
        assert version.template_id == template.id


@ROUNDS
def test_one_of_two_publishers_wins(api, template, round_):
    version = a_draft(api, template)

    outcomes = at_once(*[lambda: api.call("PublishVersion", version_id=version.id)] * 4)

    assert reasons(outcomes) == ["VERSION_NOT_DRAFT"] * 3


@ROUNDS
def test_publishing_and_editing_leave_what_was_published(api, template, round_):
    version = a_draft(api, template)

    published, edited = at_once(
        lambda: api.call("PublishVersion", version_id=version.id).version,
        lambda: api.call("UpdateVersion", version_id=version.id, definition_json=OTHER).version,
    )

    assert published.definition_json == (VALID if isinstance(edited, Refusal) else OTHER)
    assert api.call("GetVersion", version_id=version.id).version == published


@ROUNDS
def test_both_of_two_activations_happen_one_after_the_other(api, template, round_):
    versions = [a_published(api, template, label) for label in "12"]

    outcomes = at_once(*[lambda v=v: api.call("ActivateVersion", version_id=v.id).template for v in versions])

    assert not reasons(outcomes)
    last = max(outcomes, key=lambda template: int(template.etag))
    assert api.call("GetTemplate", template_id=template.id).template == last


@ROUNDS
def test_of_two_activations_with_one_etag_one_wins(api, template, round_):
    versions = [a_published(api, template, label) for label in "12"]

    outcomes = at_once(
        *[lambda v=v: api.call("ActivateVersion", version_id=v.id, etag=template.etag) for v in versions]
    )

    assert reasons(outcomes) == ["ETAG_MISMATCH"]


@ROUNDS
@pytest.mark.parametrize("method", ["DeprecateVersion", "DeleteVersion"])
def test_activating_and_retiring_a_version_exclude_each_other(api, template, method, round_):
    version = a_published(api, template)

    outcomes = at_once(
        lambda: api.call("ActivateVersion", version_id=version.id),
        lambda: api.call(method, version_id=version.id),
    )

    assert reasons(outcomes) in (["VERSION_ACTIVE"], ["VERSION_NOT_PUBLISHED"], ["VERSION_NOT_FOUND"])
    assert_active_is_published(api, template)


@ROUNDS
def test_everything_at_once_ends_in_order(api, template, round_):
    first, second = an_active(api, template, "1"), a_published(api, template, "2")
    api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id)

    outcomes = at_once(
        lambda: api.call("ActivateVersion", version_id=second.id),
        lambda: api.call("DeprecateVersion", version_id=first.id),
        lambda: api.call("DeprecateVersion", version_id=second.id),
        lambda: api.call("DeactivateTemplate", template_id=template.id),
        lambda: api.call("DeleteVersion", version_id=first.id),
        lambda: api.call("ArchiveTemplate", template_id=template.id),
        lambda: api.call("StartExecution", entity=entity("PRODUCT", "p"), input_json="{}"),
        lambda: api.call("UpdateTemplate", template_id=template.id, name="New"),
    )

    allowed = {
        "VERSION_ACTIVE",
        "VERSION_NOT_PUBLISHED",
        "VERSION_NOT_FOUND",
        "VERSION_IN_USE",
        "CONCURRENT_CHANGE",
        "TEMPLATE_ARCHIVED",
        "TEMPLATE_HAS_NO_ACTIVE_VERSION",
    }
    assert set(reasons(outcomes)) <= allowed
    assert_active_is_published(api, template)


@ROUNDS
@pytest.mark.parametrize("method", ["DeleteVersion", "DeleteTemplate"])
def test_what_is_deleted_is_not_started(api, template, method, round_):
    version = an_active(api, template) if method == "DeleteTemplate" else a_published(api, template)
    target = {"template_id": template.id} if method == "DeleteTemplate" else {"version_id": version.id}

    outcomes = at_once(lambda: api.call("StartExecution", **target), lambda: api.call(method, **target))

    in_use, not_found = f"{method[6:].upper()}_IN_USE", f"{method[6:].upper()}_NOT_FOUND"
    assert reasons(outcomes) in ([in_use], [not_found], ["CONCURRENT_CHANGE"])


@ROUNDS
def test_a_template_deleted_while_it_is_linked_leaves_no_link(api, template, round_):
    outcomes = at_once(
        lambda: api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id),
        lambda: api.call("DeleteTemplate", template_id=template.id),
    )

    assert reasons(outcomes) in ([], ["TEMPLATE_NOT_FOUND"])
    assert not api.call("ListLinks").links


@ROUNDS
def test_an_entity_is_linked_by_one_of_many(api, template, round_):
    outcomes = at_once(*[lambda: api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id)] * 4)

    assert reasons(outcomes) == ["LINK_ENTITY_EXISTS"] * 3


@ROUNDS
def test_versions_made_at_once_get_numbers_of_their_own(api, template, round_):
    outcomes = at_once(*[lambda n=n: a_draft(api, template, f"1.{n}").number for n in range(6)])

    assert sorted(outcomes) == [1, 2, 3, 4, 5, 6]
