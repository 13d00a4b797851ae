from __future__ import annotations

from datetime import UTC, datetime

import jsonata
import pytest
from hypothesis import assume, given, settings

from service.definition.expressions import UNDEFINED, ExpressionError, check, select
from tests.definition.test_expressions import SOURCES, VALUES

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
DIRECTORS = [{"id": "d1", "hasDsc": False}, {"id": "d2", "hasDsc": True}, {"id": "d3", "hasDsc": False}]


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("$.data", {"data": DIRECTORS}, DIRECTORS),
        ("data[hasDsc].id", {"data": DIRECTORS}, "d2"),
        ("$[hasDsc = false].id", DIRECTORS, ["d1", "d3"]),
        ("id", DIRECTORS, ["d1", "d2", "d3"]),
        ("id", DIRECTORS[:1], "d1"),
        ("$[0]", DIRECTORS, DIRECTORS[0]),
        ("$count($)", DIRECTORS, 3),
        ("$$[2].id", DIRECTORS, "d3"),
        ("$", [], []),
        ("id", [], UNDEFINED),
        ("$", [[1, 2], [3]], [[1, 2], [3]]),
        ("$ + 1", 5, 6),
        ("$ & '!'", "x", "x!"),
        ("$not($)", True, False),
        ("x", "x", UNDEFINED),
        ("$", None, None),
        ("($)", None, None),
        ("$ = null", None, True),
        ("[$, {'is': $}]", None, [None, {"is": None}]),
        ("$type($)", None, "null"),
        ("[1]", None, [1]),
        ("data", None, UNDEFINED),
        ("$now()", None, "2026-01-02T03:04:05.678Z"),
        ("$now()", [], "2026-01-02T03:04:05.678Z"),
    ],
)
def test_any_value_may_be_asked(source, value, expected):
    assert select(source, value, NOW) == expected


@pytest.mark.parametrize("source", ["$", "$$", "$.id", "id"])
def test_whole_numbers_pass_unharmed(source):
    assert select(source, {"id": 2**53 + 1}, NOW) in (2**53 + 1, {"id": 2**53 + 1})


@pytest.mark.parametrize(
    ("source", "value", "code"),
    [
        ("$.", {}, "S0207"),
        ("$random()", {}, "FUNCTION_REFUSED"),
        ("$ + 1", "x", "T2001"),
        ("$ + 1", None, "T2001"),
        ("[$]", 2**63, "VALUE_UNUSABLE"),
        ("$", "x" * 1024 * 1024, "VALUE_TOO_LARGE"),
        ("$map($, function($v) { $map([1..70000], function($w) { $w }) })", [1], "TOO_MUCH_WORK"),
    ],
)
def test_what_cannot_be_selected_is_an_error(source, value, code):
    with pytest.raises(ExpressionError) as error:
        select(source, value, NOW)

    assert error.value.code == code


def test_an_expression_keeps_null_and_other_values_apart():
    for _ in range(2):
        assert [select("[$]", value, NOW) for value in (None, 1, None)] == [[None], [1], [None]]


@settings(max_examples=300, deadline=None)
@given(SOURCES, VALUES.filter(lambda value: value is not None))
def test_meters_and_narrowing_change_no_result(source, value):
    assume(check(source) is None)
    engine = jsonata.Jsonata(source)
    engine.set_output_convert_nulls(False)
    engine.set_runtime_bounds(1000, 500)
    try:
        expected = engine.evaluate(value)
    except jsonata.JsonataError as error:
        expected = error.code
    try:
        found = select(source, value, NOW)
    except ExpressionError as error:
        found = error.code

    assert found == (UNDEFINED if expected is jsonata.UNDEFINED else expected)


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_the_value_itself_is_given_as_it_is(value):
    assert select("$", value, NOW) == value
