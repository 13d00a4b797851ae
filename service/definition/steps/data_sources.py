"""Data that a step fetches before it begins, once for the step or once for each item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.definition.durations import seconds
from service.definition.rules import Finding, finding
from service.definition.steps import providers, retrying
from service.definition.steps.providers import Provider
from service.definition.steps.retrying import RETRY
from service.definition.steps.written import DURATION, EXPRESSION, Expression, lone_expression, unreadable_durations
from service.domain.json_text import Json

MAX_DATA_SOURCES = 20
"""How many data sources one step may have."""

_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": 200}
DATA_SOURCES: dict[str, Json] = {
    "type": "array",
    "maxItems": MAX_DATA_SOURCES,
    "description": "What is fetched before the step begins: __datasources__.<alias> in its expressions.",
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "alias": _TEXT | {"description": "The name in __datasources__, unique in the step."},
            "type": _TEXT | {"description": "Who serves it; the settings say where, such as on a task queue."},
            "dataSourceID": _TEXT | {"description": "What is asked of who serves it."},
            "params": {"description": "What it is asked with: a value, or an object or a list of such."},
            "select": EXPRESSION | {"description": "Asked of what was fetched, which is $; all of it when absent."},
            "scope": {"enum": ["per-step", "per-item"], "default": "per-step", "description": "How often it is asked."},
            "timeout": DURATION | {"default": "PT30S", "description": "How long one attempt may take."},
            "retry": RETRY,
        },
        "required": ["alias", "type", "dataSourceID"],
    },
}
"""The JSON Schema of a step's data sources."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data source as written, with the JSON pointer to where it stands."""

    pointer: str
    data: dict[str, Json]

    @property
    def alias(self) -> str | None:
        """Its name in the step; None if it has none that can be read."""
        alias = self.data.get("alias")
        return alias if isinstance(alias, str) else None

    @property
    def is_each(self) -> bool:
        """Tell whether it is fetched once for each item."""
        return self.data.get("scope") == "per-item"

    def providers(self) -> tuple[Provider, ...]:
        """List what its parameters are made of."""
        return tuple(providers.providers(self.data.get("params"), f"{self.pointer}/params"))

    def select(self) -> Iterator[Expression]:
        """List what is asked of what was fetched, if anything."""
        yield from lone_expression(self.data, "select", self.pointer, names=None)

    def problems(self) -> Iterator[Finding]:
        """Tell what is wrong with it alone, beyond its schema."""
        if "params" in self.data:
            yield from providers.problems_of_parameter(self.data["params"], f"{self.pointer}/params")
        yield from unreadable_durations(self.data, self.pointer, positive=("timeout",), others=retrying.DURATIONS)


def read(written: Json, pointer: str) -> list[DataSource]:
    """List the data sources of a step, those that can be read."""
    listed = written if isinstance(written, list) else []
    return [DataSource(f"{pointer}/{n}", part) for n, part in enumerate(listed) if isinstance(part, dict)]


def aliases_unique(sources: list[DataSource]) -> Iterator[Finding]:
    """Each data source of a step has an alias of its own."""
    first: dict[str, str] = {}
    for source in sources:
        alias = source.alias
        if alias is None:
            continue
        if alias in first:
            message = f'the alias "{alias}" stands at {first[alias]} already'
            yield finding("DATA_SOURCE_ALIASES_UNIQUE", message, f"{source.pointer}/alias")
        else:
            first[alias] = source.pointer


def compiled(data: dict[str, Json]) -> dict[str, Json]:
    """Make of a data source what stands in the plan."""
    settings: dict[str, Json] = {
        "alias": data["alias"],
        "type": data["type"],
        "id": data["dataSourceID"],
        "timeout": seconds(data.get("timeout", "PT30S")),
        "retry": retrying.compiled(data.get("retry", {})),
    }
    if "params" in data:
        settings["params"] = providers.compiled_parameter(data["params"])
    if "select" in data:
        settings["select"] = data["select"]["src"]
    if data.get("scope") == "per-item":
        settings["each"] = True
    return settings
