"""Which join fires: the rule that lets untaken branches never block and rounds of a loop never mix."""

from __future__ import annotations

from service.definition.plan import Plan
from service.engine.state import State


def ready(plan: Plan, state: State) -> str | None:
    """Name the join that fires next, or None when each has something to wait for.

    A join waits while a token elsewhere could still arrive on one of its empty incoming transitions without passing
    the join itself. Joins that wait only for each other would wait for ever: of these the first in the definition
    fires.
    """
    holding = [step.id for step in plan.steps if step.id in state.arrived]
    if not holding:
        return None
    live = {run.step_id for run in state.open.values()}
    awaited = {join: _awaited(plan, state, join) for join in holding}
    waits_for = {join: {other for other in holding if other != join and other in awaited[join]} for join in holding}
    free = [join for join in holding if not waits_for[join] and not awaited[join] & live]
    if free:
        return free[0]
    stuck = _without_hope(holding, waits_for, {join for join in holding if awaited[join] & live})
    return stuck[0] if stuck else None


def _awaited(plan: Plan, state: State, join: str) -> set[str]:
    """The steps from which a token could fill one of the join's empty incoming transitions."""
    held = state.arrived[join]
    steps: set[str] = set()
    for transition, feeders in plan.feeders[join].items():
        if transition not in held:
            steps |= feeders
    return steps


def _without_hope(holding: list[str], waits_for: dict[str, set[str]], hopeful: set[str]) -> list[str]:
    """The joins that no open step run can help, neither itself nor through the joins that they wait for."""
    while True:
        more = {join for join in holding if join not in hopeful and waits_for[join] & hopeful}
        if not more:
            return [join for join in holding if join not in hopeful]
        hopeful = hopeful | more
