"""The hashes by which waits and events find each other: equal values have equal ones, however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.event_key import digest, key, keys, of_wait, written

VALUES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (1e21, "1" + "0" * 21),
        (True, "true"),
        ("1", '"1"'),
        ("ü", '"ü"'),
    ],
)
def test_the_ledger_tells_a_value_in_these_words(value, text):
    assert written(value) == text


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_what_a_wait_writes_is_found_under_the_value_itself(value):
    path, hash = of_wait("payload.a", written(value))

    assert (path, hash) == ("payload.a", digest(value))
    assert key("w", path, hash) in keys("w", {"payload": {"a": value, "b": [value, None]}})


def test_numbers_are_equal_as_doubles_and_nothing_else_is():
    assert digest(2**53 + 1) == digest(2**53) == digest(2.0**53)
    assert len({digest(value) for value in (1, "1", True, None, 0, "", "true")}) == 7


@pytest.mark.parametrize("path", ["", "payload.`a b`", "payload[0]", "payload.*", "payload..a"])
def test_a_path_that_events_do_not_list_gives_no_key(path):
    assert of_wait(path, "1") == ("", "")
