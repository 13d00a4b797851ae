"""What in a condition on an event can be looked up in an index: a value of the event that must equal something known.

Of `__event__.payload.orderId = __context__.orderId and …` that is the path `payload.orderId` and the expression
`__context__.orderId`. An event that has another value there makes the condition false, so nobody need ask it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.definition import reading
from service.definition.syntax import Node, Unreadable, parse

EVENT = "__event__"


@dataclass(frozen=True, slots=True)
class EventKey:
    """A path in the event, with dots, and the expression whose value stands there in events that match."""

    path: str
    expression: str
    moves: bool  # the value may change while somebody waits


def find(condition: str) -> EventKey | None:
    """Find the first key in a condition; None when there is none, or it cannot be read."""
    try:
        tree = parse(condition)
    except Unreadable:
        return None
    return next((key for part in _conjuncts(tree) if (key := _key(part, condition))), None)


def _conjuncts(node: Node) -> Iterator[Node]:
    """The parts all of which must be true."""
    if node.kind == "block" and len(node.parts) == 1:
        yield from _conjuncts(node.parts[0])
    elif node.kind == "binary" and node.text == "and":
        for part in node.parts:
            yield from _conjuncts(part)
    else:
        yield node


def _key(node: Node, source: str) -> EventKey | None:
    if node.kind != "binary" or node.text != "=":
        return None
    for event, other in (node.parts, node.parts[::-1]):
        path = reading.plain_path(event)
        if path is None or len(path) < 2 or path[0] != EVENT or any("." in name for name in path):
            continue
        reads = [names[0] if names else "" for names in reading.paths(other)]
        if reads and all(name in ("__context__", "__variables__", "__steps__", "__runs__") for name in reads):
            moves = any(name != "__context__" for name in reads)
            return EventKey(".".join(path[1:]), source[other.start : other.end], moves)
    return None
