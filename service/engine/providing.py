"""Values that a step builds from fields, expressions and constants: the inputs of children, the params of sources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.definition.expressions import UNDEFINED, evaluate, select
from service.definition.plan import Json
from service.engine.scope import Overlay


class MappingError(Exception):
    """A value cannot be put where a mapping wants it; the text says where and why."""


class Provider:
    """Builds values on the data of an execution, what was fetched for the step, and the item, if there is one."""

    def __init__(
        self, scope: Mapping[str, Any], now: datetime, data: Mapping[str, Json], each: Json = UNDEFINED
    ) -> None:
        roots: dict[str, Any] = {"__datasources__": data}
        if each is not UNDEFINED:
            roots["__each__"] = each
        self._scope = Overlay(scope, roots)
        self._now = now

    def value(self, provider: dict[str, Json]) -> Json:
        """Build one value, UNDEFINED where there is none; raises ExpressionError."""
        if "const" in provider:
            return provider["const"]
        if "expression" in provider:
            return evaluate(provider["expression"], self._scope, self._now).value
        return _follow(self._root(provider), provider["path"])

    def text(self, source: str, where: str) -> str:
        """Evaluate an expression that must give a string; raises ExpressionError, MappingError."""
        value = evaluate(source, self._scope, self._now).value
        if isinstance(value, str) and value:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MappingError(f"{where} must give a string; {source!r} gave {value!r:.100}")
        return str(value)

    def items(self, iterable: dict[str, Json]) -> list[Json]:
        """Evaluate what a batch goes over: nothing is an empty list, and a single value a list of it."""
        if "expression" in iterable:
            found = evaluate(iterable["expression"], self._scope, self._now).value
        else:
            found = _follow(self._root({**iterable, "path": []}), [])
            if found is not UNDEFINED and "select" in iterable:
                found = self.selected(iterable["select"], found)
        if found is UNDEFINED or found is None:
            return []
        return found if isinstance(found, list) else [found]

    def selected(self, source: str, value: Json) -> Json:
        """Choose a part of a value, null where there is none; raises ExpressionError."""
        chosen = select(source, value, self._now)
        return None if chosen is UNDEFINED else chosen

    def params(self, template: dict[str, Json]) -> Json:
        """Build the params of a data source; raises ExpressionError."""
        built = self._param(template)
        return {} if built is UNDEFINED else built

    def _param(self, template: dict[str, Json]) -> Json:
        if "object" in template:
            fields = {name: self._param(part) for name, part in template["object"].items()}
            return {name: value for name, value in fields.items() if value is not UNDEFINED}
        if "list" in template:
            values = (self._param(part) for part in template["list"])
            return [None if value is UNDEFINED else value for value in values]
        return self.value(template)

    def mapped(self, mapping: list[dict[str, Json]]) -> dict[str, Json]:
        """Build an input, mapping by mapping; what is undefined is left out. Raises ExpressionError, MappingError."""
        built: dict[str, Json] = {}
        for line in mapping:
            value = self.value(line["value"])
            if value is not UNDEFINED:
                _put(built, line["path"], value, append=line.get("append", False))
        return built

    def _root(self, reference: dict[str, Json]) -> Json:
        source = reference.get("source")
        if "step" in reference:
            steps = self._scope["__steps__"]
            return steps[reference["step"]]["outputData"] if reference["step"] in steps else UNDEFINED
        if source == "CONTEXT":
            return self._scope["__context__"]
        if source == "EACH":
            return self._scope.get("__each__", UNDEFINED)
        alias = reference.get("alias", source)  # an iterable names its source by the alias alone
        return self._scope["__datasources__"].get(alias, UNDEFINED)


def _follow(value: Json, path: list[str]) -> Json:
    for name in path:
        if isinstance(value, list) and name.isascii() and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, Mapping) and name in value:
            value = value[name]
        else:
            return UNDEFINED
    return value


def _put(target: dict[str, Json], path: list[str], value: Json, *, append: bool) -> None:
    """Set or append a value at a path, creating the objects on the way; nothing that is shared is changed."""
    *parents, last = path
    at = target
    for depth, name in enumerate(parents):
        inner = at.get(name, {})
        if not isinstance(inner, dict):
            raise MappingError(f"cannot map to {'.'.join(path)}: {'.'.join(path[: depth + 1])} is {_kind(inner)}")
        at[name] = dict(inner)
        at = at[name]
    if not append:
        at[last] = value
        return
    present = at.get(last, [])
    if not isinstance(present, list):
        raise MappingError(f"cannot append to {'.'.join(path)}: it is {_kind(present)}, not a list")
    at[last] = [*present, value]


def _kind(value: Json) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
