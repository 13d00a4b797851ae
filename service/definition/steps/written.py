"""Ways in which authors write the same thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.definition import expressions
from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.domain.json_text import Json

DURATION = {
    "type": ["number", "string"],
    "examples": ["PT5M", 300_000],
    "description": "Milliseconds, or ISO 8601 without years and months.",
}
"""The JSON Schema of a duration."""

EXPRESSION: dict[str, Json] = {
    "type": "object",
    "description": "A JSONata expression.",
    "properties": {"type": {"const": "jsonata"}, "src": {"type": "string", "minLength": 1}},
    "required": ["src"],
}
"""The JSON Schema of an expression that stands alone."""

EVERYWHERE = ("__context__", "__steps__", "__runs__", "__variables__")
"""The names that are bound for every expression that is asked of an execution."""

CATCHING = (*EVERYWHERE, "__error__", "__failed__")
"""The names that are bound where a transition hands something to the step behind it."""

COMPENSATING = (*EVERYWHERE, "__cancellation__", "__original__")
"""The names that are bound in compensations."""

ELSEWHERE = {
    "__datasources__": "a sub-workflow",
    "__each__": "a sub-workflow",
    "__event__": "the condition of a wait for an event",
    "__error__": "the input of a transition that catches an error",
    "__failed__": "the input of a transition that catches an error",
    "__cancellation__": "a compensation",
    "__original__": "a compensation",
}
"""The names that are bound in some places only, and in which."""

NAMES = (*EVERYWHERE, *ELSEWHERE)
"""All names that are bound somewhere."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression as written, where it stands, and the names with which it may begin a path."""

    pointer: str
    source: str
    names: tuple[str, ...] | None = EVERYWHERE  # None: it is asked of one value, which may have any fields


def expression(value: Json) -> tuple[str, str] | None:
    """Take the source out of `{% source %}` or `{"src": source}`, with the pointer to it from the value; else None."""
    if isinstance(value, dict) and isinstance(value.get("src"), str):
        return "/src", value["src"]
    source = expressions.embedded(value) if isinstance(value, str) else None
    return None if source is None else ("", source)


def source_of(value: Json) -> str | None:
    """Take the source out of a property that can be nothing but an expression: text, `{% … %}` or `{"src": …}`."""
    found = expression(value)
    if found is not None:
        return found[1]
    return value if isinstance(value, str) else None


def lone_expression(
    data: Json, name: str, pointer: str, *, names: tuple[str, ...] | None = NAMES
) -> Iterator[Expression]:
    """Read the property of an object that may be an expression, if it is one."""
    written = data.get(name) if isinstance(data, dict) else None
    if isinstance(written, dict) and isinstance(written.get("src"), str):
        yield Expression(f"{pointer}/{name}/src", written["src"], names)


def unreadable_durations(
    value: dict[str, Json], pointer: str, *, positive: tuple[str, ...], others: tuple[str, ...] = ()
) -> Iterator[Finding]:
    """Check the durations that stand at some places in a value; one of a wrong type is the schema's business."""
    for place in (*positive, *others):
        written = _at(value, place)
        if not isinstance(written, str | int | float) or isinstance(written, bool):
            continue
        try:
            if seconds(written) == 0 and place in positive:
                yield finding("DURATIONS_VALID", f"{place} must be longer than nothing", f"{pointer}/{place}")
        except ValueError as error:
            yield finding("DURATIONS_VALID", str(error), f"{pointer}/{place}")


def _at(value: Json, path: str) -> Json:
    for name in path.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return value
