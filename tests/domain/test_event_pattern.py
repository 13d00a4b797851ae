"""Which names a pattern matches (AQ6), and that the index finds the same (AQ7)."""

from __future__ import annotations

import re

import pytest

from service.domain import event_pattern
from service.domain.errors import Invalid

NAMES = ["bookings.created", "finance.invoice.approved", "finance.created", "bookings", "a.b.c.d", "Bookings.created"]
MATCHES = {
    "bookings.created": ["bookings.created"],
    "bookings.*": ["bookings.created"],
    "*.created": ["bookings.created", "finance.created", "Bookings.created"],
    "finance.*.approved": ["finance.invoice.approved"],
    "finance.*": ["finance.invoice.approved", "finance.created"],
    "*": NAMES,
    "*.*": [name for name in NAMES if "." in name],
    "*.*.*": ["finance.invoice.approved", "a.b.c.d"],
    "a.*.d": [],
    "a.*.*.d": ["a.b.c.d"],
    "bookings_created": [],
    "bookings": ["bookings"],
    "bookings.created.*": [],
}
"""A star is one segment, and at the end one or more; an underscore is no wildcard, and a star does not cross dots."""


@pytest.mark.parametrize("pattern", MATCHES)
def test_aq6_a_star_stands_for_one_segment_and_at_the_end_for_more(pattern):
    assert [name for name in NAMES if event_pattern.matches(pattern, name)] == MATCHES[pattern]


@pytest.mark.parametrize("pattern", MATCHES)
def test_aq7_a_wildcard_is_found_under_every_name_that_it_matches(pattern):
    assert [name for name in NAMES if pattern in event_pattern.candidates(name)] == MATCHES[pattern]
    assert [name for name in NAMES if re.search(event_pattern.expression(pattern), name)] == MATCHES[pattern]


def test_no_pattern_is_looked_up_twice_and_there_are_few():
    found = event_pattern.candidates(".".join("abcdefgh"))

    assert len(found) == len(set(found)) < 2 ** (event_pattern.MAX_SEGMENTS + 1)
    assert sorted(event_pattern.candidates("a.b")) == ["*", "*.*", "*.b", "a.*", "a.b"]


@pytest.mark.parametrize("name", ["", ".", "a.", "a..b", "a b", "a.*", "*", "a.b.c.d.e.f.g.h.i", "x" * 201, "é", "a%"])
def test_what_cannot_be_a_name_is_refused(name):
    with pytest.raises(Invalid, match="name is"):
        event_pattern.name("name", name)


@pytest.mark.parametrize("pattern", ["", "a.", "a*", "**", "a.**", "a.?", "a.b.c.d.e.f.g.h.i", "a.%"])
def test_what_cannot_be_a_pattern_is_refused(pattern):
    with pytest.raises(Invalid, match="pattern is"):
        event_pattern.pattern("pattern", pattern)


def test_only_heddle_names_its_events_workflow():
    assert event_pattern.foreign_name("name", "workflows.completed")
    with pytest.raises(Invalid, match="publishes itself"):
        event_pattern.foreign_name("name", "workflow.completed")
