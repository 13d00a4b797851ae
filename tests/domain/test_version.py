from __future__ import annotations

import hashlib

import pytest

from service.domain.errors import Conflict, Invalid, WrongState
from tests.domain.records import LATER, NOW, a_version

DEPRECATED = a_version(status="DEPRECATED", plan_digest="p")
PUBLISHED = a_version(status="PUBLISHED", plan_digest="p")


def edited(version, **changes):
    values = {"label": None, "note": None, "dialect": None, "definition": None}
    return version.edit(**(values | changes), now=LATER)


def test_publishing_freezes_a_draft():
    version = a_version().publish("digest-of-plan", LATER)

    assert (version.status, version.plan_digest, version.publish_time) == ("PUBLISHED", "digest-of-plan", LATER)
    assert version.revision == 2


def test_an_edit_changes_what_is_given_and_the_digest_with_the_definition():
    version = edited(a_version(note="first"), definition='{"a":1}')

    assert (version.label, version.note, version.definition) == ("1.0.0", "first", '{"a":1}')
    assert version.digest == hashlib.sha256(b'{"a":1}').hexdigest()


@pytest.mark.parametrize("label", ["", " 1.0", "1.0 ", "x" * 129, "1\0", "1\t0"])
def test_a_label_that_is_empty_untrimmed_or_too_long_is_refused(label):
    with pytest.raises(Invalid, match=r"^label is "):
        edited(a_version(), label=label)


@pytest.mark.parametrize("label", ["0.1", "1.0.0-rc.1+build", "spring edition", "x" * 128])
def test_a_label_need_not_be_semantic(label):
    assert edited(a_version(), label=label).label == label


@pytest.mark.parametrize(
    ("version", "act", "reason", "message"),
    [
        (PUBLISHED, edited, "VERSION_NOT_DRAFT", "cannot edit version 1.0.0: it is PUBLISHED"),
        (DEPRECATED, edited, "VERSION_NOT_DRAFT", "cannot edit version 1.0.0: it is DEPRECATED"),
        (
            PUBLISHED,
            lambda v: v.publish("p", NOW),
            "VERSION_NOT_DRAFT",
            "cannot publish version 1.0.0: it is PUBLISHED",
        ),
        (
            a_version(),
            lambda v: v.require_published(),
            "VERSION_NOT_PUBLISHED",
            "cannot activate version 1.0.0: it is DRAFT",
        ),
        (
            DEPRECATED,
            lambda v: v.require_published(),
            "VERSION_NOT_PUBLISHED",
            "cannot activate version 1.0.0: it is DEPRECATED",
        ),
        (
            a_version(),
            lambda v: v.deprecate(NOW, active=False),
            "VERSION_NOT_PUBLISHED",
            "cannot deprecate version 1.0.0: it is DRAFT",
        ),
        (
            PUBLISHED,
            lambda v: v.deprecate(NOW, active=True),
            "VERSION_ACTIVE",
            "cannot deprecate version 1.0.0: it is its template's active version; "
            "activate another or deactivate the template first",
        ),
    ],
)
def test_what_its_status_does_not_allow_is_refused(version, act, reason, message):
    with pytest.raises(WrongState) as refusal:
        act(version)

    assert (refusal.value.reason, refusal.value.message) == (reason, message)
    assert refusal.value.facts["version_id"] == "v1"


def test_deprecating_says_when():
    version = PUBLISHED.deprecate(LATER, active=False)

    assert (version.status, version.deprecate_time, version.publish_time) == ("DEPRECATED", LATER, None)


def test_an_etag_of_another_edition_is_refused():
    with pytest.raises(Conflict, match='its etag is "1", not "2"'):
        a_version().require_etag("2")
