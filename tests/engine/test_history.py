"""The history is the ledger in other words: every type of entry has its events."""

from __future__ import annotations

import pytest

from heddle.v1.history_event_pb2 import HistoryEvent
from service.engine.entries import TYPES, Entry
from service.engine.history import _TELL, Role, events, role_of
from service.engine.observations import TaskFailed
from tests.engine.graphs import Player, a_plan

ERROR = {"code": "X", "message": "no"}
PLAN = [{"id": "a.compensation", "step_id": "a", "visit": 1}]
TABLE = [
    ("EXECUTION_STARTED", {"input": {"a": 1}}, [("WORKFLOW_STARTED", {"input": {"a": 1}})]),
    ("TOKEN_ARRIVED", {"via": "t1"}, []),
    ("STEP_STARTED", {"via": ["t1"], "status": "RUNNING", "input": 7}, [("STEP_STARTED", {"input": 7})]),
    (
        "STEP_STARTED",
        {"via": ["t1"], "status": "WAITING", "due": "2026-01-01T00:00:00+00:00"},
        [("STEP_STARTED", {}), ("STEP_WAITING", {"due": "2026-01-01T00:00:00+00:00"})],
    ),
    ("STEP_STARTED", {"via": ["t1"], "status": "PENDING"}, [("STEP_PARKED", {})]),
    ("STEP_STARTED", {"via": ["t1"], "status": "DISABLED"}, [("STEP_DISABLED", {})]),
    ("STEP_UPDATED", {"status": "DISABLED"}, [("STEP_DISABLED", {})]),
    ("STEP_UPDATED", {"status": "RUNNING", "input": 7}, [("STEP_STARTED", {"input": 7})]),
    ("STEP_OVERDUE", {"due": None}, [("STEP_OVERDUE", {})]),
    ("STEP_ESCALATED", {"due": None, "taken": ["t1"]}, [("STEP_ESCALATED", {})]),
    ("STEP_COMPLETED", {"output": 1, "taken": []}, [("STEP_COMPLETED", {"output": 1})]),
    ("STEP_COMPLETED", {"output": None, "taken": [], "outcome": "OK"}, [("STEP_COMPLETED", {"outcome": "OK"})]),
    (
        "STEP_COMPLETED",
        {"output": 1, "taken": ["t2"], "via": ["t1"]},
        [("STEP_STARTED", {}), ("STEP_COMPLETED", {"output": 1})],
    ),
    (
        "STEP_COMPLETED",
        {"output": 1, "taken": [], "event": "e1"},
        [("EVENT_RECEIVED", {"eventId": "e1"}), ("STEP_COMPLETED", {"output": 1})],
    ),
    ("STEP_FAILED", {"error": ERROR}, [("STEP_FAILED", {"error": ERROR})]),
    ("STEP_FAILED", {"error": ERROR, "via": []}, [("STEP_STARTED", {}), ("STEP_FAILED", {"error": ERROR})]),
    ("STEP_SKIPPED", {"reason": "r"}, [("STEP_SKIPPED", {"reason": "r"})]),
    ("STEP_CANCELLED", {"reason": "r"}, [("STEP_CANCELLED", {"reason": "r"})]),
    (
        "ATTEMPT_FAILED",
        {"error": ERROR, "due": "2026"},
        [("STEP_ATTEMPT_FAILED", {"error": ERROR, "nextAttemptTime": "2026"})],
    ),
    ("ATTEMPT_STARTED", {}, [("STEP_RETRIED", {})]),
    ("DATA_FETCHED", {"alias": "a", "value": 1}, []),
    ("CHILDREN_PLANNED", {"items": 2}, []),
    ("CHILDREN_STARTED", {"items": [0, 1]}, [("CHILDREN_STARTED", {"items": [0, 1]})]),
    (
        "CHILD_ENDED",
        {"item": 0, "id": "c", "status": "COMPLETED", "size": 2},
        [("CHILD_ENDED", {"item": 0, "id": "c", "status": "COMPLETED"})],
    ),
    ("EXECUTION_COMPLETED", {"output": {"b": 2}}, [("WORKFLOW_COMPLETED", {"output": {"b": 2}})]),
    ("EXECUTION_FAILED", {"error": ERROR}, [("WORKFLOW_FAILED", {"error": ERROR})]),
    ("EXECUTION_CANCELLED", {"reason": ""}, [("WORKFLOW_CANCELLED", {})]),
    (
        "EXECUTION_CANCELLED",
        {"reason": "r", "source": "EVENT", "by": "ann", "event": "e", "compensation": PLAN},
        [
            ("WORKFLOW_CANCELLED", {"reason": "r", "source": "EVENT", "requestedBy": "ann", "eventId": "e"}),
            ("COMPENSATION_STARTED", {"plan": PLAN}),
        ],
    ),
    ("EXECUTION_RETRIED", {}, [("WORKFLOW_RETRIED", {})]),
    ("WAIT_CHANGED", {"wait": {"pattern": "p"}}, []),
    ("VARIABLES_CHANGED", {"variables": {"a": 1}}, [("VARIABLES_CHANGED", {"variables": {"a": 1}})]),
    (
        "EXECUTION_COMPENSATED",
        {"status": "COMPLETED", "failed": []},
        [("COMPENSATION_COMPLETED", {"status": "COMPLETED", "failed": []})],
    ),
]

NO_COMPENSATION = ("STEP_OVERDUE", "STEP_ESCALATED")
KINDS = set(HistoryEvent.Type.keys())


def told(entry: Entry, role: Role = Role.STEP) -> list[tuple[str, dict]]:
    return [(event.type, event.details) for event in events(entry, role)]


@pytest.mark.parametrize(("type", "data", "expected"), TABLE)
def test_an_entry_is_told_as_the_table_says(type, data, expected):
    assert told(Entry(3, "2026-01-01T00:00:00Z", type, "a", 1, 1, data)) == expected


def test_every_type_of_entry_is_told():
    assert {type for type, _, _ in TABLE} == set(TYPES) == set(_TELL)


@pytest.mark.parametrize("role", [Role.STEP, Role.COMPENSATION])
@pytest.mark.parametrize(("type", "data", "expected"), TABLE)
def test_every_event_has_its_type_in_the_api(type, data, expected, role):
    if role is Role.COMPENSATION and (not type.startswith(("STEP_", "ATTEMPT_")) or type in NO_COMPENSATION):
        return
    for told_type, _ in told(Entry(3, "2026-01-01T00:00:00Z", type, "a", 1, 1, data), role):
        if role is Role.STEP or told_type.startswith("COMPENSATION"):
            assert f"TYPE_{told_type}" in KINDS


def test_an_event_says_where_it_came_from():
    (event,) = events(Entry(3, "2026-01-01T00:00:00Z", "ATTEMPT_STARTED", "a", 2, 5, {}), Role.STEP)

    assert (event.number, event.time, event.step_id, event.visit, event.attempt) == (
        3,
        "2026-01-01T00:00:00Z",
        "a",
        2,
        5,
    )


def history(player: Player) -> list[str]:
    return [
        f"{event.type} {event.step_id}".strip()
        for entry in player.entries
        for event in events(entry, role_of(player.plan, entry.step_id))
    ]


def test_b1_the_start_and_the_end_are_no_steps_of_the_history():
    player = Player(a_plan("start > task_a; task_a > xs; xs > b if true, end; b > end"), None)
    player.see(TaskFailed("task_a/1", 1, {"code": "T", "message": "t", "category": "TRANSIENT", "retriable": True}))
    player.answer()
    player.answer(1)
    player.complete("b")

    assert history(player) == [
        "WORKFLOW_STARTED",
        "STEP_STARTED task_a",
        "STEP_ATTEMPT_FAILED task_a",
        "STEP_RETRIED task_a",
        "STEP_COMPLETED task_a",
        "STEP_STARTED xs",
        "STEP_COMPLETED xs",
        "STEP_STARTED b",
        "STEP_WAITING b",
        "STEP_COMPLETED b",
        "WORKFLOW_COMPLETED",
    ]


def test_steps_that_are_internal_are_left_out():
    player = Player(a_plan("start > task; task > xs; xs > a if false, b; a > end; b > end", xs={"is_internal": True}))
    player.answer()

    told = [event.step_id for entry in player.entries for event in events(entry, role_of(player.plan, entry.step_id))]

    assert "task" in told
    assert "b" in told
    assert "xs" not in told
