"""Which transitions a token takes out of a step that is no gateway: by the outcome, or by the error."""

from __future__ import annotations

from service.definition.plan import Json, Plan, Transition

ANY_ERROR = "ERROR"
"""The `on` that catches every error which no other transition of the step catches."""

BY_TIME = frozenset({ANY_ERROR, "TIMEOUT", "ESCALATED"})
"""Names in `on` that no caller gives as an outcome: errors and clocks take those transitions."""


def after_outcome(plan: Plan, step_id: str, outcome: str) -> list[str] | None:
    """The transitions out of a completed step; None when it has some, but none for this outcome."""
    leaving = plan.outgoing.get(step_id, ())
    if not any(transition.on for transition in leaving):
        return [transition.id for transition in leaving]
    named = [transition.id for transition in leaving if outcome and transition.on == outcome]
    return named or [transition.id for transition in leaving if transition.on is None] or None


def may_give(plan: Plan, step_id: str, outcome: str) -> bool:
    """Tell whether a caller may end a step with this outcome: some way leads on, and not one for errors or clocks."""
    reserved = outcome in BY_TIME and any(transition.on == outcome for transition in plan.outgoing.get(step_id, ()))
    return not reserved and after_outcome(plan, step_id, outcome) is not None


def outcomes(plan: Plan, step_id: str) -> list[str]:
    """The outcomes that a caller may give; empty when any will do."""
    leaving = plan.outgoing.get(step_id, ())
    if any(transition.on is None for transition in leaving):
        return []
    return [transition.on for transition in leaving if transition.on and transition.on not in BY_TIME]


def catching(plan: Plan, step_id: str, error: dict[str, Json]) -> Transition | None:
    """The transition that catches an error: by its code, else by its category, else one for every error."""
    leaving = {transition.on: transition for transition in plan.outgoing.get(step_id, ())}
    return by_name(plan, step_id, error) or leaving.get(ANY_ERROR)


def by_name(plan: Plan, step_id: str, error: dict[str, Json]) -> Transition | None:
    """The transition that catches an error by its code or its category; the one for every error is for no name."""
    leaving = {t.on: t for t in plan.outgoing.get(step_id, ()) if t.on not in (None, ANY_ERROR)}
    return leaving.get(error["code"]) or leaving.get(error.get("category", ""))
