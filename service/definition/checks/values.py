"""Rules about what stands in the parts of a definition: shapes, types, expressions, schemas."""

from __future__ import annotations

from collections.abc import Iterator

from service.definition import expressions, schemas
from service.definition.dialects import graph_schema
from service.definition.document import Document
from service.definition.rules import Finding, finding
from service.definition.steps import events, kinds
from service.definition.steps.written import (
    CATCHING,
    COMPENSATING,
    ELSEWHERE,
    EVERYWHERE,
    NAMES,
    Expression,
    expression,
)
from service.domain.json_text import MAX_NESTING, Json, nesting

MAX_STEPS = 2_000
MAX_TRANSITIONS = 10_000

_NOT_YET = {
    "": ("env", "secrets"),
    "steps": ("onFailure",),
    "stepTransitions": (),
}
"""Features that this release does not run, by the list in whose items they stand; the empty name is the top."""


def size_limits(document: Document) -> Iterator[Finding]:
    """A definition has a size that can be checked and run."""
    if nesting(document.written) > MAX_NESTING:
        yield finding("SIZE_LIMITS", f"the definition is nested more than {MAX_NESTING} levels deep", "")
    for name, limit, what in (("steps", MAX_STEPS, "steps"), ("stepTransitions", MAX_TRANSITIONS, "transitions")):
        found = document.data.get(name)
        if isinstance(found, list) and len(found) > limit:
            message = f"there are {len(found):,} {what}; at most {limit:,} are allowed"
            yield finding("SIZE_LIMITS", message, f"/{name}")


def document_shape(document: Document) -> Iterator[Finding]:
    """Every part has the type that it should have."""
    for violation in schemas.violations(graph_schema.SCHEMA, document.written, limit=1000, is_trusted=True):
        yield finding("DOCUMENT_SHAPE", violation.message, violation.pointer)


def unknown_property(document: Document) -> Iterator[Finding]:
    """Every property has a name that means something here."""
    for pointer, name, known in graph_schema.unknown_properties(document.data):
        guess = document.guess(name, known)
        shown = name if len(name) <= 60 else f"{name[:60]}…"
        yield finding("UNKNOWN_PROPERTY", f'"{shown}" is not known here and has no effect{guess}', pointer)


def feature_not_supported(document: Document) -> Iterator[Finding]:
    """Nothing is ignored that would change what the workflow does."""
    places = [("", "", document.data)]
    places += [("steps", node.pointer, node.data) for node in document.nodes]
    places += [("stepTransitions", edge.pointer, edge.data) for edge in document.edges]
    for place, pointer, data in places:
        for name in _NOT_YET[place]:
            if data.get(name):
                yield finding("FEATURE_NOT_SUPPORTED", f"this release does not run {name}", f"{pointer}/{name}")


def step_type_unknown(document: Document) -> Iterator[Finding]:
    """Every step has a type that there is."""
    for node in document.nodes:
        if node.type is not None and node.kind is None:
            guess = kinds.nearest(node.type)
            hint = f'; did you mean "{guess}"?' if guess else f"; the types are {', '.join(kinds.KINDS)}"
            shown = node.type if len(node.type) <= 60 else f"{node.type[:60]}…"
            yield finding("STEP_TYPE_UNKNOWN", f'there is no step type "{shown}"{hint}', f"{node.pointer}/type")


def step_type_not_supported(document: Document) -> Iterator[Finding]:
    """Every step has a type that this release runs."""
    for node in document.nodes:
        if node.kind is not None and not node.kind.is_supported:
            message = f'this release does not run steps of type "{node.type}"'
            yield finding("STEP_TYPE_NOT_SUPPORTED", message, f"{node.pointer}/type")


def steps_own_rules(document: Document) -> Iterator[Finding]:
    """What each step type demands of its steps."""
    for node in (*document.nodes, *(one for one, _ in document.compensations)):
        if node.kind is not None:
            yield from node.kind.check(node.data, node.pointer)


def expressions_parse(document: Document) -> Iterator[Finding]:
    """Every expression can run."""
    for one in _expressions(document):
        problem = expressions.check(one.source)
        if problem is not None:
            place = f" at character {problem.position}" if problem.position is not None else ""
            hint = "; names with a hyphen need back-quotes: `step-1`" if problem.code == "S0213" else ""
            yield finding("EXPRESSIONS_PARSE", f"{problem.code}: {problem.message}{place}{hint}", one.pointer)
    output = document.data.get("outputExpression")
    if isinstance(output, str) and expression(output) is None:
        yield finding("EXPRESSIONS_PARSE", "an expression is written {% … %}", "/outputExpression")


def expression_steps_exist(document: Document) -> Iterator[Finding]:
    """Every expression asks for the outputs of steps that there are."""
    for pointer, id in _steps_named(document):
        if id not in document.node:
            shown = id if len(id) <= 60 else f"{id[:60]}…"
            guess = document.guess(id, document.node)
            message = f'there is no step "{shown}", so the expression finds nothing there{guess}'
            yield finding("EXPRESSION_STEPS_EXIST", message, pointer)


def expression_names_known(document: Document) -> Iterator[Finding]:
    """Every expression begins its paths with a name that is bound."""
    for one in _expressions(document):
        for name in dict.fromkeys(path[0] for path in expressions.paths(one.source) if path):
            if (hint := _unbound(name, one.names)) is not None:
                message = f'nothing has the name "{name}", so the expression finds nothing there{hint}'
                yield finding("EXPRESSION_NAMES_KNOWN", message, one.pointer)


def expression_within_text(document: Document) -> Iterator[Finding]:
    """An expression is a whole string."""
    for node in document.nodes:
        for name in node.kind.templates if node.kind is not None else ():
            for pointer, text in _texts(node.data.get(name), f"{node.pointer}/{name}"):
                if "{%" in text and expressions.embedded(text) is None:
                    message = "this is taken as text: {% stands in it, but it is not wholly one expression"
                    yield finding("EXPRESSION_WITHIN_TEXT", message, pointer)


def schemas_valid(document: Document) -> Iterator[Finding]:
    """Every schema is one."""
    places = [("/inputSchema", document.data.get("inputSchema"))]
    for node in document.nodes:
        names = ("outputSchema", *(node.kind.schemas if node.kind is not None else ()))
        places += [(f"{node.pointer}/{name}", node.data.get(name)) for name in names]
    for pointer, schema in places:
        if isinstance(schema, dict | bool):  # anything else the shape check tells of
            for violation in schemas.check_schema(schema):
                yield finding("SCHEMAS_VALID", violation.message, pointer + violation.pointer)


def _expressions(document: Document) -> Iterator[Expression]:
    """List the expressions of a definition."""
    for edge in document.edges:
        for place, source in expressions.template_expressions(edge.data.get("input"), f"{edge.pointer}/input"):
            yield Expression(place, source, CATCHING)
        condition = edge.data.get("condition")
        if isinstance(condition, dict) and isinstance(condition.get("src"), str):
            yield Expression(f"{edge.pointer}/condition/src", condition["src"])
    if (found := expression(document.data.get("outputExpression"))) is not None:
        yield Expression(f"/outputExpression{found[0]}", found[1])
    for node in document.nodes:
        if node.kind is not None:
            for name in node.kind.templates:
                yield from _within(node.data.get(name), f"{node.pointer}/{name}", EVERYWHERE)
            yield from node.kind.expressions(node.data, node.pointer)
    for node, _ in document.compensations:
        for name in node.kind.templates if node.kind is not None else ():
            yield from _within(node.data.get(name), f"{node.pointer}/{name}", COMPENSATING)
        for one in events.conditions(node.data, node.pointer):
            yield Expression(one.pointer, one.source, COMPENSATING)
    for pointer, trigger in document.triggers:
        yield from events.conditions(trigger, pointer)
    for pointer, trigger in document.event_triggers:
        yield from events.trigger_expressions(trigger, pointer)


_TREES = ("input", "values", "headers", "body")
"""Templates in which an expression may stand at any depth."""


def _within(value: Json, pointer: str, names: tuple[str, ...]) -> Iterator[Expression]:
    """List the expressions of a property: of a tree wherever they stand in it."""
    if pointer.rpartition("/")[2] in _TREES:
        for place, source in expressions.template_expressions(value, pointer):
            yield Expression(place, source, names)
    elif (found := expression(value)) is not None:
        yield Expression(pointer + found[0], found[1], names)


def _steps_named(document: Document) -> Iterator[tuple[str, str]]:
    """List the steps that expressions and references ask for, each with its pointer."""
    for one in _expressions(document):
        for path in expressions.paths(one.source):
            if len(path) > 1 and path[0] in ("__steps__", "__runs__") and one.names is not None:
                yield one.pointer, path[1]
    for node in document.nodes:
        if node.kind is not None:
            yield from node.kind.steps_named(node.data, node.pointer)


def _unbound(name: str, bound: tuple[str, ...] | None) -> str | None:
    """Say why a name is not bound, as the end of a message; None if it is."""
    if bound is None:
        return "; this is asked of the value alone, which is $" if name in NAMES else None
    if name in bound:
        return None
    if name in NAMES:
        return f"; only {ELSEWHERE[name]} binds it"
    plain = f"__{name.strip('_')}__"
    return f'; did you mean "{plain}"?' if plain in bound else ""


def _texts(value: Json, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _texts(part, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
