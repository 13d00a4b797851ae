from __future__ import annotations

import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.definition.schemas import Violation, check_schema, violations

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}, "since": {"format": "date"}},
    "required": ["name"],
    "additionalProperties": False,
}


def test_a_value_that_matches_has_no_violations():
    assert violations(PERSON, {"name": "Asha", "age": 40, "since": "2026-01-31"}) == []


def test_all_violations_are_told_at_once():
    assert violations(PERSON, {"age": -1, "since": "yesterday", "x/y": 1}) == [
        Violation("/age", "-1 is less than the minimum of 0"),
        Violation("/since", '"yesterday" is not a "date"'),
        Violation("", "Additional properties are not allowed ('x/y' was unexpected)"),
        Violation("", '"name" is a required property'),
    ]


def test_no_schema_matches_everything():
    assert violations(None, {"a": 1}) == []
    assert violations(True, {"a": 1}) == []
    assert violations(False, 1) == [Violation("", "False schema does not allow 1")]


def test_pointers_are_escaped():
    assert violations({"properties": {"a/b~": {"type": "null"}}}, {"a/b~": 1})[0].pointer == "/a~1b~0"


def test_values_are_cut_in_messages():
    (violation,) = violations({"type": "integer"}, "hunter2" * 1000)

    assert violation.message == f'"{("hunter2" * 9)[:59]}… is not of type "integer"'


def test_as_many_violations_are_told_as_asked_for():
    assert len(violations({"items": {"type": "string"}}, list(range(100)))) == 20
    assert len(violations({"items": {"type": "string"}}, list(range(100)), limit=3)) == 3


@pytest.mark.parametrize(
    ("schema", "pointer", "message"),
    [
        (
            {"type": "text"},
            "/type",
            '"text" is no type; one of array, boolean, integer, null, number, object or string is',
        ),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength", "-1 is less than the minimum of 0"),
        ({"required": "a"}, "/required", '"a" is not of type "array"'),
        ({"$ref": "#/$defs/a"}, "", "Pointer '/$defs/a' does not exist"),
        ([], "", "a schema is an object or a boolean, not []"),
        ("{}", "", 'a schema is an object or a boolean, not "{}"'),
        (None, "", "a schema is an object or a boolean, not null"),
        ({"description": "x" * 200_000}, "", "the schema has 200,018 bytes, at most 131,072 are allowed"),
        ({"$ref": "#"}, "", "more than 1,000 subschemas could be asked of the same value"),
    ],
    ids=range(9),
)
def test_what_is_wrong_with_a_schema_is_told(schema, pointer, message):
    assert check_schema(schema) == [Violation(pointer, message)]


@pytest.mark.parametrize(
    "reference",
    ["http://example.com/s", "https://example.com/s", "file:///etc/passwd", "ftp://x/y", "other.json", "//x"],
)
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$recursiveRef"])
def test_no_reference_leads_out(reference, keyword, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("a connection was opened"))

    (violation,) = check_schema({"properties": {"a": {keyword: reference}}})

    assert violation.pointer == f"/properties/a/{keyword}"
    assert violation.message.endswith("leads out of this schema; only references like #/$defs/name work")


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "http://example.com/mine"},
        {"$schema": 5},
        {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}},
        {"$defs": {"a": {"$id": "http://example.com/a"}}},
        {"$defs": {"$": {}}, "$ref": "#/%24defs/$"},
        {"pattern": "("},
        {"pattern": "(?=a)"},
        {"pattern": "(a)\\1"},
        {"pattern": "((a{100}){100}){100}"},
        {"patternProperties": {"\\p{L}{900}": {}}},
        {"$defs": {"a": 1}, "$ref": "#/$defs/a"},
        {"properties": []},
        {"multipleOf": 0},
    ],
    ids=str,
)
def test_hostile_schemas_are_refused(schema):
    assert check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        PERSON,
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {"properties": {"$ref": {"type": "string"}, "$id": {}}},
        {"enum": [{"$ref": "http://example.com"}]},
        {"$defs": {"n": {"$anchor": "node", "properties": {"next": {"$ref": "#node"}}}}, "$ref": "#node"},
        {"$id": "http://example.com/top", "$defs": {"a": {}}, "$ref": "#/$defs/a"},
        {"format": "our-own-format"},
    ],
    ids=str,
)
def test_sound_schemas_are_taken(schema):
    assert check_schema(schema) == []


TREE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "left": {"$ref": "#"}, "right": {"$ref": "#"}},
    "additionalProperties": False,
}


def test_a_recursive_schema_tells_where():
    assert check_schema(TREE) == []
    assert violations(TREE, {"left": {"value": "x"}, "right": {"right": {"value": 1.5}}}) == [
        Violation("/left/value", '"x" is not of type "integer"'),
        Violation("/right/right/value", '1.5 is not of type "integer"'),
    ]


def nested(levels):
    value = {"a": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize("word", ["anyOf", "oneOf", "allOf"])
def test_alternatives_in_alternatives_end_in_time(word):
    recursive = {"type": "object", "properties": {"a": {word: [{"$ref": "#"}, {"$ref": "#"}]}}}
    levels = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n - 1}"}] * 4} for n in range(1, 14)}
    start = time.perf_counter()

    assert check_schema({"$defs": {"d0": {"type": "string"}, **levels}, "$ref": "#/$defs/d13"})
    assert len(violations(recursive, nested(60))) == 1

    assert time.perf_counter() - start < 1  # 10 ms in practice; hours without the estimate


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^(a+)+$"}, "a" * 100_000 + "b"),
        ({"items": {"type": "integer"}}, ["x"] * 100_000),
        ({"uniqueItems": True}, [{"a": n} for n in range(5000)] + [{"a": 0}]),
        ({"additionalProperties": {"type": "integer"}}, {f"k{n}": "x" for n in range(50_000)}),
        ({"type": "string"}, nested(500)),
    ],
    ids=range(5),
)
def test_hostile_values_end_in_time(schema, value):
    start = time.perf_counter()

    assert violations(schema, value)

    assert time.perf_counter() - start < 2


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(["", "a", "#", "#/$defs/a", "string"])),
    lambda part: st.one_of(
        st.lists(part, max_size=3),
        st.dictionaries(
            st.sampled_from(["$ref", "$defs", "a", "properties", "anyOf", "items", "type", "not", "$id", "required"]),
            part,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_whatever_the_schema_is_it_is_sound_or_its_faults_are_told(schema, value):
    if not check_schema(schema):
        assert len(violations(schema, value)) <= 20
