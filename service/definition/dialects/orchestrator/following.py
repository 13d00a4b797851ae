"""What follows a step: where its outcomes and errors lead, then its conditions, else its default."""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.definition.conditions import roots
from service.definition.conditions.roots import Scope
from service.definition.dialects.orchestrator.draft import INTERNAL, Origin
from service.definition.dialects.orchestrator.outline import Step, Work, incomplete
from service.definition.dialects.orchestrator.parts import Part
from service.definition.dialects.orchestrator.settings import Settings, asked, condition, mapped
from service.domain.json_text import Json

NO_CONDITION = "NO_CONDITION_HOLDS"
"""The code of the error with which an execution fails when no condition of a step holds and it has no default."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a step leads when no condition holds."""

    target: str | None  # None: the end
    at: str  # where it is said, or would be
    is_said: bool


Place = tuple[Part, str]
"""A property that names a step."""

_OUTCOME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_NO_OUTCOMES = ("default", "conditions")


@dataclass(frozen=True, slots=True)
class Choice:
    """A condition, where it stands, and the step that it leads to."""

    condition: str  # JSONata
    part: Part
    name: str  # of the property that names the step
    target: str | None  # None: the end


def follow(work: Work, step: Step, caught: dict[str, Place] | None = None) -> None:
    """Write what follows a step; `caught` are outcomes and errors of which other properties say where they lead."""
    transitions = _transitions(step)
    led = _outcomes(work, step, transitions, caught or {})
    _failures(work, step, led)
    is_named = any(key not in _NO_OUTCOMES for key in transitions.data) and step.type != "EVENT_WAIT"
    _otherwise(work, step, step.id, transitions, roots.after(step.id) if step.type else roots.CHOICE, is_named=is_named)


def follow_join(work: Work, step: Step, join: str) -> None:
    """Write what follows the branches of a step; it has no outcomes."""
    transitions = _transitions(step)
    for key in transitions.data:
        if key not in _NO_OUTCOMES:
            message = f'{step.type} "{step.id}" has no outcome; it has "default" and "conditions" only'
            work.notes.add("NOT_TRANSLATED", message, transitions.at(key))
    _otherwise(work, step, join, transitions, roots.CHOICE, is_named=False)


def decide(work: Work, step: Step) -> None:
    """Write a DECISION."""
    part = step.part
    where = part if part.has("choices") or part.says("default") else _transitions(step)
    choices = _choices(work, step, where, "choices" if where is part else "conditions", roots.CHOICE)
    default: Place = (where, "default")
    if part.has("next"):
        choices, default = _nexts(work, step, roots.CHOICE)
    if not choices:
        incomplete(part, "a DECISION", "choices", '[{"condition": …, "nextStep": …}]')
    way = _way(work, step, default)
    if not way.is_said:
        message = f'DECISION "{step.id}" says not where to go when no condition holds: add "default", the id of a step'
        work.notes.add("DECISION_NEEDS_DEFAULT", message, part.pointer)
    _split(work, step, step.id, choices, way)


def _transitions(step: Step) -> Part:
    return step.part.part("transitions") or Part({}, step.part.pointer, step.part.notes)


def _outcomes(work: Work, step: Step, transitions: Part, caught: dict[str, Place]) -> set[str]:
    """Lead each outcome and error to its step; give those that lead somewhere."""
    places = dict(caught)
    for key, named in transitions.data.items():
        if key in _NO_OUTCOMES or named is None:
            continue
        if not _OUTCOME.fullmatch(key):
            message = f'"{key[:60]}" cannot be an outcome: write letters, digits, _, . and -'
            work.notes.add("DOCUMENT_SHAPE", message, transitions.at(key))
        elif key in caught and caught[key][0].value(caught[key][1]) != named:
            message = f"{caught[key][0].at(caught[key][1])} says already where {key} leads"
            work.notes.add("TRANSITIONS_CATCH_ONCE", message, transitions.at(key))
        else:
            places.setdefault(key, (transitions, key))
    for key, place in places.items():
        _catch(work, step, key, place)
    return set(places)


def _catch(work: Work, step: Step, key: str, place: Place, given: tuple[Json, str] | None = None) -> None:
    """Lead an outcome or error of a step to another one; `given` is what that gets, and where this stands."""
    at = Origin(place[0].at(place[1]))
    origins = {"toStepId": at, "on": at}
    if given is not None:
        origins["input"] = Origin(given[1], is_same=True)
    target = _target(work, step, place)
    if given is not None and target == step.id:
        message = f'step "{step.id}" handles its own failure, and so cannot get anything by an inputMapping'
        work.notes.add("NOT_TRANSLATED", message, given[1])
        given = None
    work.draft.lead(step.id, target, at.pointer, origins, on=key, input=given[0] if given else None)


def _failures(work: Work, step: Step, led: set[str]) -> None:
    """Lead the errors of a step to their handlers."""
    failure = step.part.part("onFailure")
    if failure is None:
        return
    failure.look_over(("handlerStepId", "inputMapping", "action", "nextStepId", "errorHandler"), "an onFailure")
    mapping = mapped(failure, "inputMapping", roots.FAILURE)
    given = None if mapping is None else (mapping, failure.at("inputMapping"))
    places = _handlers(step, failure)
    if mapping is not None and not places:
        incomplete(failure, "an onFailure with an inputMapping", "handlerStepId", "notify_failed")
    for key, place in places:
        if key in led:
            message = f"where {key} leads is said already"
            work.notes.add("TRANSITIONS_CATCH_ONCE", message, place[0].at(place[1]))
        else:
            led.add(key)
            _catch(work, step, key, place, given)


def _handlers(step: Step, failure: Part) -> list[tuple[str, Place]]:
    """List which errors lead where: by code or category, and all others."""
    handler = failure.part("errorHandler")
    found: list[tuple[str, Place]] = []
    for one in handler.parts("conditions") if handler is not None else ():
        one.look_over(("errorType", "errorCode", "nextStepId"), "a condition of an errorHandler")
        if not one.has("nextStepId"):
            incomplete(one, "a condition of an errorHandler", "nextStepId")
            continue
        name = one.first("errorCode", "errorType")
        key = one.text(name) if name is not None else "ERROR"
        if key is not None and _OUTCOME.fullmatch(key):
            found.append((key, (one, "nextStepId")))
        elif key is not None:
            one.shape(name or "", "letters, digits, _, . and -")
    name = failure.first("handlerStepId", "nextStepId")
    action = (failure.text("action") or "").lower() if failure.has("action") else ""
    if action not in ("", "continue", "stop", "retry"):
        failure.shape("action", '"continue", "stop" or "retry"')
    if name is not None:
        found.append(("ERROR", (failure, name)))
    elif action == "continue":
        found.append(("ERROR", _default(step)))
    return found


def _default(step: Step) -> Place:
    """Find what says where a step leads without conditions."""
    plain = next((one for one in step.part.parts("next") if not one.has("condition")), None)
    return (plain, "nextStepId") if plain is not None else (_transitions(step), "default")


def _otherwise(work: Work, step: Step, source: str, transitions: Part, scope: Scope, *, is_named: bool) -> None:
    """Write what follows a step when no outcome of it leads anywhere."""
    choices = _choices(work, step, transitions, "conditions", scope)
    default: Place = (transitions, "default")
    if step.part.has("next"):
        choices, default = _nexts(work, step, scope)
    way = _way(work, step, default)
    if choices:
        _chain(work, step, source, choices, way)
    elif way.is_said or not is_named:
        work.draft.lead(source, way.target, way.at, {"toStepId": Origin(way.at)})
    elif step.type != "HUMAN_TASK":
        message = (
            f'when "{step.id}" is completed without one of these outcomes it fails with OUTCOME_NOT_HANDLED; '
            'add "default" to say where to go then'
        )
        work.notes.add("DEFAULT_MISSING", message, transitions.pointer)


def _choices(work: Work, step: Step, part: Part, name: str, scope: Scope) -> list[Choice]:
    found = []
    for one in part.parts(name):
        one.look_over(("condition", "nextStep", "nextStepId", "name", "description"), "a condition")
        named = one.first("nextStep", "nextStepId")
        if not one.has("condition"):
            incomplete(one, "a condition", "condition", "workflow.input.amount > 1000")
        if named is None:
            incomplete(one, "a condition", "nextStep")
        source = condition(one, "condition", scope)
        target = _target(work, step, (one, named)) if named is not None else None
        if named is not None and source is not None:
            found.append(Choice(source, one, named, target))
    return found


def _nexts(work: Work, step: Step, scope: Scope) -> tuple[list[Choice], Place]:
    """Read `next`: its entries with a condition are choices, the one without is the default."""
    listed = step.part.parts("next")
    for one in listed:
        one.look_over(("nextStepId", "condition", "name", "description"), "an entry of next")
        if not one.has("nextStepId"):
            incomplete(one, "an entry of next", "nextStepId")
    plain = [one for one in listed if not one.has("condition")]
    for one in plain[1:]:
        message = f'step "{step.id}" has several entries of next without a condition: use parallelBranches'
        work.notes.add("NOT_TRANSLATED", message, one.pointer)
    choices = []
    for one in listed:
        source = condition(one, "condition", scope)
        if source is not None and one.has("nextStepId"):
            choices.append(Choice(source, one, "nextStepId", _target(work, step, (one, "nextStepId"))))
    return choices, (plain[0] if plain else Part({}, step.part.at("next"), work.notes), "nextStepId")


def _way(work: Work, step: Step, default: Place) -> Way:
    part, name = default
    return Way(_target(work, step, default), part.at(name), part.says(name))


def _chain(work: Work, step: Step, source: str, choices: list[Choice], way: Way) -> None:
    """Ask conditions one after the other behind a step; when none holds, go the default way or fail."""
    if not way.is_said:
        message = f'no condition of step "{step.id}" holds, and it has no default'
        settings = {"code": NO_CONDITION, "message": message[:1000]}
        way = Way(work.draft.step(work.draft.fresh(f"{step.id}.none"), "fail", way.at, settings), way.at, is_said=False)
    split = work.draft.fresh(f"{step.id}.if")
    work.draft.lead(source, split, way.at)
    _split(work, step, split, choices, way)


def _split(work: Work, step: Step, id: str, choices: list[Choice], way: Way) -> None:
    """Write conditions as exclusive splits, the first of which has a given id."""
    while choices and choices[-1].target == way.target:  # the last condition does not matter then
        choices = choices[:-1]
    pointer = step.part.pointer
    words: Settings = INTERNAL if id != step.id else {"name": step.part.text("name")} if step.part.has("name") else {}
    if not choices:
        work.draft.step(id, "data.set", pointer, words)
        work.draft.lead(id, way.target, way.at)
    for number, choice in enumerate(choices, start=1):
        work.draft.step(id, "gateway.exclusive_split", pointer, words)
        origins = {"condition": Origin(choice.part.at("condition")), "toStepId": Origin(choice.part.at(choice.name))}
        work.draft.lead(id, choice.target, choice.part.pointer, origins, condition=asked(choice.condition))
        following = way.target if number == len(choices) else work.draft.fresh(f"{step.id}.if")
        work.draft.lead(id, following, way.at, {"toStepId": Origin(way.at)}, isDefault=True)
        id, words, pointer = following or "", INTERNAL, choice.part.pointer


def _target(work: Work, step: Step, place: Place) -> str | None:
    """Find the step that something leads to; None, or the join of the branch: where the steps around it end."""
    part, name = place
    named = part.text(name) if part.has(name) else None
    if named is not None:
        found = work.outline.steps.get(named)
        if found is None:
            guess = work.notes.guess(named, work.outline.steps)
            work.notes.add("NEXT_STEP_EXISTS", f'there is no step "{named[:128]}"{guess}', part.at(name))
        elif found.branch != step.branch:
            work.notes.add("BRANCH_LEFT", _left(step, found), part.at(name))
        else:
            return named
    return work.joins[step.branch[0]] if step.branch is not None else None


def _left(step: Step, found: Step) -> str:
    if step.branch is None:
        return f'step "{found.id}" stands in a branch, into which nothing leads from outside'
    return (
        f'step "{found.id}" stands outside of this branch of "{step.branch[0]}": a branch ends where a step has no '
        "transitions, and behind all of them the PARALLEL step's own transitions are taken"
    )
