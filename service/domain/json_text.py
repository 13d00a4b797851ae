"""Strict JSON: reading documents that come from outside, and writing the one text that a value has.

What is refused here would be lost, changed or fatal further inside: PostgreSQL stores no NUL and no half of a surrogate
pair, the expression language computes in doubles and 64-bit integers, and a key given twice means something else to
every reader.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""

MAX_NESTING = 100
"""How many levels of lists and objects a document may have."""


class InvalidJson(ValueError):
    """A document that is not taken; `message` tells exactly why, `field` where the caller has put it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def parse(text: str, *, limit: int, field: str) -> Json:
    """Read a document of at most `limit` bytes of UTF-8; raise `InvalidJson` with the reason if it is not taken."""
    try:
        _require_small(text, limit)
        value = _load(text)
        if nesting(value) > MAX_NESTING:
            _refuse(f"nested more than {MAX_NESTING} levels deep")
        if _MAY_BE_UNSTORABLE.search(text):
            _require_storable(value)
    except _Refusal as refusal:
        raise InvalidJson(field, str(refusal)) from None
    return value


def canonical(value: Json) -> str:
    """Write a value in the one way that equal values share: keys sorted, no spaces, no escapes that can be spared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


compact: Callable[[Json], str] = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Write a value without spaces and escapes that can be spared, its keys in their own order."""


def nesting(value: Json) -> int:
    """Count the levels of lists and objects in a value, as far as one more than `MAX_NESTING`."""
    depth = 0
    level = [value]
    while depth <= MAX_NESTING:
        level = [part for part in level if isinstance(part, list | dict)]
        if not level:
            break
        depth += 1
        level = [part for whole in level for part in (whole.values() if isinstance(whole, dict) else whole)]
    return depth


def parts(value: Json) -> int:
    """Count a value and everything in it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(parts, inner))


_MAX_DIGITS = 4300  # Python reads no longer integers, because it would take too long
_SHOWN = 40
_MAY_BE_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


class _Refusal(Exception):
    """Why a document is not taken."""


def _refuse(message: str) -> NoReturn:
    raise _Refusal(message)


def _require_small(text: str, limit: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        _refuse(f"half of a surrogate pair stands at character {error.start}")
    if size > limit:
        _refuse(f"too large: {size:,} bytes, at most {limit:,} are allowed")


def _load(text: str) -> Json:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_double,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        _refuse(f"not JSON: {error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _refuse(f"nested more than {MAX_NESTING} levels deep")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        _refuse(f"the key {_shown(json.dumps(twice))} stands twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _refuse(f"a number has {len(digits):,} digits")
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        _refuse(f"the integer {_shown(digits)} is outside of ±2^63; write it as a string")
    return number


def _double(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        _refuse(f"the number {_shown(digits)} is larger than a double can be")
    return number


def _constant(name: str) -> NoReturn:
    _refuse(f"{name} is no JSON number")


def _require_storable(value: Json) -> None:
    for pointer, text in _strings(value, ""):
        if "\0" in text:
            _refuse(f"the character \\u0000 stands {_place(pointer)}; it cannot be stored")
        if not text.isascii() and _SURROGATE.search(text):
            _refuse(f"half of a surrogate pair stands {_place(pointer)}; it is no text")


_SURROGATE = re.compile("[\ud800-\udfff]")


def _strings(value: Json, pointer: str) -> Iterator[tuple[str, str]]:
    """Go through all strings and keys of a value, each with the JSON pointer to where it stands."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield pointer, key
            yield from _strings(part, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _strings(part, f"{pointer}/{number}")


def _place(pointer: str) -> str:
    return f"at {_shown(pointer)}" if pointer else "at the top"


def _shown(text: str) -> str:
    """Cut what goes into a message, and keep it fit to be logged."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
