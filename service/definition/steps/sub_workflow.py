"""A step that runs other workflows: one, or one for each item of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from service.definition import expressions
from service.definition.rules import Finding, finding
from service.definition.steps import data_sources, mappings
from service.definition.steps.data_sources import DATA_SOURCES, DataSource
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.mappings import MAPPINGS
from service.definition.steps.providers import Provider
from service.definition.steps.written import EXPRESSION, Expression, lone_expression
from service.domain.json_text import Json

DEFAULT_CONCURRENCY = 50
MAX_CONCURRENCY = 1000

_ITERABLE: dict[str, Json] = {
    "type": "object",
    "description": "The items of a BATCH: nothing is no item, and what is no list is one.",
    "properties": {
        "type": {"enum": ["EXPRESSION", "STEP", "DATASOURCE"]},
        "expr": EXPRESSION,
        "stepId": {"type": "string", "description": "The step whose output is the list, with STEP."},
        "key": {"type": "string", "description": "The alias of the data source that is the list, with DATASOURCE."},
        "select": EXPRESSION | {"description": "Asked of the output or the data, which is $; all of it when absent."},
    },
}
_PROPERTIES: dict[str, Json] = {
    "mode": {"enum": ["SINGLE", "BATCH"], "description": "One child, or one for each item of the iterable."},
    "childWorkflowTemplateVersionId": {
        "type": "string",
        "minLength": 1,
        "description": "The published version that the children run; it need not be its template's active one.",
    },
    "childWorkflowName": EXPRESSION | {"description": "The children's names; that of their template when absent."},
    "iterable": _ITERABLE,
    "inputMapping": MAPPINGS,
    "dataSources": DATA_SOURCES,
    "contextProjection": {"description": "Kept and ignored."},
    "childSubject": {
        "type": "object",
        "description": "What each child is for.",
        "properties": {"type": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]{0,63}$"}, "id": EXPRESSION},
        "required": ["type", "id"],
    },
    "maxConcurrency": {
        "type": "integer",
        "minimum": 1,
        "maximum": MAX_CONCURRENCY,
        "default": DEFAULT_CONCURRENCY,
        "description": "How many children run at a time.",
    },
    "toleratedFailureCount": {
        "type": "integer",
        "minimum": 0,
        "description": "How many children may fail before the step does; none when absent.",
    },
    "toleratedFailurePercentage": {
        "type": "number",
        "minimum": 0,
        "maximum": 100,
        "description": "What share of the children may fail before the step does, instead of a count.",
    },
    "waitForAll": {
        "type": "boolean",
        "default": False,
        "description": "Whether all children end before the step fails because of one.",
    },
    "collectOutputs": {
        "type": "boolean",
        "default": True,
        "description": "Whether the step's output is that of its children, in the order of the items.",
    },
}


@dataclass(frozen=True, slots=True)
class _Iterable:
    """Where the items come from as written: the property that says so, and what of it stands in the plan."""

    type: str
    needs: str
    compile: Callable[[Json], Settings]


_ITERABLES = (
    _Iterable("EXPRESSION", "expr", lambda written: {"expression": written["src"]}),
    _Iterable("STEP", "stepId", lambda written: {"step": written}),
    _Iterable("DATASOURCE", "key", lambda written: {"source": written}),
)


def _compile(step: Settings) -> Settings:
    settings: Settings = {
        "mode": step["mode"],
        "version": step["childWorkflowTemplateVersionId"],
        "mapping": [mappings.compiled(mapping) for mapping in step.get("inputMapping", [])],
        "sources": [data_sources.compiled(source) for source in step.get("dataSources", [])],
        "concurrency": int(step.get("maxConcurrency", DEFAULT_CONCURRENCY)),
        "collect": step.get("collectOutputs", True),
    }
    if step["mode"] == "BATCH":
        settings["items"] = _compiled_items(step["iterable"])
    if "childWorkflowName" in step:
        settings["name"] = step["childWorkflowName"]["src"]
    if "toleratedFailureCount" in step:
        settings["tolerated"] = {"count": int(step["toleratedFailureCount"])}
    if "toleratedFailurePercentage" in step:
        settings["tolerated"] = {"percentage": float(step["toleratedFailurePercentage"])}
    if step.get("waitForAll"):
        settings["waitForAll"] = True
    if "childSubject" in step:
        settings["subject"] = {"type": step["childSubject"]["type"], "id": step["childSubject"]["id"]["src"]}
    return settings


def _compiled_items(written: Json) -> Settings:
    iterable = _iterable(written)
    assert iterable is not None
    settings = iterable.compile(written[iterable.needs])
    if "select" in written and iterable.type != "EXPRESSION":
        settings["select"] = written["select"]["src"]
    return settings


def _iterable(written: Json) -> _Iterable | None:
    """Tell where items come from; None if that cannot be read."""
    if not isinstance(written, dict):
        return None
    found = [one for one in _ITERABLES if one.needs in written and written.get("type", one.type) == one.type]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class _Place:
    """Values and expressions that are asked at the same time, and what is there by then."""

    values: tuple[Provider, ...]
    expressions: tuple[Expression, ...]
    sources: tuple[DataSource, ...]
    has_item: bool


class _Parts:
    """A sub-workflow as written: whatever of it can be read."""

    def __init__(self, step: Settings, pointer: str) -> None:
        self.step = step
        self.pointer = pointer
        self.is_batch = step.get("mode") == "BATCH"
        self.sources = data_sources.read(step.get("dataSources"), f"{pointer}/dataSources")
        self.mappings = mappings.read(step.get("inputMapping"), f"{pointer}/inputMapping")

    def places(self) -> Iterator[_Place]:
        """List everything that is asked, in the order of the asking."""
        iterable, at = self.step.get("iterable"), f"{self.pointer}/iterable"
        per_step = tuple(source for source in self.sources if not source.is_each)
        for source in per_step:
            yield _Place(source.providers(), (), sources=(), has_item=False)
        yield _Place((), tuple(lone_expression(iterable, "expr", at)), per_step, has_item=False)
        for source in self.sources:
            if source.is_each:
                yield _Place(source.providers(), (), per_step, has_item=self.is_batch)
        values = tuple(mapping.provider for mapping in self.mappings if mapping.provider is not None)
        yield _Place(values, tuple(self._of_children()), tuple(self.sources), has_item=self.is_batch)

    def selects(self) -> Iterator[Expression]:
        """List the expressions that are asked of one value."""
        yield from lone_expression(self.step.get("iterable"), "select", f"{self.pointer}/iterable", names=None)
        for source in self.sources:
            yield from source.select()

    def _of_children(self) -> Iterator[Expression]:
        yield from lone_expression(self.step, "childWorkflowName", self.pointer)
        yield from lone_expression(self.step.get("childSubject"), "id", f"{self.pointer}/childSubject")


def _expressions(step: Settings, pointer: str) -> Iterator[Expression]:
    parts = _Parts(step, pointer)
    for place in parts.places():
        yield from _all_expressions(place)
    yield from parts.selects()


def _all_expressions(place: _Place) -> Iterator[Expression]:
    yield from place.expressions
    yield from (value.expression for value in place.values if value.expression is not None)


def _steps_named(step: Settings, pointer: str) -> Iterator[tuple[str, str]]:
    for place in _Parts(step, pointer).places():
        yield from ((f"{value.pointer}/ref/stepId", value.step) for value in place.values if value.step is not None)
    if (id := _iterated(step, "STEP", "stepId")) is not None:
        yield f"{pointer}/iterable/stepId", id


def _iterated(step: Settings, type: str, name: str) -> str | None:
    """Read what an iterable of some type names."""
    written = step.get("iterable")
    named = written.get(name) if isinstance(written, dict) and written.get("type", type) == type else None
    return named if isinstance(named, str) else None


def _check(step: Settings, pointer: str) -> Iterator[Finding]:
    parts = _Parts(step, pointer)
    yield from _iterable_shape(parts)
    for source in parts.sources:
        yield from source.problems()
    yield from data_sources.aliases_unique(parts.sources)
    yield from mappings.problems(parts.mappings)
    yield from _one_tolerance(parts)
    yield from _single_has_no_items(parts)
    for place in parts.places():
        yield from _items_asked_for(parts, place)
        yield from _data_asked_for(parts, place)
    yield from _data_iterated(parts)


def _iterable_shape(parts: _Parts) -> Iterator[Finding]:
    """Say of an iterable what its schema cannot; an empty one counts as none."""
    written = parts.step.get("iterable")
    if isinstance(written, dict) and written and _iterable(written) is None:
        ways = ", ".join(f"{one.needs} with {one.type}" for one in _ITERABLES)
        yield finding("DOCUMENT_SHAPE", f"an iterable has exactly one of {ways}", f"{parts.pointer}/iterable")


def _one_tolerance(parts: _Parts) -> Iterator[Finding]:
    if "toleratedFailureCount" in parts.step and "toleratedFailurePercentage" in parts.step:
        message = "failures are tolerated by count or by percentage, and not by both"
        yield finding("DOCUMENT_SHAPE", message, f"{parts.pointer}/toleratedFailurePercentage")


def _single_has_no_items(parts: _Parts) -> Iterator[Finding]:
    if parts.step.get("mode") != "SINGLE":
        return
    if parts.step.get("iterable"):
        message = "a sub-workflow of mode SINGLE runs once and has no iterable"
        yield finding("ITEMS_ONLY_IN_BATCH", message, f"{parts.pointer}/iterable")
    for source in parts.sources:
        if source.is_each:
            message = "a sub-workflow of mode SINGLE has no items for which anything could be fetched"
            yield finding("ITEMS_ONLY_IN_BATCH", message, f"{source.pointer}/scope")


def _items_asked_for(parts: _Parts, place: _Place) -> Iterator[Finding]:
    if place.has_item or parts.step.get("mode") not in ("SINGLE", "BATCH"):
        return
    why = "what is asked once for the step" if parts.is_batch else "a sub-workflow of mode SINGLE"
    message = f"there is no item for {why}"
    for value in place.values:
        if value.source == "EACH":
            yield finding("ITEMS_ONLY_IN_BATCH", message, f"{value.pointer}/ref/source")
    for one in _all_expressions(place):
        if any(path[:1] == ("__each__",) for path in expressions.paths(one.source)):
            yield finding("ITEMS_ONLY_IN_BATCH", message, one.pointer)


def _data_asked_for(parts: _Parts, place: _Place) -> Iterator[Finding]:
    known = [source.alias for source in place.sources]
    for value in place.values:
        if value.alias is not None and value.alias not in known:
            yield _no_data(parts, value.alias, f"{value.pointer}/ref/key")
    for one in _all_expressions(place):
        for path in expressions.paths(one.source):
            if len(path) > 1 and path[0] == "__datasources__" and path[1] not in known:
                yield _no_data(parts, path[1], one.pointer)


def _data_iterated(parts: _Parts) -> Iterator[Finding]:
    alias = _iterated(parts.step, "DATASOURCE", "key")
    if alias is not None and alias not in [source.alias for source in parts.sources if not source.is_each]:
        yield _no_data(parts, alias, f"{parts.pointer}/iterable/key")


def _no_data(parts: _Parts, alias: str, pointer: str) -> Finding:
    known = [source.alias for source in parts.sources if source.alias is not None]
    if alias in known:
        return finding("DATA_SOURCES_EXIST", f'the data source "{alias}" is fetched only after this is asked', pointer)
    names = f"; there are {', '.join(known)}" if known else ""
    shown = alias if len(alias) <= 60 else f"{alias[:60]}…"
    return finding("DATA_SOURCES_EXIST", f'the step has no data source "{shown}"{names}', pointer)


SUB_WORKFLOW = Kind(
    name="sys.sub_workflow",
    properties=_PROPERTIES,
    required=("mode", "childWorkflowTemplateVersionId"),
    compile=_compile,
    check=_check,
    expressions=_expressions,
    steps_named=_steps_named,
)
