"""Names of events and patterns over them: `order.paid`, `order.*`, `*.created`, `finance.*.approved`.

A name has segments divided by dots. In a pattern `*` stands for exactly one segment, and as the last one for one or
more. There are no other wildcards. Letters are told apart by case.
"""

from __future__ import annotations

import re

from service.domain.fields import refuse

MAX_SEGMENTS = 8
"""Segments of a name or a pattern: an event of k segments is looked up under less than 2^(k+1) patterns."""

MAX_LENGTH = 200
"""Characters of a name or a pattern."""

OWN = "workflow"
"""The first segment of the names of Heddle's own events, which nobody else publishes."""

_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_RULE = f"it must be 1 to {MAX_SEGMENTS} segments of letters, digits, hyphens and underscores, divided by dots"


def name(field: str, value: str) -> str:
    """Refuse what cannot be the name of an event; raises Invalid."""
    problem = _problem(value, wildcards=False)
    if problem:
        raise refuse(field, value, problem)
    return value


def foreign_name(field: str, value: str) -> str:
    """Refuse what cannot be the name of an event that a caller publishes; raises Invalid."""
    if name(field, value).partition(".")[0] == OWN:
        raise refuse(field, value, f'names that begin with "{OWN}." are those of events that Heddle publishes itself')
    return value


def pattern(field: str, value: str) -> str:
    """Refuse what cannot be a pattern; raises Invalid."""
    problem = pattern_problem(value)
    if problem:
        raise refuse(field, value, problem)
    return value


def pattern_problem(value: str) -> str:
    """Say which rule a pattern breaks, or nothing."""
    return _problem(value, wildcards=True)


def is_pattern(value: str) -> bool:
    """Tell whether a text is a pattern that can match."""
    return not pattern_problem(value)


def has_wildcards(value: str) -> bool:
    """Tell whether a pattern matches more than the one name that it is."""
    return "*" in value


def matches(pattern: str, name: str) -> bool:
    """Tell whether a pattern matches the name of an event."""
    wanted, given = pattern.split("."), name.split(".")
    if wanted[-1] == "*" and len(given) > len(wanted):
        given = given[: len(wanted)]
    return len(wanted) == len(given) and all(
        one in ("*", other) and other != "" for one, other in zip(wanted, given, strict=True)
    )


def candidates(name: str) -> list[str]:
    """List every pattern that matches a name, so that patterns can be looked up in an index."""
    segments = name.split(".")[:MAX_SEGMENTS]
    prefixes: list[list[str]] = [[]]
    found: list[list[str]] = []
    for number, segment in enumerate(segments, 1):
        prefixes = [[*prefix, one] for prefix in prefixes for one in (segment, "*")]
        found += prefixes if number == len(segments) else [prefix for prefix in prefixes if prefix[-1] == "*"]
    return [".".join(one) for one in found]


def expression(pattern: str) -> str:
    """Write a pattern as a regular expression that both Python and PostgreSQL read."""
    *first, last = pattern.split(".")
    parts = ["[^.]+" if segment == "*" else segment for segment in first]
    parts.append("[^.]+([.][^.]+)*" if last == "*" else last)
    return f"^{'[.]'.join(parts)}$"


def _problem(value: str, *, wildcards: bool) -> str:
    if not wildcards and "*" in value:
        return "an event has no wildcard in its name; only patterns do"
    segments = value.split(".")
    sound = all(_SEGMENT.fullmatch(segment) or (wildcards and segment == "*") for segment in segments)
    if not sound or len(segments) > MAX_SEGMENTS:
        return f'{_RULE}, a segment of a pattern may also be "*"' if wildcards else _RULE
    if len(value) > MAX_LENGTH:
        return f"it must have at most {MAX_LENGTH} characters"
    return ""
