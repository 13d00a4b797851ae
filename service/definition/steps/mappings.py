"""What builds the input of a child: each mapping sets a value at a path, or appends it to the list there."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.definition.partial import UNKNOWN
from service.definition.rules import Finding, finding
from service.definition.steps import providers
from service.definition.steps.providers import PROVIDER, Provider
from service.domain.json_text import Json

REFUSED_NAMES = ("__proto__", "constructor", "prototype")
"""Names that would reach behind the data of those who read the input in JavaScript."""

MAPPINGS: dict[str, Json] = {
    "type": "array",
    "maxItems": 1000,
    "description": "What builds each child's input, in this order; the input is {} at first.",
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "targetPath": {
                "type": "string",
                "minLength": 1,
                "description": "Names with dots between; objects that are missing on the way are made.",
                "examples": ["directorId", "company.id"],
            },
            "value": PROVIDER,
            "mode": {
                "enum": ["set", "append"],
                "default": "set",
                "description": "Whether the value is put at the path, or at the end of the list there.",
            },
        },
        "required": ["targetPath", "value"],
    },
}
"""The JSON Schema of a step's mappings."""


Path = tuple[str | int, ...]
"""The names and positions that lead to a part of an input."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping as written, with the JSON pointer to where it stands."""

    pointer: str
    data: dict[str, Json]

    @property
    def provider(self) -> Provider | None:
        """What gives the value; None if that cannot be read."""
        return providers.provider(self.data.get("value"), f"{self.pointer}/value")

    @property
    def path(self) -> list[str] | None:
        """The names that lead to where the value goes; None if they cannot be read."""
        written = self.data.get("targetPath")
        return providers.names(written) if isinstance(written, str) and written and not _complaint(written) else None

    @property
    def appends(self) -> bool:
        return self.data.get("mode") == "append"


def read(written: Json, pointer: str) -> list[Mapping]:
    """List the mappings of a step, those that can be read."""
    listed = written if isinstance(written, list) else []
    return [Mapping(f"{pointer}/{n}", part) for n, part in enumerate(listed) if isinstance(part, dict)]


def compiled(data: dict[str, Json]) -> dict[str, Json]:
    """Make of a mapping what stands in the plan."""
    settings = {"path": providers.names(data["targetPath"]), "value": providers.compiled(data["value"])}
    return settings | {"append": True} if data.get("mode") == "append" else settings


def problems(mappings: list[Mapping]) -> Iterator[Finding]:
    """Tell what is wrong with the mappings of a step, beyond their schema."""
    for mapping in mappings:
        written = mapping.data.get("targetPath")
        if isinstance(written, str) and written and (wrong := _complaint(written)) is not None:
            yield finding("PATHS_VALID", wrong, f"{mapping.pointer}/targetPath")
        if "value" in mapping.data:
            yield from providers.problems(mapping.data["value"], f"{mapping.pointer}/value")
    yield from Building(mappings).problems
    yield from _replaced(mappings)


class Building:
    """The input that the mappings of a step build, as far as the definition tells.

    `input` is made of the constants, with `UNKNOWN` for everything else; what cannot be built is left out, and
    told in `problems`.
    """

    def __init__(self, mappings: list[Mapping]) -> None:
        self.input: dict[str, Any] = {}
        self.problems: list[Finding] = []
        self._done: list[tuple[Path, Mapping]] = []
        for mapping in mappings:
            path = mapping.path
            if path is None:
                continue
            if (wrong := self._put(mapping, path)) is not None:
                self.problems.append(finding("PATHS_VALID", wrong, f"{mapping.pointer}/targetPath"))
            else:
                self._done.append((tuple(path), mapping))

    def origin(self, path: Path) -> Mapping | None:
        """Find the mapping that has put there what stands at a path, or something in it; None for the whole."""
        for done, mapping in reversed(self._done if path else ()):
            length = min(len(done), len(path))
            if done[:length] == path[:length]:
                return mapping
        return None

    def _put(self, mapping: Mapping, path: list[str]) -> str | None:
        """Do what a mapping says; tell why it cannot be done."""
        value = mapping.provider
        # A copy, because later mappings may change it, and it is the author's.
        part = copy.deepcopy(value.constant) if value is not None and value.form == "const" else UNKNOWN
        at = self.input
        for depth, name in enumerate(path[:-1], start=1):
            inner = at.setdefault(name, {})
            if inner is UNKNOWN:
                return None
            if not isinstance(inner, dict):
                return f'the path leads through "{".".join(path[:depth])}", which is {_kind(inner)} by then'
            at = inner
        if not mapping.appends:
            at[path[-1]] = part
            return None
        present = at.setdefault(path[-1], [])
        if present is UNKNOWN:
            return None
        if not isinstance(present, list):
            return f'nothing can be appended to "{".".join(path)}", which is {_kind(present)} by then'
        present.append(part)
        return None


def _replaced(mappings: list[Mapping]) -> Iterator[Finding]:
    """Find what is set in vain."""
    last: dict[tuple[str, ...], Mapping] = {}  # by every beginning of their paths
    for mapping in mappings:
        if mapping.path is None:
            continue
        path = tuple(mapping.path)
        if not mapping.appends and path in last:
            lost = last[path]
            message = f'this replaces "{lost.data["targetPath"]}", which {lost.pointer} sets'
            yield finding("MAPPINGS_DISTINCT", message, f"{mapping.pointer}/targetPath")
        for length in range(1, len(path) + 1):
            last[path[:length]] = mapping


def _kind(value: Json) -> str:
    names = {str: "a text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")


def _complaint(path: str) -> str | None:
    """Say what is wrong with a target path, if anything; an empty one is the schema's business."""
    refused = [name for name in providers.names(path) if name in REFUSED_NAMES]
    if refused:
        return f'a path must not have the name "{refused[0]}"'
    return providers.complaint(path)
