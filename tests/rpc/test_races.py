"""Calls that meet: whoever wins, the active version is a PUBLISHED one and what was published stays (F34 to F36)."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from heddle.v1.version_pb2 import Version
from storage.database import query, transaction
from tests.end_to_end.api import Refusal, entity, refused
from tests.end_to_end.definitions import definition
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


def a_parent_of(api, child):
    step = {"type": "sys.sub_workflow", "mode": "SINGLE", "childWorkflowTemplateVersionId": child.id}
    document = json.dumps(definition("start > sub; sub > end", name="Parent", sub=step))
    return a_draft(api, a_template(api, "Parent"), definition_json=document)


@ROUNDS
@pytest.mark.parametrize("method", ["DeprecateVersion", "DeleteVersion"])
def test_publishing_a_parent_and_retiring_its_child_come_one_after_the_other(api, template, method, round_):
    child = a_published(api, template)
    parent = a_parent_of(api, child)

    outcomes = at_once(
        lambda: api.call("PublishVersion", version_id=parent.id),
        lambda: api.call(method, version_id=child.id),
    )

    after_the_parent = [] if method == "DeprecateVersion" else ["VERSION_IN_USE"]
    assert reasons(outcomes) in (["DEFINITION_INVALID"], after_the_parent)


@pytest.mark.parametrize("method", ["DeprecateVersion", "DeleteVersion"])
def test_a_parent_waits_to_hear_what_becomes_of_its_child(api, template, method):
    child = a_published(api, template)
    parent = a_parent_of(api, child)

    with ThreadPoolExecutor(2) as callers:
        with transaction():  # both meet at the child, the parent as the second
            query("SELECT 1 FROM versions WHERE workspace = %s AND id = %s FOR UPDATE", (api.workspace, child.id))
            retiring = callers.submit(api.call, method, version_id=child.id)
            time.sleep(0.3)
            publishing = callers.submit(api.call, "PublishVersion", version_id=parent.id)
            time.sleep(0.3)
            assert not publishing.done()
        retiring.result()
        with refused("FAILED_PRECONDITION", "DEFINITION_INVALID"):
            publishing.result()


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
def test_of_two_that_move_a_link_with_one_etag_one_wins(api, template, round_):
    link = api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id).link
    others = [a_template(api, name) for name in ("Second", "Third")]

    outcomes = at_once(
        *[lambda o=o: api.call("UpdateLink", link_id=link.id, template_id=o.id, etag=link.etag).link for o in others]
    )

    assert reasons(outcomes) == ["ETAG_MISMATCH"]
    (moved,) = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
    assert api.call("GetLink", link_id=link.id).link == moved


@ROUNDS
def test_a_link_is_moved_by_one_after_the_other(api, template, round_):
    link = api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id).link
    others = [a_template(api, name) for name in ("Second", "Third")]

    outcomes = at_once(*[lambda o=o: api.call("UpdateLink", link_id=link.id, template_id=o.id).link for o in others])

    assert sorted(int(moved.etag) for moved in outcomes) == [int(link.etag) + 1, int(link.etag) + 2]
    last = max(outcomes, key=lambda moved: int(moved.etag))
    assert api.call("GetLink", link_id=link.id).link == last


def test_links_that_change_places_while_both_templates_are_deleted_do_not_block_each_other(api, template):
    other = a_template(api, "Second")
    links = [
        api.call("CreateLink", entity=entity("PRODUCT", id), template_id=to.id).link
        for id, to in (("a", template), ("b", other))
    ]

    def outcome(method, **fields):
        try:
            return api.call(method, **fields)
        except grpc.RpcError as error:
            return Refusal(error)

    with ThreadPoolExecutor(4) as callers:
        with transaction():  # all meet at the links, the moves before the deletions
            query("SELECT 1 FROM links WHERE workspace = %s FOR UPDATE", (api.workspace,))
            moves = [
                callers.submit(outcome, "UpdateLink", link_id=link.id, template_id=to.id)
                for link, to in zip(links, (other, template), strict=True)
            ]
            time.sleep(0.3)
            deletions = [callers.submit(outcome, "DeleteTemplate", template_id=one.id) for one in (template, other)]
            time.sleep(0.3)
        outcomes = [call.result() for call in [*moves, *deletions]]

    assert reasons(outcomes) in ([], ["LINK_NOT_FOUND"])  # the second to move may have gone with its old template
    assert not api.call("ListLinks").links  # either way each went with a template


@ROUNDS
def test_a_link_that_moves_to_a_template_that_is_deleted_goes_with_it(api, template, round_):
    other = a_template(api, "Second")
    link = api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id).link

    outcomes = at_once(
        lambda: api.call("UpdateLink", link_id=link.id, template_id=other.id),
        lambda: api.call("DeleteTemplate", template_id=other.id),
        lambda: api.call("DeleteTemplate", template_id=template.id),
    )

    assert reasons(outcomes) in ([], ["TEMPLATE_NOT_FOUND"], ["LINK_NOT_FOUND"])
    assert not api.call("ListLinks").links


@ROUNDS
def test_an_entity_is_linked_by_one_of_many(api, template, round_):
    outcomes = at_once(*[lambda: api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=template.id)] * 4)

    assert reasons(outcomes) == ["LINK_ENTITY_EXISTS"] * 3


@ROUNDS
def test_versions_made_at_once_get_numbers_of_their_own(api, template, round_):
    outcomes = at_once(*[lambda n=n: a_draft(api, template, f"1.{n}").number for n in range(6)])

    assert sorted(outcomes) == [1, 2, 3, 4, 5, 6]
