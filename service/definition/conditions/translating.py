"""From the expressions of the dialect `orchestrator` to JSONata: conditions, values, and values within text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from service.definition import expressions
from service.definition.conditions import embedding, writing
from service.definition.conditions.grammar import Node, Refusal, parse
from service.definition.conditions.roots import Scope
from service.domain.json_text import Json

Report = Callable[[str, Refusal], None]
"""Takes what is wrong, and the pointer to the text in which it stands."""

__all__ = ["Refusal", "Report", "condition", "expression", "filled", "mapped", "payload_path", "text"]


def condition(source: str, scope: Scope) -> str:
    """Translate an expression whose truth is asked; raise `Refusal` if it is none.

    It is written bare, or with parts of it or all of it in `${…}`.
    """
    return _sound(writing.condition(parse(source), scope))


def expression(source: str, scope: Scope) -> str:
    """Translate an expression whose value is wanted; raise `Refusal` if it is none."""
    return _sound(writing.value(parse(source), scope))


def text(written: str, scope: Scope) -> str:
    """Translate a text of the author's into one of the native dialect; raise `Refusal` if an expression is none.

    A text that is wholly one `${…}` becomes that value of whatever type; others become text.
    """
    pieces = embedding.pieces(written)
    match pieces:
        case []:
            return ""
        case [str(literal)]:
            return _embedded(writing.text([literal], scope)) if "{%" in literal else literal
        case [Node() as node]:
            return _embedded(_sound(writing.value(node, scope)))
    return _embedded(_sound(writing.text(pieces, scope)))


def filled(value: Json, scope: Scope, report: Report, pointer: str = "") -> Json:
    """Translate the texts of a value wherever they stand in it; what cannot be is reported, and null."""
    return _each(value, lambda written: text(written, scope), report, pointer)


def mapped(value: Json, scope: Scope, report: Report, pointer: str = "") -> Json:
    """Translate a value whose strings are expressions, such as `{"id": "event.payload.id"}`."""
    return _each(value, lambda written: _embedded(expression(written, scope)), report, pointer)


def payload_path(written: str) -> tuple[str | int, ...]:
    """Read a path into the payload of an event, such as `amount`, `items[0].id` or `$.payload.amount`.

    Raise `Refusal` if it is none.
    """
    found = embedding.pieces(written) if "${" in written else [parse(written)]
    node = found[0]
    if len(found) > 1 or isinstance(node, str):
        raise Refusal("a path into the payload is one path, such as amount", 0)
    names = tuple(reversed(list(_names(node))))
    if names[0] == "event" and names[1:2] not in ((), ("payload",)):
        raise Refusal(f"only the payload of the event can be mapped, not its {names[1]}", 0)
    for prefix in (("event", "payload"), ("$", "payload"), ("$",), ("data",)):
        if names[: len(prefix)] == prefix:
            return names[len(prefix) :]
    return names


def _names(node: Node) -> Iterator[str | int]:
    while node.kind in ("field", "index"):
        assert isinstance(node.value, str | int)
        yield node.value
        (node,) = node.parts
    if node.kind != "name":
        raise Refusal("a path into the payload is names with dots between, such as customer.id", node.start)
    yield str(node.value)


def _each(value: Json, translate: Callable[[str], str], report: Report, pointer: str) -> Json:
    if isinstance(value, str):
        try:
            return translate(value)
        except Refusal as refusal:
            report(pointer, refusal)
            return None
    if isinstance(value, dict):
        return {
            name: _each(part, translate, report, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_each(part, translate, report, f"{pointer}/{number}") for number, part in enumerate(value)]
    return value


def _embedded(source: str) -> str:
    return f"{{% {source} %}}"


def _sound(source: str) -> str:
    """Make sure that the engine takes what was written for it."""
    if (problem := expressions.check(source)) is not None:
        raise Refusal(f"the expression is too much for one step ({problem.message}); let a task compute it", 0)
    return source
