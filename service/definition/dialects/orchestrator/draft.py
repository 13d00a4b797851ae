"""The native definition as it is being written, and from where in the author's document each part of it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.domain.json_text import Json

INTERNAL: dict[str, Json] = {"internal": True}
"""Marks a step of ours that only leads on."""

Fields = Mapping[str, "Origin"]
"""Where parts of a native step or transition come from, by their pointers without the first slash."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in the author's document; `is_same`: what stands below is the same on both sides."""

    pointer: str
    is_same: bool = False


@dataclass(slots=True)
class _Built:
    data: dict[str, Json]
    pointer: str  # in the author's document
    fields: dict[str, Origin] = field(default_factory=dict)


@dataclass(slots=True)
class _Lead:
    """A transition; its target is a step of the author's, or of ours, or the end."""

    source: str
    target: str | None  # None: the end
    pointer: str
    data: dict[str, Json]
    fields: dict[str, Origin]


class Draft:
    """Steps and transitions, put together as they are found."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken  # the ids that the author gives
        self._steps: dict[str, _Built] = {}
        self._leads: list[_Lead] = []
        self._entries: dict[str, str] = {}
        self._top: dict[str, Json] = {}
        self._top_origins: dict[str, Origin] = {}

    def top(self, name: str, value: Json, pointer: str, *, is_same: bool = False) -> None:
        """Set a property of the definition."""
        self._top[name] = value
        self._top_origins[name] = Origin(pointer, is_same)

    def origin(self, place: str, pointer: str, *, is_same: bool = False) -> None:
        """Say where something within a property of the definition comes from."""
        self._top_origins[place] = Origin(pointer, is_same)

    def step(self, id: str, type: str, pointer: str, settings: dict[str, Json], fields: Fields | None = None) -> str:
        """Add a step; of several with one id the first is kept."""
        if id not in self._steps:
            self._steps[id] = _Built({"id": id, "type": type, **settings}, pointer, dict(fields or {}))
        return id

    def extend(self, id: str, name: str, value: Json, fields: Fields) -> None:
        """Give a step another property, if there is the step."""
        if (step := self._steps.get(id)) is not None:
            step.data[name] = value
            step.fields |= fields

    def fresh(self, id: str) -> str:
        """Make an id that nothing has yet, for a step of ours."""
        number, found = 1, id
        while found in self._taken:
            number += 1
            found = f"{id}.{number}"
        self._taken.add(found)
        return found

    def enter_by(self, step_id: str, entry: str) -> None:
        """Let what leads to a step lead to another one before it, and from there to the step."""
        self._entries[step_id] = entry

    def lead(self, source: str, target: str | None, pointer: str, fields: Fields | None = None, **data: Json) -> None:
        """Add a transition; without a target it leads to the end."""
        given = {name: value for name, value in data.items() if value is not None}
        self._leads.append(_Lead(source, target, pointer, given, dict(fields or {})))

    def has_lead(self, target: str | None, *, within: str) -> bool:
        """Tell whether something that stands at a place of the author's document, or below, leads to a target."""
        return any(lead.target == target and f"{lead.pointer}/".startswith(f"{within}/") for lead in self._leads)

    def finish(self, first: str | None) -> Translation:
        """Put start, end and numbers to it."""
        start = self.step(self.fresh("start"), "start", "/steps", {"name": "Start"})
        self._leads.insert(0, _Lead(start, first, "/steps", {}, {}))
        self._close()
        transitions: list[_Built] = []
        for lead in self._leads:
            target = self._entries.get(lead.target, lead.target) if lead.target is not None else None
            if target == lead.source:
                again = self.step(self.fresh(f"{lead.source}.again"), "data.set", lead.pointer, INTERNAL)
                transitions.append(_Built({"fromStepId": again, "toStepId": target}, lead.pointer))
                target = again
            data = {"fromStepId": lead.source, "toStepId": target, **lead.data}
            transitions.append(_Built(data, lead.pointer, lead.fields))
        for step_id, entry in self._entries.items():
            data = {"fromStepId": entry, "toStepId": step_id}
            transitions.append(_Built(data, self._steps[entry].pointer))
        steps = list(self._steps.values())
        steps.sort(key=lambda built: (built.data["type"] == "end", built.data["type"] != "start"))
        native = {
            **self._top,
            "steps": [built.data for built in steps],
            "stepTransitions": [{"id": f"t{n}", **built.data} for n, built in enumerate(transitions, start=1)],
        }
        return Translation(native, tuple(steps), tuple(transitions), dict(self._top_origins))

    def _close(self) -> None:
        """Bring all ways that end together before the one end."""
        end = self.step(self.fresh("end"), "end", "/steps", {"name": "End"})
        ending = [lead for lead in self._leads if lead.target is None]
        before = end
        if len(ending) > 1:
            before = self.step(self.fresh("end.join"), "gateway.parallel_join", "/steps", INTERNAL)
            self._leads.append(_Lead(before, end, "/steps", {}, {}))
        for lead in ending:
            lead.target = before


@dataclass(frozen=True, slots=True)
class Translation:
    """A native definition, and the way back from it."""

    native: dict[str, Json]
    _steps: tuple[_Built, ...]
    _transitions: tuple[_Built, ...]
    _top: dict[str, Origin]

    def pointer(self, native: str) -> str:
        """Find where something of the native definition comes from."""
        match native.split("/")[1:]:
            case ["steps", number, *rest] if number.isdecimal() and int(number) < len(self._steps):
                return _back(self._steps[int(number)], rest)
            case ["stepTransitions", number, *rest] if number.isdecimal() and int(number) < len(self._transitions):
                return _back(self._transitions[int(number)], rest)
            case ["stepTransitions"]:
                return "/steps"
            case rest:
                return _found(self._top, rest, "" if rest[:1] != ["steps"] else "/steps")


def _back(built: _Built, rest: list[str]) -> str:
    return _found(built.fields, rest, built.pointer)


def _found(origins: Mapping[str, Origin], rest: list[str], otherwise: str) -> str:
    """Follow the longest beginning of a pointer of which the origin is known."""
    for length in range(len(rest), 0, -1):
        if (origin := origins.get("/".join(rest[:length]))) is not None:
            below = rest[length:] if origin.is_same else []
            return "/".join([origin.pointer, *below])
    return otherwise
