"""Compensation steps, which the native dialect writes at the steps that they make up for."""

from __future__ import annotations

from dataclasses import dataclass

from service.definition.conditions import roots
from service.definition.dialects.orchestrator import settings, tasks
from service.definition.dialects.orchestrator.draft import Origin
from service.definition.dialects.orchestrator.outline import Work, incomplete
from service.definition.dialects.orchestrator.parts import Part
from service.definition.dialects.orchestrator.settings import Fields, Settings

_KNOWN = ("stepId", "compensationFor", "type", "name", "description", "condition", *tasks.PROPERTIES)


@dataclass(frozen=True, slots=True)
class _Made:
    data: Settings
    pointer: str
    origins: Fields


def compensate(work: Work, top: Part) -> None:
    """Translate all compensation steps."""
    seen = {id: step.part.pointer for id, step in work.outline.steps.items()}
    by_step: dict[str, list[_Made]] = {}
    for part in top.parts("compensationSteps"):
        part.look_over([name for name in _KNOWN if name != "onFailure"], "a compensation step", refused=("onFailure",))
        id = _required(part, "stepId")
        if id is not None and seen.setdefault(id, part.pointer) != part.pointer:
            work.notes.add("STEP_IDS_UNIQUE", f'the step id "{id}" stands at {seen[id]} already', part.at("stepId"))
        of = _required(part, "compensationFor")
        if of is not None and of not in work.outline.steps:
            message = f'there is no step "{of[:128]}" to make up for{work.notes.guess(of, work.outline.steps)}'
            work.notes.add("COMPENSATED_STEP_EXISTS", message, part.at("compensationFor"))
        if part.has("type") and str(part.value("type")).upper() != "TASK":
            work.notes.add("NOT_TRANSLATED", "a compensation step is a TASK", part.at("type"))
        made = _made(part, id or "")
        if of is not None and made is not None:
            by_step.setdefault(of, []).append(made)
    for of, several in by_step.items():
        _put(work, of, several)


def _required(part: Part, name: str) -> str | None:
    if not part.has(name):
        incomplete(part, "a compensation step", name)
        return None
    return part.text(name)


def _made(part: Part, id: str) -> _Made | None:
    asked = settings.condition(part, "condition", roots.COMPENSATION)
    found = tasks.task(part, roots.COMPENSATION)
    if found is None:
        return None
    data: Settings = {"id": id}
    if part.has("name"):
        data["name"] = part.text("name")
    if asked is not None:
        data["condition"] = settings.asked(asked)
    origins: Fields = {"id": Origin(part.at("stepId")), "condition": Origin(part.at("condition"))}
    return _Made(data | found[0], part.pointer, origins | found[1])


def _put(work: Work, of: str, several: list[_Made]) -> None:
    """Give a step its compensations."""
    fields: Fields = {}
    for number, made in enumerate(several):
        place = f"compensation/{number}"
        fields[place] = Origin(made.pointer)
        fields |= {f"{place}/{name}": origin for name, origin in made.origins.items()}
    work.draft.extend(of, "compensation", [made.data for made in several], fields)
