"""Splits and joins: CQ10, CQ11, CQ12 of the system that the native dialect comes from."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from tests.engine.graphs import Player, a_plan, completed

PARALLEL = "start > ps; ps > a, b, c; a > pj; b > pj; c > pj; pj > d; d > end"
INCLUSIVE = "start > is; is > a if __context__.a, b if __context__.b, c; a > pj; b > pj; c > pj; pj > d; d > end"
CHOICES = [True, False, None]  # None: the condition reads a value that is not there


def test_parallel_branches_start_together():
    assert Player(a_plan(PARALLEL)).open == ["a/1", "b/1", "c/1"]


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_a_join_fires_once_when_the_last_branch_arrives(order):
    player = Player(a_plan(PARALLEL))

    player.complete(*order[:2])
    assert player.open == [f"{order[2]}/1"]
    player.complete(order[2])

    assert player.open == ["d/1"]
    assert player.count("STEP_COMPLETED")["pj"] == 1


@pytest.mark.parametrize(("a", "b"), list(product(CHOICES, CHOICES)))
def test_an_inclusive_split_takes_every_true_branch_and_the_default_only_if_none_is(a, b):
    context = {name: value for name, value in {"a": a, "b": b}.items() if value is not None}
    taken = [name for name, value in (("a", a), ("b", b)) if value] or ["c"]
    player = Player(a_plan(INCLUSIVE), context)

    assert player.open == [f"{name}/1" for name in taken]
    player.complete(*reversed(taken))

    assert player.open == ["d/1"]
    player.complete("d")
    assert player.state.status == "COMPLETED"


@pytest.mark.parametrize("value", [1, "x", [0, 1], {"k": 1}])
def test_conditions_have_the_truth_of_jsonata(value):
    assert Player(a_plan(INCLUSIVE), {"a": value}).open == ["a/1"]


@pytest.mark.parametrize("value", [0, "", [], {}, [0], None])
def test_conditions_have_the_untruth_of_jsonata(value):
    assert Player(a_plan(INCLUSIVE), {"a": value}).open == ["c/1"]


def test_an_exclusive_split_takes_the_first_true_branch_only():
    player = Player(a_plan("start > xs; xs > a if true, b if true, c; a > e; b > e; c > e; e > end"))

    assert player.open == ["a/1"]


def test_a_condition_that_fails_fails_the_execution_and_never_takes_the_default():
    player = Player(a_plan("start > xs; xs > a if $error('boom'), b; a > e; b > e; e > end"))

    assert player.state.status == "FAILED"
    error = player.entries[-1].data["error"]
    assert error["step_id"] == "xs"
    assert error["transition_id"] == "xs>a"
    assert "boom" in error["message"]


def test_the_ledger_says_why_a_branch_was_taken():
    player = Player(a_plan(INCLUSIVE), {"a": 3, "b": 0})

    decisions = next(entry for entry in player.entries if entry.step_id == "is").data["decisions"]

    assert decisions == [
        {"transition": "is>a", "expression": "__context__.a", "reads": {"__context__.a": 3}, "result": True},
        {"transition": "is>b", "expression": "__context__.b", "reads": {"__context__.b": 0}, "result": False},
    ]


def test_branches_of_an_if_else_converge_without_a_join():
    player = Player(a_plan("start > xs; xs > a if __context__.yes, b; a > e; b > e; e > end"), {"yes": True})

    player.complete("a", "e")

    assert player.state.status == "COMPLETED"
    assert player.count("STEP_COMPLETED")["e"] == 1


def test_a_step_without_a_join_starts_once_for_every_token():
    player = Player(a_plan("start > ps; ps > a, b; a > e; b > e; e > end"))

    player.complete("a", "b")

    assert player.open == ["e/1", "e/2"]


LOOP = (
    "start > q; q > ps; ps > a, b; a > pj; b > pj; pj > approve; approve > xs; "
    "xs > q if __steps__.approve.again, file; file > end"
)


def test_each_round_of_a_loop_joins_for_itself():
    player = Player(a_plan(LOOP))

    for again in (True, True, False):
        player.complete("q", "b", "a")
        player.complete("approve", output={"again": again})
    player.complete("file")

    assert player.state.status == "COMPLETED"
    assert player.count("STEP_COMPLETED")["pj"] == 3
    assert player.state.visits["approve"] == 3


def test_a_second_token_on_the_same_transition_waits_for_the_next_round():
    player = Player(
        a_plan("start > ps1; ps1 > x, y; x > a; y > a; a > ps2; ps2 > b, c; b > pj; c > pj; pj > d; d > end")
    )
    player.complete("x", "y", "a", "a")

    player.complete("b", "b")
    assert player.open == ["c/1", "c/2"]
    player.complete("c", "c")

    assert player.open == ["d/1", "d/2"]


def test_a_join_does_not_wait_for_a_branch_that_left_the_way():
    player = Player(
        a_plan(
            "start > ps; ps > a, b; a > pj; b > xs; xs > pj if __steps__.b.stay, aside; "
            "aside > out; pj > out; out > end"
        )
    )
    player.complete("a")
    assert player.open == ["b/1"]

    player.complete("b", output={"stay": False})

    assert player.open == ["aside/1", "out/1"]
    assert "pj" in completed(player)


def test_a_join_waits_for_a_token_that_may_come_around_a_back_edge():
    player = Player(a_plan("start > ps; ps > a, b; b > xs; xs > b if __steps__.b.again, pj; a > pj; pj > d; d > end"))
    player.complete("a")

    player.complete("b", output={"again": True})
    assert player.open == ["b/2"]
    player.complete("b", output={"again": False})

    assert player.open == ["d/1"]


def test_joins_that_wait_for_each_other_fire_in_the_order_of_the_definition():
    picture = (
        "start > ps; ps > pj1, pj2; pj1 > xs1; xs1 > pj2 if false, x; pj2 > xs2; xs2 > pj1 if false, y; "
        "x > z; y > z; z > end"
    )
    player = Player(a_plan(picture))

    assert player.open == ["x/1", "y/1"]
    assert [step for step in completed(player) if step.startswith("pj")] == ["pj1", "pj2"]


def test_joins_that_feed_each_other_for_ever_are_stopped():
    player = Player(a_plan("start > ps; ps > pj1, pj2; pj1 > ps3; ps3 > pj2, x; pj2 > ps4; ps4 > pj1, y; x > z; y > z"))

    assert player.entries[-1].data["error"]["code"] == "RUNAWAY_LOOP"
