from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.json_text import InvalidJson, canonical, parse


def read(text, limit=1_000_000):
    return parse(text, limit=limit, field="input_json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON: Expecting value at line 1, column 1"),
        ('{"a":1,\n "b":}', "not JSON: Expecting value at line 2, column 6"),
        ('"a\tb"', "not JSON: Invalid control character at line 1, column 3"),
        ("[1] 2", "not JSON: Extra data at line 1, column 5"),
        ('"\0"', "not JSON: Invalid control character at line 1, column 2"),
        ("[" * 101 + "]" * 101, "nested more than 100 levels deep"),
        ('{"a":' * 200_000, "nested more than 100 levels deep"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', 'the key "b" stands twice in one object'),
        ('{"\\ud800":1,"\\ud800":2}', 'the key "\\ud800" stands twice in one object'),
        ("[NaN]", "NaN is no JSON number"),
        ("-Infinity", "-Infinity is no JSON number"),
        ("1e400", "the number 1e400 is larger than a double can be"),
        ("1" * 5000, "a number has 5,000 digits"),
        (
            "1" * 50,
            "the integer 1111111111111111111111111111111111111111… is outside of ±2^63; write it as a string",
        ),
        (
            "-9223372036854775809",
            "the integer -9223372036854775809 is outside of ±2^63; write it as a string",
        ),
        ('{"a": [{"b/c": "x\\u0000"}]}', "the character \\u0000 stands at /a/0/b~1c; it cannot be stored"),
        ('{"\\u0000": 1}', "the character \\u0000 stands at the top; it cannot be stored"),
        ('["\\ud83d"]', "half of a surrogate pair stands at /0; it is no text"),
        ('"\ud83d"', "half of a surrogate pair stands at character 1"),
    ],
    ids=range(19),
)
def test_what_is_refused_says_why(text, message):
    with pytest.raises(InvalidJson) as error:
        parse(text, limit=2_000_000, field="input_json")

    assert (error.value.field, error.value.message) == ("input_json", message)
    assert str(error.value) == f"input_json: {message}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\u0000 \\\\ud800"', "\\u0000 \\ud800"),
        ("[1e5, 0.1, -0, null]", [1e5, 0.1, 0, None]),
        ("[" * 100 + "]" * 100, json.loads("[" * 100 + "]" * 100)),
    ],
)
def test_what_is_fine_is_taken(text, value):
    assert read(text) == value


def test_the_limit_counts_bytes():
    assert read('"éé"', limit=6) == "éé"
    with pytest.raises(InvalidJson, match=r"^input_json: too large: 6 bytes, at most 5 are allowed$"):
        read('"éé"', limit=5)


def test_the_canonical_text_has_sorted_keys_and_no_spaces():
    assert canonical({"b": [1, 2.5, "é"], "a": None}) == '{"a":null,"b":[1,2.5,"é"]}'


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    ),
    lambda part: st.one_of(
        st.lists(part),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), part),
    ),
)


@given(JSON)
def test_what_can_be_written_is_read_again(value):
    assert read(canonical(value)) == value
    assert read(json.dumps(value)) == value


PIECES = ["null", "true", "\\u0000", "\\ud800", "\0", "\ud800", "1e999", *'{}[]",:\\u01e-+. ']


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_whatever_comes_only_its_own_error_comes_out(text):
    with suppress(InvalidJson):
        read(text)


def test_a_large_document_is_read_fast():
    text = json.dumps([{"id": n, "name": f"name {n}", "price": n / 2, "tags": ["a", "b"]} for n in range(14_000)])
    start = time.perf_counter()

    read(text, limit=2_000_000)

    assert time.perf_counter() - start < 1  # 40 ms on a quiet machine
