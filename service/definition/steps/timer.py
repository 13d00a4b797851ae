"""A step that lets time pass: for a duration, or until an instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from service.definition.durations import instant, seconds
from service.definition.rules import Finding, finding
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.written import expression
from service.domain.json_text import Json

_EXPRESSION: Json = {
    "properties": {"type": {"const": "jsonata"}, "src": {"type": "string"}},
    "required": ["src"],
}
_PROPERTIES: dict[str, Json] = {
    "duration": _EXPRESSION
    | {
        "type": ["number", "string", "object"],
        "description": "How long to wait: milliseconds, ISO 8601 such as PT5M, or {% an expression that gives one %}.",
        "examples": ["PT5M", 300_000, "{% __context__.pause %}"],
    },
    "until": _EXPRESSION
    | {
        "type": ["string", "object"],
        "description": "When to go on: ISO 8601 such as 2026-01-31T09:00:00Z, or {% an expression that gives it %}. "
        "Without a zone it is UTC.",
    },
}
_READERS: dict[str, Callable[[Json], object]] = {"duration": seconds, "until": instant}


def _compile(step: Settings) -> Settings:
    name = "duration" if "duration" in step else "until"
    if (found := expression(step[name])) is not None:
        return {f"{name}Expression": found[1]}
    return {"duration": seconds(step["duration"])} if name == "duration" else {"until": step["until"]}


def _check(step: Settings, pointer: str) -> Iterator[Finding]:
    given = [name for name in _READERS if name in step]
    if len(given) != 1:
        what = "both duration and until" if given else "neither duration nor until"
        yield finding("TIMER_HAS_ONE_TIME", f"the timer has {what}; it needs exactly one of them", pointer)
    for name in given:
        value = step[name]
        if expression(value) is not None or not isinstance(value, str | int | float) or isinstance(value, bool):
            continue
        try:
            _READERS[name](value)
        except ValueError as error:
            yield finding("DURATIONS_VALID", str(error), f"{pointer}/{name}")


TIMER = Kind(
    name="timer",
    properties=_PROPERTIES,
    templates=("duration", "until"),
    compile=_compile,
    check=_check,
)
