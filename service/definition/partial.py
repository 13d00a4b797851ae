"""What can be told of values and schemas that are known in part.

Nothing is told that could turn out wrong when the rest becomes known: no more than what a value must break, and what a
schema must demand.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from service.definition import schemas
from service.domain.json_text import Json


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()
"""A part of a value that only an execution knows."""


class Item:
    """The type of `ITEM`."""

    def __repr__(self) -> str:
        return "ITEM"


ITEM: Final = Item()
"""The step from a list to any of its items."""

Way = Sequence[str | Item]
"""From a value to a part of it."""

Type = Literal["null", "boolean", "integer", "number", "string", "array", "object"]
TYPES: frozenset[Type] = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
"""The types of JSON Schema; a whole number is an integer and a number."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where a value breaks a schema, and how; `missing` is the property that is not there."""

    path: tuple[str | int, ...]
    message: str
    missing: str | None = None  # None: what is there is wrong


def misfits(schema: Json, value: Any) -> Iterator[Misfit]:
    """List how a value, which may hold `UNKNOWN`, breaks a schema whatever the unknown parts are."""
    is_known = _is_known(value)
    for error in schemas.errors(schema, _plain(value)):
        part = _certain_part(value, error.path)
        if part is UNKNOWN or (not is_known and _CONDITIONAL.intersection(error.evaluation_path)):
            continue
        if error.keyword == "required":
            yield Misfit(error.path, error.message, missing=error.names[0])
        elif error.evaluation_path[-1] == "additionalProperties" and isinstance(part, dict):
            # Of a schema without properties the validator does not name those that are too many.
            yield from (Misfit((*error.path, name), "there is no such property") for name in error.names or part)
        elif _is_known(part):
            yield Misfit(error.path, error.message)
        elif error.keyword == "type":
            kind = "an object" if isinstance(part, dict) else "a list"
            yield Misfit(error.path, f"{kind} is not {error.message.rpartition(' is not ')[2]}")


def types_at(schema: Json, way: Way) -> frozenset[Type]:
    """List the types that a part of what matches a schema may have."""
    parts = _demands(schema, schema)
    for step in way:
        parts = _within(schema, parts, step)
    return _common(parts)


def accepts_nothing(schema: Json) -> bool:
    """Tell whether it is plain that nothing at all matches a schema, or a property that every match must have."""
    parts = _demands(schema, schema)
    waiting: deque[tuple[list[dict[str, Json]], str]] = deque()
    effort = 0
    while allowed := _common(parts):
        if allowed == {"object"}:
            required = itertools.chain(*(_names(part.get("required")) for part in parts))
            waiting += [(parts, name) for name in dict.fromkeys(required)]
        if not waiting or effort > _MAX_EFFORT:
            return False
        whole, name = waiting.popleft()
        parts = _within(schema, whole, name)
        effort += len(whole) + len(parts)
    return True


_MAX_EFFORT = 10_000
"""Schemas after which one is looked into no further, some milliseconds' work; it may lead back to itself."""

_CONDITIONAL = {"then", "else", "dependentSchemas", "dependencies"}


def _plain(value: Any) -> Json:
    """Put null for what is not known."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return None if value is UNKNOWN else value


def _is_known(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is not UNKNOWN and all(_is_known(part) for part in parts)


def _certain_part(value: Any, path: Iterable[str | int]) -> Any:
    """Follow a path; an item of a list that is not known as a whole may stand elsewhere, or not at all."""
    for step in path:
        if value is UNKNOWN or (isinstance(value, list) and not _is_known(value)):
            return UNKNOWN
        value = value[step]
    return value


def _within(root: Json, parts: list[dict[str, Json]], step: str | Item) -> list[dict[str, Json]]:
    """List the schemas that a part of a value must match whose schemas are given, as far as they are plain."""
    inner = [_inner(part, step) for part in parts]
    return [demand for part in inner for demand in _demands(root, part)]


def _inner(schema: dict[str, Json], step: str | Item) -> Json:
    if isinstance(step, Item):
        return schema.get("items") if "prefixItems" not in schema else None
    properties = schema.get("properties")
    return properties.get(step) if isinstance(properties, dict) else None


def _demands(root: Json, schema: Json) -> list[dict[str, Json]]:
    """List a schema and everything that it demands of the same value."""
    found: dict[int, dict[str, Json]] = {}
    border = [schema]
    is_old = isinstance(root, dict) and "/draft-0" in str(root.get("$schema"))  # in which $ref stands alone
    while border:
        part = border.pop()
        if isinstance(part, bool):
            part = _EVERYTHING if part else _NOTHING
        if not isinstance(part, dict) or id(part) in found:
            continue
        found[id(part)] = part
        if "$ref" in part:
            border.append(_target(root, part["$ref"]))
            if is_old:
                found[id(part)] = _EVERYTHING
                continue
        border += part["allOf"] if isinstance(part.get("allOf"), list) else []
    return list(found.values())


def _target(root: Json, reference: Json) -> Json:
    """Follow a reference by pointer; None stands for any other, of which nothing is known."""
    if reference == "#":
        return root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    found = root
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


_EVERYTHING: dict[str, Json] = {}
_NOTHING: dict[str, Json] = {"not": {}}


def _common(parts: Iterable[dict[str, Json]]) -> frozenset[Type]:
    """List the types that every one of some schemas leaves."""
    return TYPES.intersection(*map(_types, parts))


def _types(schema: dict[str, Json]) -> frozenset[Type]:
    """List the types that a schema leaves, as far as its own keywords say."""
    allowed = TYPES if schema.get("not") not in ({}, True) else frozenset()
    written = schema.get("type")
    if isinstance(written, str | list):
        named = {written} if isinstance(written, str) else set(_names(written))
        allowed &= frozenset(named | ({"integer"} if "number" in named else set()))
    if "const" in schema:
        allowed &= _types_of(schema["const"])
    if isinstance(schema.get("enum"), list):
        allowed &= frozenset().union(*(_types_of(value) for value in schema["enum"]))
    return allowed


def _types_of(value: Json) -> frozenset[Type]:
    if isinstance(value, bool):
        return frozenset(("boolean",))
    if isinstance(value, int | float):
        return frozenset(("integer", "number") if value == int(value) else ("number",))
    for kind, name in _KINDS:
        if isinstance(value, kind):
            return frozenset((name,))
    return frozenset(("null",))


_KINDS: tuple[tuple[type, Type], ...] = ((str, "string"), (list, "array"), (dict, "object"))


def _names(written: Json) -> Iterator[str]:
    yield from (name for name in written if isinstance(name, str)) if isinstance(written, list) else ()
