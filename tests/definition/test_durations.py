from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.definition.durations import instant, seconds


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (5000, 5),
        (1.5, 0.0015),
        (0, 0),
        ("PT5M", 300),
        ("P1DT2H", 93_600),
        ("P2W", 1_209_600),
        ("PT0.5S", 0.5),
        ("PT0,5S", 0.5),
    ],
)
def test_durations_are_milliseconds_or_iso_8601(written, expected):
    assert seconds(written) == expected


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("5 minutes", '"5 minutes" is no duration; write milliseconds, or ISO 8601 such as PT5M'),
        ("PT", '"PT" is no duration; write milliseconds, or ISO 8601 such as PT5M'),
        (True, "true is no duration; write milliseconds, or ISO 8601 such as PT5M"),
        (None, "null is no duration; write milliseconds, or ISO 8601 such as PT5M"),
        ("P1M", '"P1M" has years or months, which differ in length; write days, such as P30D'),
        ("P1Y2D", '"P1Y2D" has years or months, which differ in length; write days, such as P30D'),
        ("-PT1S", '"-PT1S" is negative'),
        (-1, "-1 is negative"),
        ("P40000D", '"P40000D" is longer than a hundred years'),
        (10**30, f"1{'0' * 30} is longer than a hundred years"),
    ],
)
def test_what_is_no_duration_is_told(written, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        seconds(written)


@given(st.one_of(st.text(), st.text("PTYMWDHS0123456789.,-"), st.integers(), st.floats(), st.binary()))
def test_whatever_is_written_only_a_value_error_comes_out(written):
    with suppress(ValueError):
        assert seconds(written) >= 0


def test_instants_are_iso_8601():
    assert instant("2026-01-31T09:00:00Z") == datetime(2026, 1, 31, 9, tzinfo=UTC)
    for written in ("tomorrow", 5, None, "2026-13-01"):
        with pytest.raises(ValueError, match="is no instant; write ISO 8601 such as 2026-01-31T09:00:00Z"):
            instant(written)
