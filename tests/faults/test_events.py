"""Events raced against what they meet, on two servers and two workers: the soak in small. `make soak` is the whole."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time

import pytest

from service.embedded.processes import Process, Program
from soak import planning
from soak.herd import Herd
from soak.journal import Journal
from soak.soaking import RACES, Soak
from tests.end_to_end.api import Api, status
from tests.end_to_end.definitions import definition

ROUNDS = 10


@pytest.fixture
def herd(session_home, fresh_database, temporal_address):
    """Two servers, two workers and a worker for the tasks, on a database of their own; gives them and its url."""
    database = fresh_database()
    tasks = (sys.executable, "-m", "bench.bare", "tasks", temporal_address)
    worker = Process(Program("task worker", tasks, session_home / "soak-tasks.log"))
    herd = Herd(session_home, database, temporal_address, queue=f"soak-{secrets.token_hex(4)}")
    try:
        herd.start()
        yield herd, database
    finally:
        herd.end()
        worker.end()


def test_events_in_races_are_taken_once_and_leave_nothing_behind(herd, temporal_address, tmp_path):
    running, database = herd
    soak = Soak(running, database, temporal_address, Journal(tmp_path / "journal"), seed=7, patience=20)

    for kind in RACES:
        soak.race(kind, ROUNDS)
    soak.storm(3, 5, kills=False)

    soak.close()
    assert soak.findings.all == []


def test_a_seed_repeats_the_plan_and_more_races_begin_with_the_same():
    for kind in RACES:
        assert planning.rounds(1, kind, 0, 50)[:20] == planning.rounds(1, kind, 0, 20)
        assert planning.rounds(1, kind, 20, 30) == planning.rounds(1, kind, 0, 50)[20:]
        assert planning.rounds(1, kind, 0, 20) != planning.rounds(2, kind, 0, 20)
    assert planning.storm(1, 0, 5, 4) == planning.storm(1, 0, 5, 4)
    assert planning.kills(1, 0, (1.0, 4.0)) == planning.kills(1, 0, (1.0, 4.0))


def test_an_event_for_a_wait_whose_worker_died_on_writing_it_is_not_refused(
    own_heddle, start_process, session_home, workspace, sink
):
    heddle = own_heddle()
    heddle.worker.kill9()
    variables = {"HEDDLE_HOME": str(session_home), "HEDDLE_DATABASE_URL": heddle.settings.database_url}
    variables |= {"HEDDLE_TEMPORAL_ADDRESS": heddle.settings.temporal_address}
    variables |= {"HEDDLE_TASK_QUEUE": heddle.settings.task_queue}
    command = (sys.executable, "-m", "tests.faults.dying", "work")
    dying = Process(Program("dying worker", command, session_home / "dying.log", {**os.environ, **variables}))
    api = Api(heddle.channel, workspace)
    id = api.start(
        definition(
            "start > task; task > wait; wait > end",
            task={"task": "effect", "taskQueue": workspace},
            wait={"type": "event.wait", "pattern": "paid"},
        )
    ).execution.id
    api.await_that(id, lambda _: "wait" in api.open(id))

    publish = threading.Thread(target=lambda: api.call("PublishEvent", event_id="e", name="paid", timeout=30))
    publish.start()
    time.sleep(0.5)  # so that the next worker finds the event's update waiting
    start_process("work", heddle)
    publish.join()

    dying.kill9()
    assert status(api.await_end(id, timeout=30)) == "COMPLETED"
    assert dict(sink.effects) == {f"{id}/task/1": 1}
