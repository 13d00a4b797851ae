"""A lenient view of a definition: whatever of it can be read, with the JSON pointer to where it stands.

The checks look at a definition through it, so that each of them finds what it is about although other parts are wrong.
Nothing is repaired: what has the wrong shape is left out, and the shape check tells of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from service.definition.steps.kind import Kind
from service.definition.steps.kinds import kind_of
from service.domain.json_text import Json


@dataclass(frozen=True)
class Node:
    """A step as written."""

    pointer: str
    data: dict[str, Json]

    @cached_property
    def id(self) -> str | None:
        """Its id; None if it has none that is a string."""
        return _text(self.data.get("id"))

    @cached_property
    def type(self) -> str | None:
        """Its type as written."""
        return _text(self.data.get("type"))

    @cached_property
    def kind(self) -> Kind | None:
        """Its step type; None if it is missing or unknown."""
        return kind_of(self.type) if self.type is not None else None

    def is_a(self, *types: str) -> bool:
        """Tell whether it has one of some types."""
        return self.kind is not None and self.kind.name in types


@dataclass(frozen=True)
class Edge:
    """A transition as written."""

    pointer: str
    data: dict[str, Json]

    @cached_property
    def id(self) -> str | None:
        """Its id; None if it has none that is a string."""
        return _text(self.data.get("id"))

    @cached_property
    def source(self) -> str | None:
        """The id of the step that it leaves."""
        return _text(self.data.get("fromStepId"))

    @cached_property
    def target(self) -> str | None:
        """The id of the step that it enters."""
        return _text(self.data.get("toStepId"))

    @cached_property
    def on(self) -> str | None:
        """The outcome or error for which it is; None: for any other."""
        return _text(self.data.get("on"))

    @property
    def has_condition(self) -> bool:
        return "condition" in self.data

    @property
    def is_default(self) -> bool:
        return bool(self.data.get("isDefault"))


@dataclass(frozen=True)
class Group:
    """A step group as written."""

    pointer: str
    data: dict[str, Json]

    @cached_property
    def id(self) -> str | None:
        """Its id; None if it has none that is a string."""
        return _text(self.data.get("id"))

    @cached_property
    def members(self) -> tuple[tuple[str, str], ...]:
        """The ids of its steps, each with its pointer."""
        listed = _list(self.data.get("stepIds"))
        return tuple((f"{self.pointer}/stepIds/{n}", id) for n, id in enumerate(listed) if isinstance(id, str))


class Document:
    """A definition as written, and what can be made out of its graph."""

    def __init__(self, data: Json) -> None:
        self.written = data
        self.data: dict[str, Json] = data if isinstance(data, dict) else {}
        self.nodes = tuple(Node(pointer, part) for pointer, part in self._parts("steps"))
        self.edges = tuple(Edge(pointer, part) for pointer, part in self._parts("stepTransitions"))
        self.groups = tuple(Group(pointer, part) for pointer, part in self._parts("stepGroups"))
        self.compensations = tuple(_compensations(self.nodes))
        self.triggers = tuple(self._parts("cancellationTriggers"))
        self.event_triggers = tuple(self._parts("triggers"))
        self._guesses = 20  # comparing ids is slow, and a reader who needs more has another problem

    def _parts(self, name: str) -> Iterable[tuple[str, dict[str, Any]]]:
        listed = _list(self.data.get(name))
        return ((f"/{name}/{number}", part) for number, part in enumerate(listed) if isinstance(part, dict))

    @cached_property
    def node(self) -> dict[str, Node]:
        """Each step by its id; of several with one id the first."""
        return {node.id: node for node in reversed(self.nodes) if node.id is not None}

    @cached_property
    def outgoing(self) -> dict[str, list[Edge]]:
        """The transitions that leave each step for another one, of several to the same the first."""
        found: dict[str, list[Edge]] = {id: [] for id in self.node}
        for edge in self._distinct:
            if edge.source in found:
                found[edge.source].append(edge)
        return found

    @cached_property
    def incoming(self) -> dict[str, list[Edge]]:
        """The transitions that enter each step from another one, of several from the same the first."""
        found: dict[str, list[Edge]] = {id: [] for id in self.node}
        for edge in self._distinct:
            if edge.target in found:
                found[edge.target].append(edge)
        return found

    @cached_property
    def _distinct(self) -> tuple[Edge, ...]:
        found: dict[tuple[str | None, ...], Edge] = {}
        for edge in self.edges:
            if edge.source != edge.target:
                found.setdefault((edge.source, edge.target, edge.on), edge)
        return tuple(found.values())

    @cached_property
    def has_loose_sources(self) -> bool:
        """Tell whether some transition leaves a step that is not there, so that another step may lack it."""
        return any(edge.source not in self.node for edge in self.edges)

    @cached_property
    def has_loose_targets(self) -> bool:
        """Tell whether some transition enters a step that is not there, so that another step may lack it."""
        return any(edge.target not in self.node for edge in self.edges)

    @cached_property
    def successors(self) -> dict[str, list[str]]:
        """The steps that follow each step directly."""
        return {id: [edge.target for edge in edges if edge.target in self.node] for id, edges in self.outgoing.items()}

    @cached_property
    def predecessors(self) -> dict[str, list[str]]:
        """The steps that each step follows directly."""
        return {id: [edge.source for edge in edges if edge.source in self.node] for id, edges in self.incoming.items()}

    @cached_property
    def groups_of(self) -> dict[str, list[Group]]:
        """The groups that list each step, under the ids that they list."""
        found: dict[str, list[Group]] = defaultdict(list)
        for group in self.groups:
            for _, id in group.members:
                found[id].append(group)
        return found

    def of_type(self, *types: str) -> list[Node]:
        """The steps that have one of some types."""
        return [node for node in self.nodes if node.is_a(*types)]

    @cached_property
    def is_connected(self) -> bool:
        """Tell whether its graph is sound enough to be walked: what is missing in it would only have consequences."""
        ids = [node.id for node in self.nodes]
        return (
            len(self.nodes) == len(_list(self.data.get("steps")))
            and len(self.edges) == len(_list(self.data.get("stepTransitions")))
            and None not in ids
            and len(set(ids)) == len(ids)
            and not self.has_loose_sources
            and not self.has_loose_targets
            and len(self.of_type("start")) == len(self.of_type("end")) == 1
        )

    def guess(self, word: str, words: Iterable[str]) -> str:
        """Say which of some words was most likely meant, as the end of a message; nothing when none is similar."""
        self._guesses -= 1
        similar = get_close_matches(word[:128], list(words)[:2000], n=1, cutoff=0.6) if self._guesses >= 0 else []
        return f'; did you mean "{similar[0]}"?' if similar else ""


def _compensations(nodes: Iterable[Node]) -> Iterable[tuple[Node, Node]]:
    """List what makes up for each step, as if it were a step, with the step."""
    for node in nodes:
        written = node.data.get("compensation")
        listed = written if isinstance(written, list) else [written]
        for number, part in enumerate(listed):
            if isinstance(part, dict):
                place = f"/{number}" if listed is written else ""
                id = f"{node.id}.compensation" + (f".{number + 1}" if number else "")
                yield Node(f"{node.pointer}/compensation{place}", {"id": id, "type": "task", **part}), node


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
