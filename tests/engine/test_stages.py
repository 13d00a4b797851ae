"""How far an execution has come: groups and the word for the whole, derived from where its step runs stand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.definition.plan import Plan, StepGroup
from service.domain.step_run import Standing
from service.engine.observations import Cancelled, StepUpdated, TaskFailed
from service.engine.projecting import project
from service.engine.stages import progress
from tests.engine.graphs import Player, a_plan
from tests.engine.random_plans import plans
from tests.engine.test_random_plans import happenings


def grouped(picture: str, groups: dict[str, str], **steps) -> Plan:
    """A plan with groups, each named by the steps that it lists."""
    plan = a_plan(picture, **steps)
    return replace(plan, groups=tuple(StepGroup(id, id, tuple(ids.split())) for id, ids in groups.items()))


def standings(player: Player) -> list[Standing]:
    """What storage would say of a player's step runs."""
    newest: dict[tuple[str, str], int] = {}
    for (step_id, visit), change in project(player.entries).step_runs.items():
        newest[step_id, change.status] = max(visit, newest.get((step_id, change.status), 0))
    return [Standing(step_id, status, visit) for (step_id, status), visit in newest.items()]


def seen(player: Player) -> str:
    """The overall word, and each group as `id=status`, with a `-` behind one that is bypassed."""
    status = {"OPEN": "STARTED"}.get(player.state.status, player.state.status)
    found = progress(player.plan, status, standings(player))
    groups = [f"{view.group.id}={view.status}{'-' if view.bypassed else ''}" for view in found.groups]
    return " ".join([found.overall, *groups])


TWO = "start > task; task > a; a > b; b > c; c > end"
GROUPS = {"one": "a b", "two": "c"}


def test_stages_go_forward_one_after_another():
    player = Player(grouped(TWO, GROUPS))
    told = [seen(player)]
    player.answer()
    told.append(seen(player))
    for step in "abc":
        player.complete(step)
        told.append(seen(player))

    assert told == [
        "SUBMITTED one=NOT_STARTED two=NOT_STARTED",
        "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED",
        "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED",
        "AWAITING_CUSTOMER_INPUT one=COMPLETED two=IN_PROGRESS",
        "COMPLETED one=COMPLETED two=COMPLETED",
    ]


def test_a_stage_waits_for_a_step_of_its_that_comes_after_one_of_another():
    player = Player(grouped("start > a; a > b; b > c; c > end", {"outer": "a c", "inner": "b"}))
    player.complete("a")

    assert seen(player) == "AWAITING_CUSTOMER_INPUT outer=IN_PROGRESS inner=IN_PROGRESS"
    player.complete("b")

    assert seen(player) == "AWAITING_CUSTOMER_INPUT outer=IN_PROGRESS inner=COMPLETED"


LOOP = "start > q; q > approve; approve > xs; xs > q if __steps__.approve.again, file; file > end"


def test_what_a_loop_leads_back_to_is_in_progress_again_and_nothing_is_not_started_twice():
    player = Player(grouped(LOOP, {"fill": "q", "review": "approve", "file": "file"}))
    told = [seen(player)]
    for step, output in (("q", None), ("approve", {"again": True}), ("q", None), ("approve", {})):
        player.complete(step, output=output)
        told.append(seen(player))

    assert [line.partition(" ")[2] for line in told] == [
        "fill=IN_PROGRESS review=NOT_STARTED file=NOT_STARTED",
        "fill=COMPLETED review=IN_PROGRESS file=NOT_STARTED",
        "fill=IN_PROGRESS review=IN_PROGRESS file=NOT_STARTED",
        "fill=COMPLETED review=IN_PROGRESS file=NOT_STARTED",
        "fill=COMPLETED review=COMPLETED file=IN_PROGRESS",
    ]


BRANCHES = "start > xs; xs > a if __context__.a, b; a > c; b > c; c > end"


def test_a_stage_on_a_branch_that_was_not_taken_is_bypassed():
    player = Player(grouped(BRANCHES, {"a": "a", "b": "b", "both": "a b", "c": "c"}), {"a": True})
    assert seen(player) == ("AWAITING_CUSTOMER_INPUT a=IN_PROGRESS b=NOT_STARTED- both=IN_PROGRESS c=NOT_STARTED")

    player.complete("a", "c")

    assert seen(player) == "COMPLETED a=COMPLETED b=NOT_STARTED- both=COMPLETED c=COMPLETED"


PARALLEL = "start > ps; ps > a, task; a > pj; task > pj; pj > b; b > end"


def test_nobody_is_waited_for_while_something_goes_on_by_itself():
    player = Player(grouped(PARALLEL, {"one": "a", "two": "task", "three": "b"}))
    assert seen(player) == "IN_PROGRESS one=IN_PROGRESS two=IN_PROGRESS three=NOT_STARTED"

    player.answer()

    assert seen(player) == "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=COMPLETED three=NOT_STARTED"


def test_a_step_that_comes_once_more_by_another_branch_keeps_its_stage_open():
    player = Player(grouped("start > ps; ps > a, b; a > e; b > e; e > end", {"first": "a b", "last": "e"}))
    player.complete("a", "e")

    assert seen(player) == "AWAITING_CUSTOMER_INPUT first=IN_PROGRESS last=IN_PROGRESS"


def failed(player: Player) -> Player:
    player.see(TaskFailed("task/1", 1, {"code": "X", "message": "x", "retriable": False}))
    return player


def test_a_failure_blocks_the_stage_of_the_step_and_those_it_breaks_off():
    plan = grouped(PARALLEL, {"one": "a", "two": "task", "three": "b"})

    player = failed(Player(plan))
    assert seen(player) == "BLOCKED one=BLOCKED two=BLOCKED three=NOT_STARTED"
    player = Player(plan)
    player.complete("a")
    assert seen(failed(player)) == "BLOCKED one=COMPLETED two=BLOCKED three=NOT_STARTED"


def test_a_cancelled_execution_is_blocked_where_it_stood():
    player = Player(grouped(TWO, GROUPS))
    player.answer()
    player.complete("a", "b")
    player.see(Cancelled())

    assert seen(player) == "BLOCKED one=COMPLETED two=BLOCKED"


def test_a_failure_after_the_last_step_leaves_the_stages_completed():
    plan = replace(grouped(TWO, GROUPS), output_expression="$error('boom')")
    player = Player(plan)
    player.answer()
    player.complete("a", "b", "c")

    assert seen(player) == "BLOCKED one=COMPLETED two=COMPLETED"


def test_a_switched_off_step_blocks_its_stage_unless_the_stage_goes_on_elsewhere():
    player = Player(grouped("start > ps; ps > a, b; a > pj; b > pj; pj > c; c > end", {"one": "a b", "two": "c"}))

    player.see(StepUpdated("a", "DISABLED"))
    assert seen(player) == "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED"
    player.complete("b")
    assert seen(player) == "BLOCKED one=BLOCKED two=NOT_STARTED"
    player.see(StepUpdated("a", "RUNNING"))

    assert seen(player) == "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED"


def test_a_parked_step_has_not_begun():
    player = Player(grouped("start > a; a > end", {"one": "a"}, a={"default_status": "PENDING"}))
    assert seen(player) == "SUBMITTED one=NOT_STARTED"

    player.see(StepUpdated("a", "COMPLETED"))

    assert seen(player) == "COMPLETED one=COMPLETED"


def test_a_parked_step_that_the_end_left_behind_does_not_hold_its_stage():
    picture = "start > ps; ps > a, b; a > c; b > c; c > end"
    player = Player(grouped(picture, {"one": "a b", "parked": "b"}, b={"default_status": "DISABLED"}))
    player.complete("a", "c")

    assert seen(player) == "COMPLETED one=COMPLETED parked=NOT_STARTED-"


def test_without_groups_the_first_piece_of_work_begins_an_execution():
    assert seen(Player(a_plan(TWO))) == "IN_PROGRESS"
    assert progress(a_plan(TWO), "CREATED", []).overall == "SUBMITTED"


@pytest.mark.parametrize(
    ("status", "rows", "told"),
    [
        ("CREATED", [], "SUBMITTED one=NOT_STARTED two=NOT_STARTED"),
        ("CREATED", [("task", "RUNNING", 1)], "SUBMITTED one=NOT_STARTED two=NOT_STARTED"),
        ("CREATED", [("a", "WAITING", 1)], "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED"),
        ("FAILED_TO_START", [("a", "WAITING", 1)], "BLOCKED one=BLOCKED two=NOT_STARTED"),
        ("STARTED", [("a", "COMPLETED", 1)], "IN_PROGRESS one=IN_PROGRESS two=NOT_STARTED"),  # between two steps
        (
            "STARTED",
            [("a", "FAILED", 1), ("a", "RUNNING", 2)],
            "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED",
        ),
        ("STARTED", [("a", "DISABLED", 1)], "BLOCKED one=BLOCKED two=NOT_STARTED"),
        (
            "STARTED",
            [("a", "COMPLETED", 2), ("a", "WAITING", 1)],
            "AWAITING_CUSTOMER_INPUT one=IN_PROGRESS two=NOT_STARTED",
        ),
        ("FAILED", [("a", "COMPLETED", 1), ("b", "SKIPPED", 1)], "BLOCKED one=BLOCKED two=NOT_STARTED"),
        ("FAILED", [("a", "SKIPPED", 1)], "BLOCKED one=NOT_STARTED two=NOT_STARTED"),
        ("COMPLETED", [("a", "COMPLETED", 1)], "COMPLETED one=COMPLETED two=NOT_STARTED-"),
    ],
)
def test_rows_tell_how_far_it_is(status, rows, told):
    found = progress(grouped(TWO, GROUPS), status, [Standing(*row) for row in rows])

    groups = [f"{view.group.id}={view.status}{'-' if view.bypassed else ''}" for view in found.groups]
    assert " ".join([found.overall, *groups]) == told


@pytest.mark.parametrize(
    ("rows", "children_wait", "overall"),
    [
        ([("sub", "RUNNING", 1)], False, "IN_PROGRESS"),
        ([("sub", "RUNNING", 1)], True, "AWAITING_CUSTOMER_INPUT"),
        ([("sub", "RUNNING", 1), ("a", "WAITING", 1)], False, "IN_PROGRESS"),
        ([("sub", "RUNNING", 1), ("a", "WAITING", 1)], True, "AWAITING_CUSTOMER_INPUT"),
        ([("sub", "RUNNING", 1), ("task", "RUNNING", 1)], True, "IN_PROGRESS"),
        ([("sub", "DISABLED", 1)], False, "BLOCKED"),
    ],
)
def test_a_case_waits_for_the_customer_when_all_its_children_do(rows, children_wait, overall):
    plan = grouped("start > ps; ps > sub, a, task; sub > pj; a > pj; task > pj; pj > end", {"one": "sub"})
    steps = tuple(replace(step, type="sys.sub_workflow") if step.id == "sub" else step for step in plan.steps)

    found = progress(
        replace(plan, steps=steps), "STARTED", [Standing(*row) for row in rows], children_wait=children_wait
    )

    assert found.overall == overall


def test_the_steps_of_a_group_stand_in_their_order_with_the_visit_that_tells_most():
    plan = grouped(TWO, {"one": "b a"})

    (view,) = progress(plan, "STARTED", [Standing("a", "WAITING", 1), Standing("a", "COMPLETED", 2)]).groups

    assert [(step.step.id, step.status, step.visit) for step in view.steps] == [
        ("b", "PENDING", 0),
        ("a", "WAITING", 1),
    ]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans(), st.data())
def test_a_stage_that_was_completed_or_bypassed_comes_again_only_by_a_way_back(plan, data):
    plan = replace(plan, groups=tuple(StepGroup(step.id, step.id, (step.id,)) for step in plan.steps))
    back = {t.id for t in plan.transitions if t.target not in plan.forward[t.source]}
    player = Player(plan, data.draw(st.fixed_dictionaries({"p": st.booleans(), "q": st.booleans()})))
    for _ in range(20):
        before = behind(player)
        choices = [choice for choice in happenings(player) if not isinstance(choice, StepUpdated)]
        if not choices:
            break
        outcome = player.see(data.draw(st.sampled_from(choices)))
        went_back = any(taken in back for entry in outcome.entries for taken in entry.data.get("taken", ()))
        if not went_back and not player.state.arrived and player.is_open:
            assert before <= behind(player)


def behind(player: Player) -> set[str]:
    """The groups that a player's execution is through with; none while it holds tokens, which no row tells of."""
    if player.state.arrived:
        return set()
    found = progress(player.plan, {"OPEN": "STARTED"}.get(player.state.status, player.state.status), standings(player))
    return {view.group.id for view in found.groups if view.status == "COMPLETED" or view.bypassed}
