"""Gateways: they take no time and ask nobody outside; they only choose transitions."""

from __future__ import annotations

from service.definition.expressions import ExpressionError, truth
from service.definition.plan import Json, Transition
from service.engine.run import Run, Visit, describe
from service.engine.steps.kind import Kind


def _exclusive(run: Run, visit: Visit) -> None:
    _split(run, visit, first_only=True)


def _inclusive(run: Run, visit: Visit) -> None:
    _split(run, visit, first_only=False)


def _split(run: Run, visit: Visit, *, first_only: bool) -> None:
    """Take the transitions whose condition is true, or the default when none is."""
    taken: list[str] = []
    decisions: list[Json] = []
    outgoing = run.plan.outgoing[visit.step.id]
    for transition in outgoing:
        if transition.condition is None or transition.is_default:
            continue
        try:
            decision = _decide(run, transition)
        except ExpressionError as error:
            where = f"gateway {visit.step.id}, transition {transition.id}"
            run.fail(visit, "EXPRESSION_FAILED", describe(error, where), transition_id=transition.id)
            return
        decisions.append(decision)
        if decision["result"]:
            taken.append(transition.id)
            if first_only:
                break
    run.complete(visit, taken=taken or [t.id for t in outgoing if t.is_default], decisions=decisions)


def _decide(run: Run, transition: Transition) -> dict[str, Json]:
    source = transition.condition or ""
    evaluation = run.evaluate(source)
    return {
        "transition": transition.id,
        "expression": source,
        "reads": evaluation.reads,
        "result": truth(evaluation.value),
    }


def _all(run: Run, visit: Visit) -> None:
    run.complete(visit)


EXCLUSIVE_SPLIT = Kind(enter=_exclusive, passable=False)
INCLUSIVE_SPLIT = Kind(enter=_inclusive, passable=False)
PARALLEL_SPLIT = Kind(enter=_all, passable=False)
PARALLEL_JOIN = Kind(enter=_all, gathers=True, passable=False)
