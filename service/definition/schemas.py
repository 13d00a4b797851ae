"""JSON Schema for inputs and outputs: offline, bounded, and with errors that a reader can use.

A schema is of draft 2020-12, or of the draft that its `$schema` names, back to draft 6. Formats are checked. Nothing is
ever fetched, and patterns take linear time. The validator answers "valid or not" quickly whatever the schema is, but
collecting errors can take exponential time when alternatives stand inside alternatives. So errors are collected only
when an estimate says that it will be quick.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from service.domain.json_text import MAX_NESTING, Json, canonical, compact, nesting, parts

MAX_SCHEMA = 128 * 1024
"""The largest schema, in bytes of JSON."""

MAX_ALTERNATIVES = 1000
"""How many subschemas may be asked of one and the same value, counted through `$ref`, three levels deep."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong: where, as a JSON pointer, and what."""

    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class Error:
    """One thing that is wrong, for who reasons about it: which keyword of the schema says so, and by which way."""

    path: tuple[str | int, ...]
    message: str
    keyword: str
    evaluation_path: tuple[str | int, ...]
    names: tuple[str, ...]  # the property that `required` misses, those that `additionalProperties` does not know


def check_schema(schema: Json) -> list[Violation]:
    """Tell what is wrong with a schema; pointers lead into it."""
    if (excess := _too_much(schema)) is not None:
        return [excess]
    if found := list(itertools.islice(_foreign(schema, ""), _LIMIT)):
        return found
    draft = _draft(schema)
    if draft is None:
        known = ", ".join(_DRAFTS)
        return [Violation("/$schema", f"{_short(schema['$schema'])} is not a known draft; known are {known}")]
    if found := _explained(_meta_validator(draft), schema, _LIMIT):
        return list(dict.fromkeys(_in_better_words(violation) for violation in found))
    try:
        validator(schema)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        path = error.instance_path if isinstance(error, jsonschema_rs.ValidationError) else []
        violation = Violation(_pointer(path), _cut(str(error).split("\n", 1)[0]))
        return [_in_better_words(violation)]
    if _alternatives(schema, levels=3) > MAX_ALTERNATIVES:
        return [Violation("", f"more than {MAX_ALTERNATIVES:,} subschemas could be asked of the same value")]
    return []


def violations(schema: Json, value: Json, limit: int = 20, *, is_trusted: bool = False) -> list[Violation]:
    """Tell what of a value does not match a sound schema, as far as `limit`; no schema (None) matches everything.

    Of a very large value, or one whose errors would take too long to collect, only the first error is told, or only
    that there is one, unless the schema is one of our own (`is_trusted`). Raises ValueError for a schema that
    `check_schema` objects to.
    """
    if schema is None:
        return []
    if nesting(value) > MAX_NESTING:
        return [Violation("", f"nested more than {MAX_NESTING} levels deep")]
    check = validator(schema)
    if check.is_valid(value):
        return []
    if is_trusted or _effort(schema, value) <= _MAX_EFFORT:
        return _explained(check, value, limit)
    if any(word in canonical(schema) for word in ('"anyOf"', '"oneOf"')):
        return [Violation("", "does not match the schema; it is too large to say where")]
    return _first(check, value)


def errors(schema: Json, value: Json, limit: int = 100) -> list[Error]:
    """Tell how a value breaks a sound schema, as far as `limit`; nothing when it would take too long."""
    if nesting(value) > MAX_NESTING or _effort(schema, value) > _MAX_EFFORT:
        return []
    return [_error(error) for error in itertools.islice(validator(schema).iter_errors(value), limit)]


def validator(schema: Json) -> jsonschema_rs.Validator:
    """Make a schema ready for use, or take it from the cache."""
    if not isinstance(schema, dict | bool):
        raise ValueError("a schema is an object or a boolean")
    return _validator(canonical(schema))


_LIMIT = 20
_MAX_EFFORT = 20_000  # subschemas asked; some tenths of a second
_MAX_MESSAGE = 300
_MAX_SHOWN = 60
_DRAFTS = {
    "https://json-schema.org/draft/2020-12/schema": jsonschema_rs.Draft202012Validator,
    "https://json-schema.org/draft/2019-09/schema": jsonschema_rs.Draft201909Validator,
    "http://json-schema.org/draft-07/schema": jsonschema_rs.Draft7Validator,
    "http://json-schema.org/draft-06/schema": jsonschema_rs.Draft6Validator,
}
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_DATA = ("const", "enum", "default", "examples")  # what stands there is no schema
_TOP_ONLY = ("$schema", "$id")
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1024 * 1024, dfa_size_limit=1024 * 1024)


@functools.lru_cache(maxsize=256)
def _validator(text: str) -> jsonschema_rs.Validator:
    schema = json.loads(text)
    kind = _DRAFTS.get(_draft(schema) or "", jsonschema_rs.Draft202012Validator)
    return kind(schema, offline=True, validate_formats=True, pattern_options=_PATTERNS)


@functools.lru_cache
def _meta_validator(draft: str) -> jsonschema_rs.Validator:
    return _DRAFTS[draft]({"$ref": draft}, offline=True, pattern_options=_PATTERNS)


def _draft(schema: Json) -> str | None:
    """The draft that a schema names, None if it is none that we know."""
    named = schema.get("$schema") if isinstance(schema, dict) else None
    if named is None:
        return next(iter(_DRAFTS))
    return named.removesuffix("#") if isinstance(named, str) and named.removesuffix("#") in _DRAFTS else None


def _too_much(schema: Json) -> Violation | None:
    if not isinstance(schema, dict | bool):
        return Violation("", f"a schema is an object or a boolean, not {_short(schema)}")
    if nesting(schema) > MAX_NESTING:
        return Violation("", f"the schema is nested more than {MAX_NESTING} levels deep")
    size = len(canonical(schema).encode())
    return (
        Violation("", f"the schema has {size:,} bytes, at most {MAX_SCHEMA:,} are allowed")
        if size > MAX_SCHEMA
        else None
    )


def _foreign(schema: Json, pointer: str) -> Iterator[Violation]:
    """Find references that lead out of the document, and names that would change where references lead."""
    if isinstance(schema, dict):
        for key, part in schema.items():
            place = f"{pointer}/{_escaped(key)}"
            if isinstance(part, str) and (complaint := _complaint(key, part, is_top=pointer == "")):
                yield Violation(place, complaint)
            elif key not in _DATA:
                yield from _foreign(part, place)
    elif isinstance(schema, list):
        for number, part in enumerate(schema):
            yield from _foreign(part, f"{pointer}/{number}")


def _complaint(keyword: str, text: str, *, is_top: bool) -> str | None:
    if keyword in _REFERENCES and not text.startswith("#"):
        return f"{_short(text)} leads out of this schema; only references like #/$defs/name work"
    if keyword in _REFERENCES and "%" in text:
        return f"{_short(text)} is escaped with %; write the characters themselves"
    if keyword in _TOP_ONLY and not is_top:
        return f"{keyword} may only stand at the top of a schema"
    return None


def _explained(check: jsonschema_rs.Validator, value: Json, limit: int) -> list[Violation]:
    return [_violation(error) for error in itertools.islice(check.iter_errors(value), limit)]


def _first(check: jsonschema_rs.Validator, value: Json) -> list[Violation]:
    try:
        check.validate(value)
    except jsonschema_rs.ValidationError as error:
        return [_violation(error)]
    return []


def _violation(error: jsonschema_rs.ValidationError) -> Violation:
    return Violation(_pointer(error.instance_path), _cut(_message(error)))


def _error(error: jsonschema_rs.ValidationError) -> Error:
    kind, names = error.kind, list[str]()
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        names = [kind.property]
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        names = list(kind.unexpected)
    return Error(
        tuple(error.instance_path), _cut(_message(error)), kind.name, tuple(error.evaluation_path), tuple(names)
    )


def _message(error: jsonschema_rs.ValidationError) -> str:
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Enum):
        return f"{_short(error.instance)} is not one of {', '.join(_short(option) for option in error.kind.options)}"
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Constant):
        return f"{_short(error.instance)} is not {_short(error.kind.expected_value)}"
    whole = compact(error.instance)
    return error.message.replace(whole, _short(error.instance))


def _in_better_words(violation: Violation) -> Violation:
    """Say of a schema what the schema of schemas says less plainly."""
    culprit = violation.message.split(" is not ", 1)[0]
    if violation.pointer.endswith("/type"):
        message = f"{culprit} is no type; one of array, boolean, integer, null, number, object or string is"
    elif violation.message.endswith('is not a "regex"'):
        message = f"{culprit} is no regular expression; it is too large, or it looks around or back, or it is malformed"
    else:
        return violation
    return Violation(violation.pointer, message)


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{_escaped(str(part))}" for part in path)


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _short(value: Json) -> str:
    text = compact(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _cut(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}…"


def _effort(schema: Json, value: Json) -> int:
    """Estimate how many subschemas are asked when the errors of a value are collected."""
    return parts(value) * _alternatives(schema, levels=nesting(value))


_SAME_VALUE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", *_REFERENCES)
_EACH_PART = ("items", "additionalProperties", "additionalItems", "contains", "propertyNames", "unevaluatedItems")
_NAMED_PARTS = ("properties", "patternProperties", "prefixItems")


def _alternatives(schema: Json, levels: int) -> int:
    """Estimate how many subschemas are asked of one value, some levels inside a document, as far as a million."""
    return _Estimate(schema).ask(schema, levels)


class _Estimate:
    """Counts through references, each subschema once for each level."""

    def __init__(self, root: Json) -> None:
        self._root = root
        self._anchors = dict(_anchors(root))
        self._known: dict[tuple[int, int], int] = {}

    def ask(self, schema: Json, levels: int) -> int:
        """Count the subschemas that are asked of a value, or of some value `levels` deeper."""
        if not isinstance(schema, dict):
            return 1
        key = (id(schema), levels)
        if key not in self._known:
            self._known[key] = 1_000_000  # what a reference finds that leads back to where we are
            self._known[key] = min(1_000_000, 1 + self._here(schema, levels) + self._below(schema, levels))
        return self._known[key]

    def _here(self, schema: dict[str, Any], levels: int) -> int:
        return sum(self.ask(part, levels) for word in _SAME_VALUE for part in self._parts(word, schema.get(word)))

    def _below(self, schema: dict[str, Any], levels: int) -> int:
        if levels <= 0:
            return 0
        each = sum(self.ask(part, levels - 1) for word in _EACH_PART for part in self._parts(word, schema.get(word)))
        named = [
            max((self.ask(part, levels - 1) for part in self._parts(word, schema.get(word))), default=0)
            for word in _NAMED_PARTS
        ]
        return each + sum(named)

    def _parts(self, word: str, found: Any) -> list[Any]:
        if word in _REFERENCES:
            return [self._target(found)] if isinstance(found, str) else []
        if isinstance(found, list):
            return found
        if word in ("dependentSchemas", *_NAMED_PARTS):
            return list(found.values()) if isinstance(found, dict) else []
        return [found] if isinstance(found, dict) else []

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            return self._anchors.get(reference[1:], self._root)
        found = self._root
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
        return found


def _anchors(schema: Json) -> Iterator[tuple[str, Json]]:
    """Find the parts of a schema that have a name of their own."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    if isinstance(schema, dict):
        names = (schema.get(word) for word in ("$anchor", "$dynamicAnchor"))
        yield from ((name, schema) for name in names if isinstance(name, str))
    for part in parts:
        yield from _anchors(part)
