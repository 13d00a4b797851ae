"""A lenient view of a definition of the dialect `orchestrator`: its objects, and where each value stands.

Names are taken in camelCase and in snake_case. What has the wrong type is left out and told of.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from service.definition.conditions.translating import Refusal
from service.definition.rules import Finding, finding
from service.domain.json_text import Json


@dataclass(slots=True)
class Notes:
    """What is said of a definition, as it is read."""

    findings: list[Finding] = field(default_factory=list)
    guesses: int = 20  # comparing ids is slow, and a reader who needs more has another problem

    def add(self, rule: str, message: str, pointer: str) -> None:
        self.findings.append(finding(rule, message, pointer))

    def refused(self, pointer: str, refusal: Refusal) -> None:
        """Tell of an expression that is none."""
        self.add("EXPRESSIONS_PARSE", f"{refusal.message} (at character {refusal.position})", pointer)

    def guess(self, word: str, words: Iterable[str]) -> str:
        """Say which of some words was most likely meant, as the end of a message."""
        self.guesses -= 1
        similar = get_close_matches(word[:128], list(words)[:2000], n=1, cutoff=0.6) if self.guesses >= 0 else []
        return f'; did you mean "{similar[0]}"?' if similar else ""


@dataclass(frozen=True, slots=True)
class Part:
    """An object of the definition, and the pointer to it."""

    data: dict[str, Json]
    pointer: str
    notes: Notes

    def key(self, name: str) -> str | None:
        """Find how a property is spelled here; None if it is not there, or null."""
        for spelling in (name, *_spellings(name)):
            if self.data.get(spelling) is not None:
                return spelling
        return None

    def has(self, name: str) -> bool:
        return self.key(name) is not None

    def says(self, name: str) -> bool:
        """Tell whether a property is there, were it null."""
        return any(spelling in self.data for spelling in (name, *_spellings(name)))

    def value(self, name: str) -> Json:
        key = self.key(name)
        return None if key is None else self.data[key]

    def at(self, name: str) -> str:
        """Point to a property, or to the whole if it is not there."""
        key = self.key(name)
        return self.pointer if key is None else f"{self.pointer}/{escaped(key)}"

    def text(self, *names: str) -> str | None:
        """Read the first of some properties that is there; it is a text with something in it."""
        name = self.first(*names)
        found = None if name is None else self.value(name)
        if name is None or (isinstance(found, str) and found):
            return found
        self.shape(name, "a text" if not isinstance(found, str) else "a text that is not empty")
        return None

    def first(self, *names: str) -> str | None:
        return next((name for name in names if self.has(name)), None)

    def part(self, name: str) -> Part | None:
        """Read a property that is an object."""
        found = self.value(name)
        if isinstance(found, dict):
            return Part(found, self.at(name), self.notes)
        if found is not None:
            self.shape(name, "an object")
        return None

    def parts(self, name: str) -> list[Part]:
        """Read a property that is a list of objects."""
        found = self.value(name)
        if found is None:
            return []
        if not isinstance(found, list):
            self.shape(name, "a list")
            return []
        place = self.at(name)
        for number, item in enumerate(found):
            if not isinstance(item, dict):
                self.notes.add("DOCUMENT_SHAPE", "this is to be an object", f"{place}/{number}")
        return [
            Part(item, f"{place}/{number}", self.notes) for number, item in enumerate(found) if isinstance(item, dict)
        ]

    def flag(self, name: str) -> bool | None:
        found = self.value(name)
        if found is None or isinstance(found, bool):
            return found
        self.shape(name, "true or false")
        return None

    def shape(self, name: str, wanted: str) -> None:
        self.notes.add("DOCUMENT_SHAPE", f"{name} is to be {wanted}", self.at(name))

    def look_over(self, known: Sequence[str], what: str, refused: Sequence[str] = ()) -> None:
        """Tell of the properties that mean nothing here; those that are refused would mean something elsewhere."""
        names, meaningful = _all_spellings(tuple(known)), _all_spellings(tuple(refused))
        for key in self.data:
            if key in names or key.startswith("x-") or self.data[key] is None:
                continue
            shown = key if len(key) <= 60 else f"{key[:60]}…"
            place = f"{self.pointer}/{escaped(key)}"
            if key in meaningful:
                self.notes.add("NOT_TRANSLATED", f"{what} has no {shown}, and it cannot be ignored", place)
            else:
                message = f'"{shown}" is not known in {what} and has no effect{self.notes.guess(key, known)}'
                self.notes.add("UNKNOWN_PROPERTY", message, place)


def escaped(key: str) -> str:
    """Write a key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


_CAPITAL = re.compile(r"(?<!^)([A-Z])")
_ALIASES = {"cancellationTriggers": ("cancelationTriggers", "cancelation_triggers")}


@functools.lru_cache(maxsize=512)
def _spellings(name: str) -> tuple[str, ...]:
    """List the other ways to write a name."""
    snake = _CAPITAL.sub(r"_\1", name).lower()
    return (*([snake] if snake != name else ()), *_ALIASES.get(name, ()))


@functools.cache
def _all_spellings(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(spelling for name in names for spelling in (name, *_spellings(name)))
