"""All steps of a definition, those in branches included, before any of them is translated."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.definition.dialects.orchestrator.draft import Draft
from service.definition.dialects.orchestrator.parts import Notes, Part

STEP_TYPES = ("TASK", "EVENT_WAIT", "DECISION", "HUMAN_TASK", "PARALLEL", "DELAYED_TASK")

UNKNOWN = "UNKNOWN"
"""Stands for a type that there is none of."""

Branch = tuple[str, int]
"""The id of a PARALLEL step, and the number of one of its branches."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step as written."""

    part: Part
    id: str
    type: str  # empty: it has none, and does nothing; UNKNOWN: nobody knows what it does
    branch: Branch | None  # that it stands in; None: none


@dataclass(slots=True)
class Outline:
    """The steps by their ids, and how they are nested."""

    steps: dict[str, Step] = field(default_factory=dict)  # in the order of the document
    branches: dict[str, list[str | None]] = field(default_factory=dict)  # the first step of each, by the PARALLEL step
    first: str | None = None  # the step that begins; None: there is none


@dataclass(slots=True)
class Work:
    """A translation under way."""

    outline: Outline
    draft: Draft
    notes: Notes
    joins: dict[str, str] = field(default_factory=dict)  # behind the branches of each PARALLEL step


def outline(top: Part) -> Outline:
    """Find all steps of a definition."""
    found = Outline()
    found.first = _collect(found, top.parts("steps"), None)
    return found


def branches_of(part: Part) -> str:
    """Name the property in which the branches of a PARALLEL step stand."""
    return part.first("branches", "parallelBranches") or "branches"


def incomplete(part: Part, what: str, name: str, example: str = "…") -> None:
    """Tell that something lacks what it needs."""
    shown = example if example.startswith("[") else f'"{example}"'
    part.notes.add("STEP_INCOMPLETE", f'{what} needs "{name}", such as {shown}', part.pointer)


def _collect(found: Outline, parts: list[Part], branch: Branch | None) -> str | None:
    """Take in a list of steps; give the id of its first."""
    first = None
    for part in parts:
        id = part.text("stepId")
        if id is None:
            if not part.has("stepId"):
                incomplete(part, "a step", "stepId", "charge_card")
            continue
        first = first or id
        if id in found.steps:
            message = f'the step id "{id}" stands at {found.steps[id].part.pointer} already'
            part.notes.add("STEP_IDS_UNIQUE", message, part.at("stepId"))
            continue
        found.steps[id] = step = Step(part, id, _type(part), branch)
        if step.type == "PARALLEL":
            branches = enumerate(part.parts(branches_of(part)))
            found.branches[id] = [_collect(found, one.parts("steps"), (id, number)) for number, one in branches]
    return first


_TYPE_BY_PROPERTY = (
    ("taskDefinition", "HUMAN_TASK"),
    ("taskId", "TASK"),
    ("parallelBranches", "PARALLEL"),
    ("branches", "PARALLEL"),
    ("eventPattern", "EVENT_WAIT"),
    ("choices", "DECISION"),
)
"""What a step is that says no type, by what it has."""


def _type(part: Part) -> str:
    written = part.text("type")
    if written is None:
        return next((type for name, type in _TYPE_BY_PROPERTY if part.has(name)), "")
    type = written.upper().replace("-", "_").replace(" ", "_")
    if type in STEP_TYPES:
        return type
    guess = part.notes.guess(type, STEP_TYPES) or f"; the types are {', '.join(STEP_TYPES)}"
    part.notes.add("STEP_TYPE_UNKNOWN", f'there is no step type "{written[:60]}"{guess}', part.at("type"))
    return UNKNOWN
