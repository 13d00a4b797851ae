"""From a definition of the dialect `orchestrator` to a native one."""

from __future__ import annotations

from service.definition.dialects.orchestrator import steps
from service.definition.dialects.orchestrator.compensating import compensate
from service.definition.dialects.orchestrator.draft import Draft, Translation
from service.definition.dialects.orchestrator.listening import triggers
from service.definition.dialects.orchestrator.outline import Work, branches_of, incomplete, outline
from service.definition.dialects.orchestrator.parts import Notes, Part
from service.definition.rules import Finding
from service.domain.json_text import Json

_KNOWN = (
    "id", "workflowId", "name", "description", "version", "inputSchema", "steps", "triggers", "cancellationTriggers",
    "compensationSteps", "compensateOnFailure", "uiComponents", "executionLog", "metadata", "createdAt", "updatedAt",
    "createdBy", "status", "tags", "$schema",
)  # fmt: skip


def translate(definition: Json) -> tuple[Translation, list[Finding]]:
    """Translate what can be translated, and tell what is wrong."""
    notes = Notes()
    top = Part(definition if isinstance(definition, dict) else {}, "", notes)
    top.look_over(_KNOWN, "a definition")
    found = outline(top)
    if not found.steps:
        incomplete(top, "a definition", "steps", '[{"stepId": …}]')
    work = Work(found, Draft({*found.steps, *_compensations(top)}), notes)
    _heading(work, top)
    for step in found.steps.values():
        steps.write(work, step)
    if not any(one.severity == "ERROR" for one in notes.findings):
        _ends(work)
    compensate(work, top)
    triggers(top, work.draft)
    return work.draft.finish(found.first), list(dict.fromkeys(notes.findings))


def _heading(work: Work, top: Part) -> None:
    for native, name in (("name", top.first("name", "workflowId", "id")), ("description", "description")):
        if name is not None and top.has(name) and (written := top.text(name)) is not None:
            work.draft.top(native, written, top.at(name))
    if top.has("inputSchema"):
        work.draft.top("inputSchema", top.value("inputSchema"), top.at("inputSchema"), is_same=True)
    if (compensates := top.flag("compensateOnFailure")) is not None:
        work.draft.top("compensateOnFailure", compensates, top.at("compensateOnFailure"))


def _ends(work: Work) -> None:
    """Tell of ways on which nothing ends, in the words of who does not know what is generated for it."""
    ending = 'one without transitions does, or with "default": null'
    if not work.draft.has_lead(None, within=""):
        work.notes.add("STEPS_REACH_END", f"no step ends the workflow: {ending}", "/steps")
    for id, join in work.joins.items():
        part = work.outline.steps[id].part
        for number in range(len(work.outline.branches[id])):
            place = f"{part.at(branches_of(part))}/{number}"
            if not work.draft.has_lead(join, within=place):
                work.notes.add("STEPS_REACH_END", f"no step ends this branch: {ending}", place)


def _compensations(top: Part) -> set[str]:
    """List the ids of the compensation steps."""
    listed = top.value("compensationSteps")
    parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    return {id for part in parts if isinstance(id := Part(part, "", top.notes).value("stepId"), str)}
