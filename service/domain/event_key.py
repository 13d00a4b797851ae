"""Hashes of values in events, by which waits find events and events find waits.

Equal values have equal hashes; numbers are equal as doubles, as in expressions. A hash that happens to be equal only
costs a look in vain, for whatever is found by it is judged afterwards by the condition of the wait itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from service.domain.json_text import Json, canonical

MAX_KEYS = 64
"""Values of an event that are listed; an event with more is looked at without its keys."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


def digest(value: Json) -> str:
    """Give the hash of a value, wherever it stands."""
    return hashlib.sha256(_text(value).encode()).hexdigest()[:32]


def written(value: str | float) -> str:
    """Write a value that a wait asks for as JSON, as the ledger tells it: 1.0 reads as 1 does, to which it is equal."""
    whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if whole else value, ensure_ascii=False)


def of_wait(path: str, value: str) -> tuple[str, str]:
    """Give path and hash that a wait is found by, of the value as `written`; empty when events do not list such.

    They list scalars under plain names; a wait for anything else is one for anything.
    """
    if not path or not _PLAIN.fullmatch(path):
        return "", ""
    wanted = json.loads(value)
    return ("", "") if isinstance(wanted, list | dict) else (path, digest(wanted))


def key(workspace: str, path: str, digest: str) -> int:
    """Give the hash, as a signed number of 64 bits, that the events of a workspace list for a value at a path."""
    text = f"{workspace}\n{path}\n{digest}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


def keys(workspace: str, event: Json) -> list[int] | None:
    """List the hashes of all scalars in an event as expressions see it; None when there are too many.

    What stands in a list is found under the list's own path, as in expressions.
    """
    found: set[int] = set()
    for path, value in _scalars(event, ""):
        found.add(key(workspace, path, digest(value)))
        if len(found) > MAX_KEYS:
            return None
    return sorted(found)


def _scalars(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _scalars(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from _scalars(part, path)
    else:
        yield path, value


def _text(value: Json) -> str:
    return canonical(_as_double(value))


def _as_double(value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float | list | dict):
        return value
    if isinstance(value, list):
        return [_as_double(part) for part in value]
    if isinstance(value, dict):
        return {name: _as_double(part) for name, part in value.items()}
    try:
        return float(value) + 0.0  # no negative zero
    except OverflowError:
        return str(value)
