"""Lists of executions, step runs and ledger entries: what they have, in which order, and page by page."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.end_to_end.api import Api, entity, status
from tests.end_to_end.definitions import PARALLEL, REVIEW_LOOP, definition

ONE_STEP = definition("start > a; a > end")
LOOP = definition("start > a; a > xs; xs > a if __steps__.a.again, end")
BIG = 250_000


def pages(api: Api, method: str, page_size: int, **fields: Any) -> Iterator[Any]:
    """Get page after page of a list."""
    token = ""
    while True:
        answer = api.call(method, page_size=page_size, page_token=token, **fields)
        yield answer
        token = answer.next_page_token
        if not token:
            return


@pytest.fixture(scope="module")
def reader(heddle) -> Callable[[], Api]:
    """Callers who only read what they have made once, each in a workspace of its own."""
    return lambda: Api(heddle.channel, f"reads-{secrets.token_hex(6)}")


# Executions.


@pytest.fixture(scope="module")
def executions(reader) -> tuple[Api, dict[str, str]]:
    """Executions that differ in what lists are narrowed by; their ids by name, in the order of their start."""
    api = reader()
    first = api.publish(ONE_STEP)
    second = api.publish(PARALLEL, label="2", template_id=first.template_id)
    other = api.publish(definition("start > timer; timer > end", timer={"duration": "PT1H"}))
    api.call("CreateLink", entity=entity("PRODUCT", "p"), template_id=first.template_id)

    def start(**fields: Any) -> str:
        return api.call("StartExecution", **fields).execution.id

    ids = {
        "completed": start(version_id=first.id, correlation_id="order-1"),
        "waiting": start(version_id=second.id, correlation_id="order-1"),
        "cancelled": start(version_id=second.id, correlation_id="order-2", subject={"type": "ORDER", "id": "o-1"}),
        "linked": start(entity=entity("PRODUCT", "p")),
        "timed": start(version_id=other.id),
    }
    api.complete(ids["completed"], "a", {"x": 1})
    api.call("CancelExecution", execution_id=ids["cancelled"])
    return api, ids | {"template": first.template_id, "first": first.id, "second": second.id, "other": other.id}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["timed", "linked", "cancelled", "waiting", "completed"]),
        ({"template_id": "template"}, ["linked", "cancelled", "waiting", "completed"]),
        ({"version_id": "first"}, ["completed"]),
        ({"version_id": "other"}, ["timed"]),
        ({"statuses": ["STATUS_COMPLETED"]}, ["completed"]),
        ({"statuses": ["STATUS_STARTED"]}, ["timed", "linked", "waiting"]),
        ({"statuses": ["STATUS_FAILED"]}, []),
        ({"phase": "PHASE_WAITING_FOR_INPUT"}, ["linked", "waiting"]),
        ({"phase": "PHASE_RUNNING"}, ["timed"]),
        ({"phase": "PHASE_NONE"}, ["cancelled", "completed"]),
        ({"correlation_id": "order-1"}, ["waiting", "completed"]),
        ({"correlation_id": "order-1", "statuses": ["STATUS_STARTED"]}, ["waiting"]),
        ({"correlation_id": "order"}, []),
        ({"entity": entity("PRODUCT", "p")}, ["linked"]),
        ({"entity": entity("PRODUCT", "q")}, []),
        ({"entity": entity("PRODUCT", "p"), "template_id": "template", "phase": "PHASE_WAITING_FOR_INPUT"}, ["linked"]),
        ({"entity": entity("PRODUCT", "p"), "version_id": "first"}, []),
        ({"statuses": ["STATUS_COMPLETED", "STATUS_CANCELLED"]}, ["cancelled", "completed"]),
        ({"statuses": ["STATUS_COMPLETED"], "phase": "PHASE_RUNNING"}, []),
        ({"subject": {"type": "ORDER", "id": "o-1"}}, ["cancelled"]),
        ({"subject": {"type": "ORDER", "id": "o-1"}, "statuses": ["STATUS_STARTED"]}, []),
        ({"template_id": "template", "version_id": "other"}, []),
        ({"root_execution_id": "waiting"}, ["waiting"]),
        ({"root_execution_id": "waiting", "statuses": ["STATUS_COMPLETED"]}, []),
        ({"parent_execution_id": "waiting"}, []),
    ],
)
def test_executions_are_listed_newest_first_by_every_filter(executions, fields, expected):
    api, ids = executions
    wanted = {name: ids.get(value, value) if isinstance(value, str) else value for name, value in fields.items()}

    found = api.call("ListExecutions", **wanted).executions

    names = {id: name for name, id in ids.items()}
    assert [names[execution.id] for execution in found] == expected


def test_executions_are_listed_by_the_time_of_their_creation(executions):
    api, ids = executions
    at = {name: api.execution(ids[name]).create_time for name in ("completed", "waiting", "cancelled", "timed")}

    def listed(**bounds):
        found = api.call("ListExecutions", **{f"create_time_{name}": time for name, time in bounds.items()}).executions
        return [next(name for name, id in ids.items() if id == execution.id) for execution in found]

    assert listed(after=at["cancelled"]) == ["timed", "linked", "cancelled"]
    assert listed(before=at["cancelled"]) == ["waiting", "completed"]
    assert listed(after=at["waiting"], before=at["timed"]) == ["linked", "cancelled", "waiting"]
    assert listed(after=at["timed"], before=at["timed"]) == []
    at["cancelled"].nanos += 1  # finer than any record
    assert listed(after=at["cancelled"]) == ["timed", "linked"]
    assert listed(before=at["cancelled"]) == ["cancelled", "waiting", "completed"]


def test_lists_leave_large_values_to_those_who_get_one(api):
    id = api.start(ONE_STEP, {"x": "y" * 5_000}).execution.id
    api.complete(id, "a", {"x": 1})

    (listed,) = api.call("ListExecutions").executions
    got = api.execution(id)

    assert (listed.input_json, listed.HasField("output_json")) == ("", False)
    assert (json.loads(got.input_json), got.output_json) == ({"x": "y" * 5_000}, "null")
    got.input_json = ""
    got.ClearField("output_json")
    assert listed == got


def test_an_input_is_kept_byte_for_byte(api):
    version = api.publish(ONE_STEP)
    text = '{ "b" : 1.0e2, "a":9007199254740993,\n"ü":"\\u00fc" }'

    id = api.call("StartExecution", version_id=version.id, input_json=text).execution.id

    assert api.execution(id).input_json == text


def test_paging_gives_every_execution_once_while_new_ones_come(api):
    version = api.publish(ONE_STEP)
    before = [api.start(version).execution.id for _ in range(11)]
    stopping = threading.Event()

    def start_more() -> None:
        while not stopping.is_set():
            api.start(version)

    more = threading.Thread(target=start_more)
    more.start()
    try:
        found = [page.executions for page in pages(api, "ListExecutions", 3)]
    finally:
        stopping.set()
        more.join()

    ids = [execution.id for page in found for execution in page]
    assert len(ids) == len(set(ids))
    assert [id for id in ids if id in before] == before[::-1]
    assert {len(page) for page in found[:-1]} == {3}


def test_a_page_has_fifty_items_and_at_most_two_hundred(api):
    version = api.publish(definition("start > end"))
    for _ in range(201):
        api.start(version)

    sizes = [
        [len(page.executions) for page in pages(api, "ListExecutions", asked)]
        for asked in (0, 100, 200, 201, 2**31 - 1)
    ]

    assert sizes == [[50] * 4 + [1], [100, 100, 1], [200, 1], [200, 1], [200, 1]]


# Step runs.


@pytest.fixture(scope="module")
def reviewed(reader) -> tuple[Api, str]:
    """An execution that has gone through a loop once and waits."""
    api = reader()
    id = api.start(REVIEW_LOOP).execution.id
    for step, output in [("questionnaire", None), ("approve", {"issueFound": True}), ("questionnaire", None)]:
        api.complete(id, step, output)
    return api, id


REVIEWED = [
    ("start", 1, "COMPLETED"),
    ("questionnaire", 1, "COMPLETED"),
    ("approve", 1, "COMPLETED"),
    ("xs", 1, "COMPLETED"),
    ("questionnaire", 2, "COMPLETED"),
    ("approve", 2, "WAITING"),
]
NOT_REACHED = [("file", 0, "PENDING"), ("end", 0, "PENDING")]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, REVIEWED),
        ({"step_id": "questionnaire"}, [REVIEWED[1], REVIEWED[4]]),
        ({"step_id": "file"}, []),
        ({"step_id": "nowhere"}, []),
        ({"status": "STATUS_WAITING"}, [REVIEWED[5]]),
        ({"step_id": "approve", "status": "STATUS_COMPLETED"}, [REVIEWED[2]]),
        ({"status": "STATUS_PENDING"}, []),
        ({"include_pending": True}, REVIEWED + NOT_REACHED),
        ({"include_pending": True, "status": "STATUS_PENDING"}, NOT_REACHED),
        ({"include_pending": True, "status": "STATUS_WAITING"}, [REVIEWED[5]]),
        ({"include_pending": True, "step_id": "file"}, [NOT_REACHED[0]]),
        ({"include_pending": True, "step_id": "approve"}, [REVIEWED[2], REVIEWED[5]]),
        ({"include_pending": True, "step_id": "nowhere"}, []),
    ],
)
@pytest.mark.parametrize("page_size", [1, 3, 200])
def test_step_runs_are_listed_in_order_by_every_filter(reviewed, fields, expected, page_size):
    api, id = reviewed
    found = [page.step_runs for page in pages(api, "ListStepRuns", page_size, execution_id=id, **fields)]

    assert [(run.step_id, run.visit, status(run)) for page in found for run in page] == expected
    assert all(len(page) <= page_size for page in found)


def test_a_step_that_was_not_reached_has_its_name_and_nothing_else(reviewed):
    api, id = reviewed
    *_, file, _ = api.call("ListStepRuns", execution_id=id, include_pending=True).step_runs

    assert (file.id, file.step_type, file.step_name) == (f"{id}/file/0", "human.confirm", "file")
    assert [field.name for field, _ in file.ListFields()] == [
        "id",
        "execution_id",
        "step_id",
        "status",
        "step_type",
        "step_name",
    ]


def test_a_parked_step_is_pending_too(api):
    parked = definition("start > a; a > end", a={"activationPolicy": {"defaultStatus": "NotStarted"}})
    id = api.start(parked).execution.id

    found = api.call("ListStepRuns", execution_id=id, status="STATUS_PENDING", include_pending=True).step_runs

    assert [(run.step_id, run.visit) for run in found] == [("a", 1), ("end", 0)]


def test_every_step_run_of_a_list_can_be_got_by_its_id(reviewed):
    api, id = reviewed
    for run in api.call("ListStepRuns", execution_id=id).step_runs:
        assert api.call("GetStepRun", step_run_id=run.id).step_run == run


def test_step_runs_show_what_was_given_and_got(api):
    id = api.start(LOOP).execution.id
    api.call("CompleteStep", execution_id=id, step_id="a", outcome="GOOD", output_json='{ "again":false }')

    run = api.call("GetStepRun", step_run_id=f"{id}/a/1").step_run

    assert (run.outcome, json.loads(run.output_json), run.attempt) == ("GOOD", {"again": False}, 1)
    assert run.create_time.ToDatetime() <= run.update_time.ToDatetime() == run.end_time.ToDatetime()


# The ledger.


@pytest.mark.parametrize("page_size", [1, 4, 200])
@pytest.mark.parametrize("after", [0, 1, 5, 99])
def test_the_ledger_is_paged_in_order_from_a_number(reviewed, page_size, after):
    api, id = reviewed
    known = api.execution(id).last_ledger_number

    found = [page.entries for page in pages(api, "ListLedgerEntries", page_size, execution_id=id, after_number=after)]

    assert [entry.number for page in found for entry in page] == list(range(after + 1, known + 1))
    assert {len(page) for page in found[:-1]} <= {page_size}


def test_a_ledger_that_grows_between_pages_goes_on_without_a_gap(api):
    id = api.start(LOOP).execution.id
    numbers = []

    for round, page in enumerate(pages(api, "ListLedgerEntries", 2, execution_id=id)):
        numbers += [entry.number for entry in page.entries]
        if round < 3:
            api.complete(id, "a", {"again": round < 2}, request_id=f"round-{round}")

    assert numbers == list(range(1, api.execution(id).last_ledger_number + 1))


# Values too large to be told all at once.


def test_answers_tell_as_much_as_a_client_takes(api):
    heavy = api.start(LOOP).execution.id
    for _ in range(18):
        answer = api.complete(heavy, "a", {"again": True, "x": "x" * BIG})

    newest = [run.visit for run in answer.step_runs if run.step_id == "a"]
    assert newest == list(range(newest[0], 20))
    assert len(newest) > 4
    ledger = [page.entries for page in pages(api, "ListLedgerEntries", 200, execution_id=heavy)]
    runs = [page.step_runs for page in pages(api, "ListStepRuns", 200, execution_id=heavy, include_pending=True)]
    watched = api.call("WatchExecution", execution_id=heavy)
    last = api.execution(heavy).last_ledger_number
    heard: list[int] = []
    while last not in heard:
        heard += [entry.number for entry in next(watched).entries]
    watched.cancel()

    assert len(ledger) > 1
    assert [entry.number for page in ledger for entry in page] == heard == list(range(1, last + 1))
    assert len(runs) > 1
    visits = [run.visit for page in runs for run in page if run.step_id == "a"]
    assert visits == list(range(1, 20))
