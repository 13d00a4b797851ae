"""Steps of each type, and what the native dialect has for them."""

from __future__ import annotations

from collections.abc import Callable

from service.definition.conditions import roots
from service.definition.dialects.orchestrator import listening, people, settings, tasks
from service.definition.dialects.orchestrator.draft import INTERNAL, Origin
from service.definition.dialects.orchestrator.following import Place, decide, follow, follow_join
from service.definition.dialects.orchestrator.outline import UNKNOWN, Step, Work, branches_of, incomplete
from service.definition.dialects.orchestrator.settings import Fields, Settings

_COMMON = (
    "stepId", "type", "name", "description", "transitions", "next", "uiComponents", "metadata", "outputSchema",
)  # fmt: skip
_KNOWN: dict[str, tuple[str, ...]] = {
    "TASK": tasks.PROPERTIES,
    "DELAYED_TASK": (*tasks.PROPERTIES, "delay"),
    "EVENT_WAIT": (
        "eventPattern", "eventCondition", "eventTimeout", "eventPayloadMapping", "lookBack", "timeout", "onFailure",
    ),
    "DECISION": ("choices", "default"),
    "HUMAN_TASK": ("taskDefinition", "timeout", "onFailure", "escalation"),
    "PARALLEL": ("branches", "parallelBranches"),
    "": (),
}  # fmt: skip
"""The properties of each type of step beside those of all."""

_MEANINGFUL = (*tasks.PROPERTIES, "eventTimeout", "delay", "branches", "parallelBranches", "choices")
"""Properties that would change what the workflow does, so that they are not ignored where they cannot be translated."""


def write(work: Work, step: Step) -> None:
    """Translate a step and what follows it."""
    if step.type == UNKNOWN:
        _nothing(work, step)
        return
    by_task = tasks.PROPERTIES if step.type == "HUMAN_TASK" and step.part.has("taskId") else ()
    what = f"a step of type {step.type}" if step.type else "a step that has no type"
    step.part.look_over((*_COMMON, *_KNOWN[step.type], *by_task), what, refused=_MEANINGFUL)
    _WRITERS[step.type](work, step)


def _task(work: Work, step: Step) -> None:
    if (found := tasks.task(step.part, roots.STEP)) is not None:
        _add(work, step, "task", *found)
        follow(work, step)


def _delayed_task(work: Work, step: Step) -> None:
    part = step.part
    if not part.has("delay"):
        incomplete(part, "a DELAYED_TASK", "delay", "PT1H")
    _task(work, step)
    timer = work.draft.fresh(f"{step.id}.delay")
    duration = settings.duration(part, "delay", roots.STEP)
    work.draft.step(timer, "timer", part.pointer, {"duration": duration or 0}, {"duration": Origin(part.at("delay"))})
    work.draft.enter_by(step.id, timer)


def _event_wait(work: Work, step: Step) -> None:
    _add(work, step, "event.wait", *listening.event_wait(step.part))
    timeout = step.part.part("eventTimeout")
    caught: dict[str, Place] = {}
    if timeout is not None and timeout.has("timeoutHandlerStepId"):
        caught["TIMEOUT"] = (timeout, "timeoutHandlerStepId")
    follow(work, step, caught)


def _human_task(work: Work, step: Step) -> None:
    part = step.part
    if part.has("taskId") and not part.has("taskDefinition"):
        if (found := tasks.task(part, roots.STEP, is_optional=False)) is not None:
            _add(work, step, "task", *found)
    else:
        _add(work, step, *people.human(part))
    escalation = part.part("escalation")
    caught: dict[str, Place] = {}
    if escalation is not None and escalation.has("nextStepId"):
        caught["ESCALATED"] = (escalation, "nextStepId")
    follow(work, step, caught)


def _parallel(work: Work, step: Step) -> None:
    place, branches = step.part.at(branches_of(step.part)), work.outline.branches[step.id]
    if len(branches) < 2 or None in branches:
        message = f'PARALLEL "{step.id}" needs at least two branches with steps; put the steps of one in its place'
        work.notes.add("STEP_INCOMPLETE", message, place)
    _add(work, step, "gateway.parallel_split", {}, {})
    for number, first in enumerate(branches):
        if first is not None:
            work.draft.lead(step.id, first, f"{place}/{number}")
    join = work.draft.step(work.draft.fresh(f"{step.id}.join"), "gateway.parallel_join", step.part.pointer, INTERNAL)
    work.joins[step.id] = join
    follow_join(work, step, join)


def _nothing(work: Work, step: Step) -> None:
    """Let pass what comes to a step without a task."""
    _add(work, step, "data.set", {}, {})
    follow(work, step)


def _add(work: Work, step: Step, type: str, found: Settings, origins: Fields) -> None:
    part = step.part
    fields: Fields = {"id": Origin(part.at("stepId")), "type": Origin(part.at("type"))}
    words: Settings = {}
    for name in ("name", "description"):
        if part.has(name) and (written := part.text(name)) is not None:
            words[name] = written
            fields[name] = Origin(part.at(name))
    if part.has("outputSchema"):
        words["outputSchema"] = part.value("outputSchema")
        fields["outputSchema"] = Origin(part.at("outputSchema"), is_same=True)
    work.draft.step(step.id, type, part.pointer, {**words, **found}, {**fields, **origins})


_WRITERS: dict[str, Callable[[Work, Step], None]] = {
    "TASK": _task,
    "DELAYED_TASK": _delayed_task,
    "EVENT_WAIT": _event_wait,
    "DECISION": decide,
    "HUMAN_TASK": _human_task,
    "PARALLEL": _parallel,
    "": _nothing,
}
