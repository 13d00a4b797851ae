"""Steps with child executions: what they start, when they go on, and what they make of failures."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from service.engine.advancing import open_commands
from service.engine.commands import StartChildren, Withdraw
from service.engine.folding import fold
from service.engine.observations import Cancelled, ChildEnded, Lost, Retried, StepUpdated
from service.engine.run import MAX_STATE, Refused
from service.engine.state import State
from service.engine.steps.sub_workflow import MAX_ITEMS
from tests.engine.families import FamilyPlayer
from tests.engine.graphs import a_plan

BATCH = "start > sub; sub > a; a > end"


def a_batch(items, /, **settings):
    player = FamilyPlayer(a_plan(BATCH, sub={"settings": settings}), {"items": items, "company": {"id": "c9"}})
    player.work()
    return player


def inputs(player):
    return [child.order.input for child in player.children]


@pytest.mark.parametrize(
    ("items", "expected"),
    [([1, 2], [1, 2]), ([{"x": 1}], [{"x": 1}]), ({"x": 1}, [{"x": 1}]), ("one", ["one"]), ([[1], [2]], [[1], [2]])],
)
def test_each_item_has_a_child(items, expected):
    player = a_batch(items)

    assert inputs(player) == [{"id": item} for item in expected]
    assert player.open == ["sub/1"]


@pytest.mark.parametrize("items", [[], None])
def test_nothing_to_go_over_completes_at_once(items):
    player = a_batch(items)

    assert player.children == []
    assert player.open == ["a/1"]
    assert player.state.results["sub"].output == []


def test_a_loop_around_a_batch_over_nothing_ends():
    player = FamilyPlayer(a_plan("start > sub; sub > xs; xs > end if false, sub"), {"items": []})

    assert player.entries[-1].data["error"]["code"] == "RUNAWAY_LOOP"


def test_a_missing_iterable_is_an_empty_one():
    player = a_batch([1], items={"expression": "__context__.nowhere"})

    assert player.open == ["a/1"]


def test_the_step_completes_with_the_outputs_in_the_order_of_the_items():
    player = a_batch([1, 2, 3])
    for child in reversed(player.running):
        player.end(child, output={"of": child.item})
    player.work()

    assert player.state.results["sub"].output == [{"of": 0}, {"of": 1}, {"of": 2}]
    assert player.open == ["a/1"]


def test_single_gives_the_output_of_its_child():
    plan = a_plan(BATCH, sub={"settings": {"mode": "SINGLE", "mapping": []}})
    player = FamilyPlayer(plan, {})
    player.work()
    player.end(player.running[0], output={"done": True})
    player.work()

    assert player.state.results["sub"].output == {"done": True}


def test_no_more_children_run_than_the_step_lets():
    player = a_batch(list(range(20)), concurrency=3)
    while player.running:
        player.end(player.running[-1])
        player.work()

    assert player.most_open == 3
    assert len(player.children) == 20
    assert player.open == ["a/1"]


MAPPINGS = [
    ([{"path": ["a", "b"], "value": {"const": 1}}], {"a": {"b": 1}}),
    ([{"path": ["x"], "value": {"source": "CONTEXT", "path": ["company", "id"]}}], {"x": "c9"}),
    ([{"path": ["x"], "value": {"source": "CONTEXT", "path": ["nowhere", "id"]}}], {}),
    ([{"path": ["x"], "value": {"source": "EACH", "path": []}}], {"x": "i"}),
    ([{"path": ["x"], "value": {"expression": "__each__ & '!'"}}], {"x": "i!"}),
    ([{"path": ["x"], "append": True, "value": {"const": 1}}], {"x": [1]}),
    (
        [
            {"path": ["x"], "value": {"const": [1]}},
            {"path": ["x"], "append": True, "value": {"const": 2}},
            {"path": ["y", "z"], "append": True, "value": {"const": 3}},
        ],
        {"x": [1, 2], "y": {"z": [3]}},
    ),
    (
        [{"path": ["x"], "value": {"const": {"a": 1}}}, {"path": ["x", "b"], "value": {"const": 2}}],
        {"x": {"a": 1, "b": 2}},
    ),
]


@pytest.mark.parametrize(("mapping", "expected"), MAPPINGS)
def test_mappings_build_the_input(mapping, expected):
    assert inputs(a_batch(["i"], mapping=mapping)) == [expected]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            [{"path": ["x"], "value": {"const": "s"}}, {"path": ["x", "y"], "value": {"const": 1}}],
            "cannot map to x.y: x is a string",
        ),
        (
            [{"path": ["x"], "value": {"const": "s"}}, {"path": ["x"], "append": True, "value": {"const": 1}}],
            "cannot append to x: it is a string, not a list",
        ),
    ],
)
def test_a_mapping_through_what_is_no_object_fails_the_step(mapping, message):
    player = a_batch(["i"], mapping=mapping)

    assert player.state.status == "FAILED"
    assert message in player.entries[-1].data["error"]["message"]


def test_the_first_child_that_fails_fails_the_execution_and_cancels_its_brothers():
    player = a_batch([1, 2, 3])
    player.end(player.running[1], "FAILED")

    assert player.state.status == "FAILED"
    failed = next(entry for entry in player.entries if entry.type == "STEP_FAILED")
    assert failed.data["cancels"] is True
    assert failed.data["error"]["code"] == "CHILD_FAILED"
    assert "item 1 (execution c1, FAILED): BROKEN: it broke" in failed.data["error"]["message"]


@pytest.mark.parametrize(
    ("tolerated", "failures", "status"),
    [
        ({"count": 1}, 1, "OPEN"),
        ({"count": 1}, 2, "FAILED"),
        ({"percentage": 50}, 2, "OPEN"),
        ({"percentage": 49.9}, 2, "FAILED"),
        ({"percentage": 100}, 4, "OPEN"),
    ],
)
def test_so_many_failures_are_tolerated(tolerated, failures, status):
    player = a_batch([1, 2, 3, 4], tolerated=tolerated)
    for child in player.running[:failures]:
        player.end(child, "FAILED")
    assert player.state.status == status
    for child in player.running:
        player.end(child, output=child.item)
    player.work()
    if status == "OPEN":
        assert player.state.results["sub"].output == [None] * failures + list(range(failures, 4))


def test_a_step_may_wait_for_all_before_it_fails():
    player = a_batch([1, 2], waitForAll=True)
    player.end(player.running[0], "FAILED")
    assert player.state.status == "OPEN"
    player.end(player.running[0])

    assert player.state.status == "FAILED"
    assert "1 of 2 child executions failed" in player.entries[-1].data["error"]["message"]


def test_a_word_that_comes_twice_or_too_early_counts_once():
    player = FamilyPlayer(a_plan(BATCH), {"items": [1, 2]})
    (command,) = open_commands(player.plan, player.state)
    assert isinstance(command, StartChildren)
    early = ChildEnded("sub/1", command.round, 0, "c0", "COMPLETED", 4)
    player.see(early)
    player.see(early)
    player.start(command)
    player.see(early)
    assert player.state.open["sub/1"].children.open == (1,)
    player.end(player.of("sub/1", 1))

    assert player.state.open["sub/1"].children.succeeded == 2
    assert player.state.open["sub/1"].children.has_ended


@pytest.mark.parametrize(("status", "again"), [("COMPLETED", [0, 2]), ("FAILED", [0, 1, 2])])
def test_a_retry_knows_of_a_child_that_ended_before_the_word_came_that_it_had_started(status, again):
    player = FamilyPlayer(a_plan(BATCH), {"items": [1, 2, 3]})
    (command,) = open_commands(player.plan, player.state)
    player.see(ChildEnded("sub/1", command.round, 1, "c1", status, 4))
    player.see(Lost("terminated"))
    player.see(Retried())
    player.work()

    assert [child.item for child in player.children] == again
    for child in player.running:
        player.end(child)
    assert player.state.open["sub/2"].children.succeeded == 3


def test_the_word_of_an_earlier_try_is_not_heard():
    player = a_batch([1])
    first = player.running[0]
    player.see(StepUpdated("sub", "DISABLED"))
    player.see(StepUpdated("sub", "RUNNING"))
    player.work()

    assert not player.see(ChildEnded("sub/1", first.round, 0, "c0", "CANCELLED")).entries
    assert player.state.status == "OPEN"


def test_disabling_the_step_cancels_its_children():
    player = a_batch([1])

    outcome = player.see(StepUpdated("sub", "DISABLED"))

    assert outcome.entries[0].data == {"status": "DISABLED", "cancels": True}
    assert outcome.commands == (Withdraw("sub/1"),)


def test_cancelling_the_parent_cancels_the_children():
    player = a_batch([1])
    player.see(Cancelled())

    assert next(entry for entry in player.entries if entry.type == "STEP_CANCELLED").data["cancels"] is True


def test_a_retry_starts_only_what_has_not_succeeded():
    player = a_batch([1, 2, 3], concurrency=2)
    player.end(player.running[0], output="first")
    player.work()
    player.end(player.running[0], "FAILED")
    started = len(player.children)
    player.see(Retried())
    player.work()

    again = player.children[started:]
    assert [(child.key, child.item) for child in again] == [("sub/2", 1), ("sub/2", 2)]
    assert player.state.open["sub/2"].children.succeeded == 1
    for child in again:
        player.end(child, output="second")
    assert player.state.open["sub/2"].children.has_ended


def test_a_retry_of_what_has_not_failed_is_refused():
    player = a_batch([1])
    with pytest.raises(Refused) as refused:
        player.see(Retried())
    assert refused.value.reason == "EXECUTION_NOT_FAILED"


def test_a_lost_execution_fails_and_can_be_retried():
    player = FamilyPlayer(a_plan("start > ps; ps > a, task; a > pj; task > pj; pj > end"), {})
    player.see(Lost("terminated"))
    assert player.state.status == "FAILED"
    assert player.entries[-1].data["error"]["code"] == "TEMPORAL_TERMINATED"
    player.see(Retried())

    assert player.open == ["a/2", "task/2"]


def test_a_child_that_was_retried_by_itself_counts_after_all():
    player = a_batch([1, 2], tolerated={"count": 1})
    failed = player.running[0]
    player.end(failed, "FAILED")
    player.end(failed, output="mended")

    assert player.state.open["sub/1"].children.failed == ()
    assert player.state.open["sub/1"].children.succeeded == 1


def test_too_many_items_are_refused_with_the_limit():
    player = a_batch([1] * (MAX_ITEMS + 1))

    assert player.entries[-1].data["error"]["code"] == "TOO_MANY_ITEMS"
    assert "gave 10,001 items, the limit is 10,000" in player.entries[-1].data["error"]["message"]


@pytest.mark.parametrize(
    "million",
    [
        "[1..1000000]",
        "$map([1..1000], function($n) {[1..1000]})",
        "$reduce([1..20], function($all, $n) {$append($all, $all)}, [1])",
    ],
)
def test_a_million_items_are_refused_at_once_with_the_limit(million):
    tracemalloc.start()
    began = time.process_time()
    player = a_batch([1], items={"expression": million})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    error = player.entries[-1].data["error"]
    assert error["code"] == "EXPRESSION_FAILED"
    assert "at most 100,000 numbers" in error["message"] or "more than 4 MiB" in error["message"]
    assert time.process_time() - began < 2
    assert peak < 50 * 1024**2


def test_outputs_that_add_up_to_too_much_fail_the_step_at_once():
    player = a_batch([1, 2, 3])
    for child in player.running[:2]:
        player.end(child, output="x" * 140_000)

    assert player.entries[-1].data["error"]["code"] == "OUTPUT_TOO_LARGE"
    assert "collectOutputs" in player.entries[-1].data["error"]["message"]


def test_outputs_need_not_be_collected():
    player = a_batch([1], collect=False)
    player.end(player.running[0], output="x" * 100)

    assert player.state.results["sub"].output is None


SOURCE = {"alias": "people", "type": "T", "id": "list", "timeout": 5.0, "retry": {}}


def test_a_source_is_fetched_before_the_items_are_fixed():
    player = FamilyPlayer(
        a_plan(
            BATCH,
            sub={
                "settings": {
                    "items": {"source": "people", "select": "$.ids"},
                    "sources": [
                        {
                            **SOURCE,
                            "select": "$.data",
                            "params": {"object": {"of": {"source": "CONTEXT", "path": ["c"]}}},
                        }
                    ],
                    "mapping": [{"path": ["n"], "value": {"source": "DATASOURCE", "alias": "people", "path": ["n"]}}],
                }
            },
        ),
        {"c": 7},
        lambda call: {"data": {"ids": [call.params["of"], 8], "n": 2}},
    )
    player.work()

    assert inputs(player) == [{"n": 2}, {"n": 2}]
    assert player.state.open["sub/1"].input == [7, 8]
    assert [entry.data for entry in player.entries if entry.type == "DATA_FETCHED"] == [
        {"alias": "people", "value": {"ids": [7, 8], "n": 2}}
    ]


def test_a_source_of_each_item_is_asked_with_it():
    settings = {
        "sources": [{**SOURCE, "each": True, "params": {"object": {"id": {"source": "EACH", "path": []}}}}],
        "mapping": [{"path": ["who"], "value": {"expression": "__datasources__.people"}}],
    }
    player = FamilyPlayer(
        a_plan(BATCH, sub={"settings": settings}), {"items": list(range(25))}, lambda call: call.params["id"] * 2
    )
    player.work()

    assert inputs(player) == [{"who": item * 2} for item in range(25)]
    assert player.state.open["sub/1"].children.item_data == {}


def test_what_comes_in_portions_is_asked_for_until_all_is_there():
    sources = [{**SOURCE, "alias": alias} for alias in ("a", "b")]
    each = [{**SOURCE, "alias": alias, "each": True} for alias in ("c", "d")]
    mapping = [{"path": [alias], "value": {"source": "DATASOURCE", "alias": alias, "path": []}} for alias in "abcd"]
    player = FamilyPlayer(
        a_plan(BATCH, sub={"settings": {"sources": [*sources, *each], "mapping": mapping}}),
        {"items": list(range(12))},
        lambda call: [call.alias, call.item],
        portion=1,
    )
    player.work()

    assert inputs(player) == [
        {"a": ["a", None], "b": ["b", None], "c": ["c", item], "d": ["d", item]} for item in range(12)
    ]
    fetched = [
        (entry.data["alias"], entry.data.get("item")) for entry in player.entries if entry.type == "DATA_FETCHED"
    ]
    assert len(fetched) == len(set(fetched)) == 2 + 24
    assert player.most_data == 1  # a child starts as soon as its own data is there


def test_params_do_not_see_what_was_fetched_beside_them():
    sources = [
        {**SOURCE, "alias": "a"},
        {**SOURCE, "alias": "b", "params": {"object": {"x": {"expression": "__datasources__"}}}},
    ]
    asked = []
    player = FamilyPlayer(
        a_plan(BATCH, sub={"settings": {"sources": sources}}),
        {"items": [1]},
        lambda call: asked.append(call.params),
        portion=1,
    )
    player.work()

    assert asked == [{}, {"x": {}}]


def test_families_side_by_side_hold_no_more_than_the_limit_together():
    source = {"settings": {"sources": [{**SOURCE, "alias": str(n)} for n in range(3)]}}
    player = FamilyPlayer(
        a_plan("start > ps; ps > sub, sub2; sub > pj; sub2 > pj; pj > end", sub=source, sub2=source),
        {"items": [1]},
        lambda call: "x" * 200_000,
    )
    player.work()

    assert player.entries[-1].data["error"]["code"] == "DATA_SOURCE_TOO_LARGE"
    assert len(player.state.to_json()) < MAX_STATE * 1.2


def test_an_input_that_is_too_large_is_that_childs_failure():
    big = "x" * 100_000
    mapping = [{"path": [name], "value": {"source": "EACH", "path": []}} for name in "abc"]
    player = a_batch([1, big], mapping=mapping, tolerated={"count": 1})

    assert player.children[1].status == "FAILED_TO_START"
    assert player.children[1].order.error["code"] == "INPUT_TOO_LARGE"
    assert player.state.open["sub/1"].children.open == (0,)


def test_the_ledger_and_the_json_tell_the_whole_state():
    player = a_batch([1, 2, 3], concurrency=2)
    player.end(player.running[0])
    player.end(player.running[0], "FAILED")

    assert fold(player.entries) == player.state
    assert State.from_json(player.state.to_json()) == player.state
