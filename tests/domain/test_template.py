from __future__ import annotations

import pytest

from service.domain.errors import Conflict, Invalid, WrongState
from service.domain.template import Template
from tests.domain.records import LATER, NOW, a_template


def created(**changes):
    values = {"workspace": "default", "id": "0197-abcdef012345", "key": "", "name": "Orders", "description": ""}
    return Template.created(**(values | changes), now=NOW)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Customer Verification", "customer-verification"),
        ("  DSC: Procurement (v2)".strip(), "dsc-procurement-v2"),
        ("Überprüfung", "uberprufung"),
        ("客户验证", "template-abcdef012345"),
        ("x" * 100, "x" * 63),
    ],
)
def test_an_absent_key_is_made_from_the_name(name, key):
    assert created(name=name).key == key


@pytest.mark.parametrize("key", ["Upper", "-x", "a b", "a_b", "x" * 64, "ü", "a\n"])
def test_a_key_that_is_no_slug_is_refused(key):
    with pytest.raises(Invalid) as refusal:
        created(key=key)

    assert refusal.value.reason == "INVALID_FIELD"
    assert refusal.value.field == "key"


@pytest.mark.parametrize("name", ["", " ", " x", "x" * 257, "a\0b", "two\nlines", "a\u2028b"])
def test_a_name_that_cannot_be_read_is_refused(name):
    with pytest.raises(Invalid, match=r"^name is "):
        created(name=name)


@pytest.mark.parametrize(
    ("template", "state"),
    [
        (a_template(), "DRAFT"),
        (a_template(active_version_id="v1"), "ACTIVE"),
        (a_template(archived=True), "ARCHIVED"),
        (a_template(archived=True, active_version_id="v1"), "ARCHIVED"),
    ],
)
def test_the_state_follows_from_the_record(template, state):
    assert template.state == state


def test_a_change_makes_another_edition():
    template = a_template().describe(name="Sales", description=None, now=LATER)

    assert (template.name, template.description) == ("Sales", "")
    assert (template.revision, template.update_time, template.create_time) == (2, LATER, NOW)


def test_activating_the_active_version_changes_nothing():
    template = a_template(active_version_id="v1")

    assert template.activate("v1", LATER) is template
    assert template.activate("v2", LATER).active_version_id == "v2"


def test_an_archived_template_keeps_its_active_version():
    template = a_template(active_version_id="v1").archive(LATER)

    assert template.state == "ARCHIVED"
    assert template.unarchive(LATER).state == "ACTIVE"


@pytest.mark.parametrize(
    ("template", "act", "reason", "message"),
    [
        (
            a_template(archived=True),
            lambda t: t.activate("v1", NOW),
            "TEMPLATE_ARCHIVED",
            "cannot activate a version of template orders: it is ARCHIVED",
        ),
        (
            a_template(archived=True),
            lambda t: t.archive(NOW),
            "TEMPLATE_ARCHIVED",
            "cannot archive template orders: it is ARCHIVED",
        ),
        (
            a_template(),
            lambda t: t.unarchive(NOW),
            "TEMPLATE_NOT_ARCHIVED",
            "cannot unarchive template orders: it is DRAFT",
        ),
        (
            a_template(),
            lambda t: t.deactivate(NOW),
            "TEMPLATE_HAS_NO_ACTIVE_VERSION",
            "cannot deactivate template orders: it is DRAFT",
        ),
        (
            a_template(archived=True, active_version_id="v1"),
            lambda t: t.deactivate(NOW),
            "TEMPLATE_ARCHIVED",
            "cannot deactivate template orders: it is ARCHIVED",
        ),
    ],
)
def test_what_its_state_does_not_allow_is_refused(template, act, reason, message):
    with pytest.raises(WrongState) as refusal:
        act(template)

    assert (refusal.value.reason, refusal.value.message) == (reason, message)
    assert refusal.value.facts["template_id"] == "t1"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (a_template(), "TEMPLATE_HAS_NO_ACTIVE_VERSION"),
        (a_template(active_version_id="v1", archived=True), "TEMPLATE_ARCHIVED"),
        (a_template(active_version_id="v1"), None),
    ],
)
def test_it_says_why_it_cannot_be_started(template, reason):
    refusal = template.refusal()

    assert (refusal and refusal.reason) == reason


def test_an_etag_of_another_edition_is_refused():
    template = a_template(revision=4)

    assert template.require_etag("") is template
    assert template.require_etag("4") is template
    with pytest.raises(Conflict, match='template t1 has changed: its etag is "4", not "3"'):
        template.require_etag("3")
