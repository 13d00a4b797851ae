"""What a worker's error becomes: code, category, details, and whether trying again could help."""

from __future__ import annotations

import pytest
from temporalio.exceptions import ApplicationError, CancelledError, TimeoutError, TimeoutType

from service.engine.commands import RunTask
from service.temporal.failures import MAX_DETAILS, as_error

COMMAND = RunTask("pay/1", 1, "pay", "q", None, 30.0, heartbeat=5.0)


def raised(*details, type="CARD_REFUSED", **more):
    found = as_error(ApplicationError("no", *details, type=type, **more), COMMAND)
    return found.pop("category"), found.pop("retriable"), found.pop("details", None), found


@pytest.mark.parametrize(
    ("details", "non_retryable", "category", "retriable", "kept"),
    [
        ((), False, "UNKNOWN", True, None),
        ((), True, "PERMANENT", False, None),
        (({"category": "BUSINESS", "limit": 10},), False, "BUSINESS", False, {"limit": 10}),
        (({"category": "BUSINESS", "retriable": True},), False, "BUSINESS", True, None),
        (({"category": "TRANSIENT"},), False, "TRANSIENT", True, None),
        (({"category": "TRANSIENT", "retriable": False},), False, "TRANSIENT", False, None),
        (({"category": "TRANSIENT"},), True, "TRANSIENT", False, None),
        (({"category": "SYSTEM"},), False, "SYSTEM", True, None),
        (({"category": "TIMEOUT"},), False, "TIMEOUT", True, None),
        (({"category": "PERMANENT"},), False, "PERMANENT", False, None),
        (({"category": "VALIDATION"},), False, "VALIDATION", False, None),
        (({"category": "SECURITY"},), False, "SECURITY", False, None),
        (({"category": "UNKNOWN"},), False, "UNKNOWN", True, None),
        # A word of the worker's own is no category: it stays among the details.
        (({"category": "FURNITURE"},), False, "UNKNOWN", True, {"category": "FURNITURE"}),
        (({"category": ["BUSINESS"]},), False, "UNKNOWN", True, {"category": ["BUSINESS"]}),
        (({"retriable": False},), False, "UNKNOWN", True, {"retriable": False}),
        (("why",), False, "UNKNOWN", True, "why"),
        (({"category": "BUSINESS"}, 2), False, "UNKNOWN", True, [{"category": "BUSINESS"}, 2]),
    ],
)
def test_a_worker_says_category_and_details(details, non_retryable, category, retriable, kept):
    found = raised(*details, non_retryable=non_retryable)

    assert found == (category, retriable, kept, {"code": "CARD_REFUSED", "message": "no"})


@pytest.mark.parametrize(
    ("details", "omitted"),
    [
        ({"text": "a\0b"}, "not JSON that can be kept"),
        ({"n": float("nan")}, "not JSON that can be kept"),
        ("x" * MAX_DETAILS, "the limit is 16,384"),
    ],
)
def test_details_that_cannot_be_kept_are_left_out_with_a_word(details, omitted):
    assert omitted in raised(details)[2]["omitted"]


def test_an_error_has_a_code_and_a_message_that_can_be_kept():
    found = as_error(ApplicationError("a\0" + "b" * 9_000, type="\0" + "C" * 300), COMMAND)

    assert (len(found["code"]), len(found["message"])) == (199, 3_999)
    assert as_error(ApplicationError("no"), COMMAND)["code"] == "TASK_FAILED"


@pytest.mark.parametrize(
    ("cause", "code", "category", "retriable"),
    [
        (TimeoutError("late", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]), "TIMEOUT", "TIMEOUT", True),
        (TimeoutError("late", type=TimeoutType.HEARTBEAT, last_heartbeat_details=[]), "TIMEOUT", "TIMEOUT", True),
        (CancelledError("stopped"), "TASK_CANCELLED", "UNKNOWN", False),
        (ValueError("no JSON"), "RESULT_UNREADABLE", "PERMANENT", False),
    ],
)
def test_what_happens_to_a_task_without_its_worker_has_a_category(cause, code, category, retriable):
    found = as_error(cause, COMMAND)

    assert (found["code"], found["category"], found["retriable"]) == (code, category, retriable)
