"""Writing the ledger: once, in order, by one writer, and what readers then see."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from service.domain.execution import Execution
from service.engine.advancing import phase
from service.engine.entries import Entry
from service.engine.folding import fold
from service.engine.observations import Cancelled, Lost, Retried, StepCompleted
from service.launching import FirstMoves, create
from service.recording import Diverged, NotTheWriter, record, writing
from storage import database, executions, ledger, step_runs
from storage.database import query
from tests.engine.graphs import NOW, Player, a_plan

PLAN = a_plan("start > a; a > b; b > c; c > end")


@pytest.fixture(autouse=True)
def connected(database_url):
    database.connect(database_url)


@pytest.fixture
def a_version(workspace):
    query("INSERT INTO plans VALUES (%s, %s, %s)", (workspace, PLAN.digest, PLAN.to_json()))
    query(
        "INSERT INTO templates (workspace, id, key, name, description, create_time, update_time) "
        "VALUES (%s, 't', 't', 't', '', now(), now())",
        (workspace,),
    )
    query(
        "INSERT INTO versions (workspace, id, template_id, number, label, note, status, dialect, definition, digest, "
        "plan_digest, create_time, update_time) "
        "VALUES (%s, 'v', 't', 1, '1', '', 'PUBLISHED', 'graph', '{}', '', %s, now(), now())",
        (workspace, PLAN.digest),
    )


@pytest.fixture
def started(workspace, a_version):
    """An execution whose first moves are stored, and the player that made them."""

    def start(id="e1", input=None, **fields):
        player = Player(PLAN, input)
        execution = replace(an_execution(workspace, id), input=json.dumps(input), **fields)
        stored = create(execution, PLAN, FirstMoves(player.state, list(player.entries)))
        player.written = len(player.entries)
        return player, stored

    return start


def an_execution(workspace, id):
    return Execution(
        workspace=workspace, id=id, request_id=f"request-{id}", request_digest="d", name="n", template_id="t",
        version_id="v", plan_digest=PLAN.digest, status="CREATED", phase="NONE", input="null", output=None, error=None,
        parent_id=None, root_id=id, correlation_id="", subject_type="", subject_id="", entity_type="", entity_id="",
        last_number=0, revision=1, create_time=NOW, start_time=None, end_time=None, update_time=NOW,
        launch_after=None, launch_attempts=0, launch_error=None,
    )  # fmt: skip


def write(workspace, player, entries=None):
    """Write what the player has not written yet."""
    entries = player.entries[player.written :] if entries is None else entries
    record(workspace, "e1", entries, phase(PLAN, player.state), NOW)


def stored_entries(workspace):
    return [Entry.from_dict(document) for document in ledger.entries(workspace, "e1", after=0, limit=1_000)]


def test_a_created_execution_shows_its_first_open_steps(workspace, started):
    started()

    execution = executions.get(workspace, "e1")
    assert (execution.status, execution.phase, execution.last_number) == ("CREATED", "WAITING_FOR_INPUT", 3)
    assert [(run.step_id, run.status) for run in step_runs.of_execution(workspace, "e1")] == [
        ("start", "COMPLETED"),
        ("a", "WAITING"),
    ]


def test_a_request_id_starts_one_execution(workspace, started):
    started()

    _, second = started("e2", request_id="request-e1")

    assert second is None
    assert executions.by_request(workspace, "request-e1").id == "e1"
    assert executions.get(workspace, "e2") is None
    assert not step_runs.of_execution(workspace, "e2")


def test_the_stored_ledger_rebuilds_the_state(workspace, started):
    player, _ = started(input={"x": 1})
    player.complete("a", output={"y": "ü"})
    write(workspace, player)

    assert fold(stored_entries(workspace)) == player.state


def test_writing_the_same_entries_again_changes_nothing(workspace, started):
    player, _ = started()
    player.complete("a")
    write(workspace, player)
    before = executions.get(workspace, "e1")

    write(workspace, player)

    assert executions.get(workspace, "e1") == before
    assert stored_entries(workspace) == player.entries


def test_a_write_that_overlaps_an_earlier_one_adds_only_what_is_new(workspace, started):
    player, _ = started()
    player.complete("a")
    write(workspace, player)
    player.complete("b")

    write(workspace, player)

    assert stored_entries(workspace) == player.entries


def test_the_same_write_from_many_sides_happens_once(workspace, started):
    player, _ = started()
    player.complete("a", "b")
    threads = [threading.Thread(target=write, args=(workspace, player)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert stored_entries(workspace) == player.entries
    assert executions.get(workspace, "e1").revision == 2


def test_a_write_with_a_gap_is_refused(workspace, started):
    player, _ = started()
    player.complete("a", "b")

    with pytest.raises(NotTheWriter):
        write(workspace, player, player.entries[-1:])


def test_nothing_follows_the_end(workspace, started):
    player, _ = started()
    player.see(Cancelled("no more"))
    write(workspace, player)
    more = Entry(player.state.number + 1, player.entries[-1].time, "VARIABLES_CHANGED", data={"variables": {}})

    with pytest.raises(NotTheWriter, match="is CANCELLED"):
        write(workspace, player, [*player.entries[player.written :], more])

    assert executions.get(workspace, "e1").status == "CANCELLED"


def test_who_writes_another_story_than_is_stored_is_told_what_is_stored(workspace, started):
    first, _ = started()
    other = Player(PLAN)
    other.written = first.written
    first.complete("a", output=1)
    write(workspace, first)
    first.complete("b")
    write(workspace, first)
    other.complete("a", output=True)  # which Python takes to be the same

    with pytest.raises(Diverged) as told:
        write(workspace, other)

    assert list(told.value.entries) == first.entries[first.written :]
    assert stored_entries(workspace) == first.entries


def test_entries_differ_by_their_time_alone_and_in_large_values(workspace, started):
    first, _ = started()
    later, larger = Player(PLAN), Player(PLAN)
    later.written = larger.written = first.written
    first.complete("a", output="x" * 10_000)
    write(workspace, first)
    later.wait(0.001)
    later.complete("a", output="x" * 10_000)
    larger.complete("a", output="x" * 9_999 + "y")

    for other in (later, larger):
        with pytest.raises(Diverged):
            write(workspace, other)


def test_a_story_that_begins_as_the_stored_one_does_and_goes_on_otherwise_differs(workspace, started):
    first, _ = started()
    other = Player(PLAN)
    other.written = first.written
    for player in (first, other):
        player.complete("a")
    write(workspace, first)
    first.complete("b")
    write(workspace, first)
    other.see(Cancelled("no more"))
    number = first.state.number

    with pytest.raises(Diverged) as told:
        write(workspace, other)

    assert [entry.number for entry in told.value.entries] == list(range(first.written + 1, number + 1))
    assert executions.get(workspace, "e1").status == "STARTED"


def test_a_story_that_goes_further_than_what_is_written_again_is_no_other_one(workspace, started):
    player, _ = started()
    player.complete("a")
    short = list(player.entries[player.written :])
    player.complete("b")
    write(workspace, player)

    write(workspace, player, short)

    assert stored_entries(workspace) == player.entries


def test_an_end_by_somebody_else_is_told(workspace, started):
    player, _ = started()
    ending = Player(PLAN)
    ending.see(Cancelled("no more"))
    record(workspace, "e1", ending.entries[player.written :], "NONE", NOW)
    player.complete("a", "b", "c")

    with pytest.raises(Diverged) as told:
        write(workspace, player)

    assert list(told.value.entries) == ending.entries[player.written :]
    assert executions.get(workspace, "e1").status == "CANCELLED"


def test_what_a_retry_did_is_not_the_story_of_the_try_before(workspace, started):
    player, _ = started()
    failing = Player(PLAN)
    failing.see(Lost("gone"))
    failed = failing.entries[player.written :]
    record(workspace, "e1", failed, "NONE", NOW)
    failing.see(Retried())
    again = failing.entries[player.written + len(failed) :]
    assert executions.reopen(writing(workspace, "e1", again, "WAITING_FOR_INPUT", NOW), "{}", 5.0)
    player.complete("a")

    with pytest.raises(Diverged) as told:
        write(workspace, player)
    assert list(told.value.entries) == failed

    record(workspace, "e1", failed, "NONE", NOW)  # as it is stored
    with pytest.raises(NotTheWriter):
        record(workspace, "e1", [*failed, replace(again[0], data={"other": 1})], "NONE", NOW)


def test_an_execution_that_needs_nobody_is_stored_as_completed(workspace, started):
    player, _ = started()
    player.complete("a", "b", "c")
    write(workspace, player)

    execution = executions.get(workspace, "e1")
    assert (execution.status, execution.phase, execution.output) == ("COMPLETED", "NONE", "null")
    assert execution.end_time is not None
    assert executions.launch_of(workspace, "e1") is None


def test_large_values_stand_once_and_are_read_in_full(workspace, started):
    large = {"text": "ä" * 10_000}
    player, _ = started(input=large)
    player.complete("a", output=large)
    write(workspace, player)

    assert json.loads(executions.get(workspace, "e1").input) == large
    assert json.loads(step_runs.get(workspace, "e1", "a", 1).output) == large
    assert fold(stored_entries(workspace)) == player.state
    bodies = query("SELECT body FROM documents WHERE workspace = %s", (workspace,))
    assert len(bodies) == 2  # as the caller wrote it, and as the ledger does
    assert all(len(text) < 5_000 for (text,) in query("SELECT entries FROM ledger WHERE workspace = %s", (workspace,)))


def test_a_value_that_looks_like_a_mark_is_left_alone(workspace, started):
    tricky = {"output": "sha256:abc", "documents": ["output"]}
    player, _ = started(input=tricky)
    player.complete("a", output="sha256:abc")
    write(workspace, player)

    assert json.loads(step_runs.get(workspace, "e1", "a", 1).output) == "sha256:abc"
    assert fold(stored_entries(workspace)) == player.state


def test_the_request_behind_an_entry_is_remembered_with_it(workspace, started):
    player, _ = started()
    player.see(StepCompleted("a", request={"id": "r1", "method": "CompleteStep", "digest": "x"}))
    write(workspace, player)

    rows = query("SELECT method, digest FROM requests WHERE workspace = %s AND request_id = 'r1'", (workspace,))
    assert rows == [("CompleteStep", "x")]


def test_the_ledger_of_the_database_cannot_be_rewritten(workspace, started):
    started()

    with pytest.raises(database.Violation):
        query("UPDATE ledger SET entries = '[]' WHERE workspace = %s", (workspace,))
