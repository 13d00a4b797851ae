"""Rules about the versions that sub-workflows run: they are there, are published, and get an input that they take."""

from __future__ import annotations

import json
from collections.abc import Iterator

from service.definition import expressions, partial, reading, syntax
from service.definition.document import Document, Node
from service.definition.partial import ITEM, TYPES, Item, Misfit
from service.definition.rules import Finding, finding
from service.definition.steps import mappings
from service.definition.steps.mappings import Building, Mapping
from service.definition.steps.providers import Provider
from service.definition.surroundings import Child, Surroundings
from service.domain.json_text import Json, parts

NAMING = "childWorkflowTemplateVersionId"
"""The property that names a child's version."""

_Origin = tuple[Json, tuple[str | Item, ...]]
"""A schema, and the way from what matches it to a value."""


def named(document: Document) -> tuple[str, ...]:
    """List the versions that a definition names, each once."""
    found = (node.data.get(NAMING) for node in document.of_type("sys.sub_workflow"))
    return tuple(dict.fromkeys(id for id in found if isinstance(id, str) and id))


def child_version_exists(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A sub-workflow runs a version that there is."""
    known = {child.id for child in surroundings.children}
    for node in document.of_type("sys.sub_workflow"):
        id = node.data.get(NAMING)
        if isinstance(id, str) and id and id not in known:
            shown = id if len(id) <= 60 else f"{id[:60]}…"
            message = f'the workspace has no version "{shown}"'
            yield finding("CHILD_VERSION_EXISTS", message, f"{node.pointer}/{NAMING}")


def child_version_published(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A sub-workflow runs a version that is published and still recommended."""
    for node, child in _with_children(document, surroundings):
        if child.status != "PUBLISHED":
            message = f"version {child.label} of template {child.template_key} is {child.status}, not PUBLISHED"
            yield finding("CHILD_VERSION_PUBLISHED", message, f"{node.pointer}/{NAMING}")


def child_input(document: Document, surroundings: Surroundings) -> Iterator[Finding]:
    """A sub-workflow gives its children everything that they must have, and nothing that they do not take."""
    for node, building, schema in _with_inputs(document, surroundings):
        for misfit in partial.misfits(schema, building.input):
            yield _told(node, building, misfit)
        for mapping in mappings.read(node.data.get("inputMapping"), f"{node.pointer}/inputMapping"):
            yield from _other_type(document, node, mapping, schema)


_MAX_EFFORT = 1_000_000
"""Parts of inputs times parts of schemas that are compared in one definition; a second's work."""


def _with_children(document: Document, surroundings: Surroundings) -> Iterator[tuple[Node, Child]]:
    known = {child.id: child for child in surroundings.children}
    for node in document.of_type("sys.sub_workflow"):
        id = node.data.get(NAMING)
        if isinstance(id, str) and id in known:
            yield node, known[id]


def _with_inputs(document: Document, surroundings: Surroundings) -> Iterator[tuple[Node, Building, Json]]:
    """List the sub-workflows whose children have a schema, with what the mappings build; none with bad mappings."""
    schemas = {
        child.id: json.loads(child.input_schema) for child in surroundings.children if child.input_schema is not None
    }
    size = {id: parts(schema) for id, schema in schemas.items()}
    effort = 0
    for node, child in _with_children(document, surroundings):
        written = node.data.get("inputMapping", [])
        found = mappings.read(written, f"{node.pointer}/inputMapping")
        is_sound = isinstance(written, list) and len(found) == len(written)
        if child.id not in schemas or not is_sound or any(one.path is None for one in found):
            continue
        building = Building(found)
        effort += parts(building.input) * size[child.id]
        if not building.problems and effort <= _MAX_EFFORT:
            yield node, building, schemas[child.id]


def _told(node: Node, building: Building, misfit: Misfit) -> Finding:
    place = _place(node, building, misfit.path)
    if misfit.missing is not None:
        name = _written((*misfit.path, misfit.missing))
        message = f'nothing gives the children "{name}", which their inputSchema requires'
        return finding("CHILD_INPUT_COMPLETE", message, place)
    at = f' at "{_written(misfit.path)}"' if misfit.path else ""
    message = f"the children's inputSchema does not take this{at}: {misfit.message}"
    return finding("CHILD_INPUT_FITS", message, place)


def _place(node: Node, building: Building, path: tuple[str | int, ...]) -> str:
    """Say where the part of an input comes from: from a mapping, or from none."""
    mapping = building.origin(path)
    if mapping is None:
        return f"{node.pointer}/inputMapping" if "inputMapping" in node.data else node.pointer
    return f"{mapping.pointer}/value"


def _other_type(document: Document, node: Node, mapping: Mapping, schema: Json) -> Iterator[Finding]:
    """Find a value that is never of a type that the children take."""
    value = mapping.provider
    if value is None or value.form == "const" or mapping.path is None:
        return
    origin = _origin(document, node, value)
    given = partial.types_at(*origin) if origin is not None else TYPES
    wanted = partial.types_at(schema, (*mapping.path, ITEM) if mapping.appends else mapping.path)
    if given and not given & wanted:
        has = f"this has the type {_list(given)}, and " if given != TYPES else ""
        message = f"{has}the children's inputSchema takes {_list(wanted)} there"
        yield finding("CHILD_INPUT_FITS", message, value.pointer)


def _origin(document: Document, node: Node, value: Provider) -> _Origin | None:
    """Find the schema that says what a value is; None if nothing does."""
    way = value.path or []
    if value.source == "CONTEXT" and value.path is not None:
        return document.data.get("inputSchema"), tuple(way)
    if value.source == "EACH" and value.path is not None:
        return _below(_items(document, node), way)
    if value.step is not None and value.path is not None:
        return _output(document, value.step, way)
    if value.expression is not None:
        return _asked(document, node, value.expression.source)
    return None


def _asked(document: Document, node: Node, source: str) -> _Origin | None:
    """Find what is behind an expression that is nothing but a path."""
    path = reading.plain_path(syntax.parse(source)) if expressions.check(source) is None else None
    if not path or path[0] not in ("__context__", "__each__"):
        return None
    if path[0] == "__context__":
        return document.data.get("inputSchema"), path[1:]
    return _below(_items(document, node), path[1:])


def _items(document: Document, node: Node) -> _Origin | None:
    """Find what is behind the items of a sub-workflow: those of a list, whole or filtered."""
    iterable = node.data.get("iterable")
    if not isinstance(iterable, dict):
        return None
    origin = None
    if isinstance(iterable.get("stepId"), str) and "select" not in iterable:
        origin = _output(document, iterable["stepId"], [])
    elif isinstance(iterable.get("expr"), dict) and isinstance(iterable["expr"].get("src"), str):
        source = iterable["expr"]["src"]
        path = reading.filtered_path(syntax.parse(source)) if expressions.check(source) is None else None
        if path and path[0] == "__context__":
            origin = document.data.get("inputSchema"), path[1:]
    if origin is None or partial.types_at(*origin) != {"array"}:
        return None
    return _below(origin, [ITEM])


def _output(document: Document, step: str, way: list[str]) -> _Origin | None:
    found = document.node.get(step)
    return (found.data.get("outputSchema"), tuple(way)) if found is not None else None


def _below(origin: _Origin | None, way: tuple[str, ...] | list[str] | list[Item]) -> _Origin | None:
    return None if origin is None else (origin[0], (*origin[1], *way))


def _written(path: tuple[str | int, ...]) -> str:
    return ".".join(map(str, path))


def _list(types: frozenset[partial.Type]) -> str:
    named = sorted(types - ({"integer"} if "number" in types else set()))
    return " or ".join(named) if named else "nothing"
