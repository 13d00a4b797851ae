"""A worker dies when it has written the ledger and before Temporal has its word; then something else comes first."""

from __future__ import annotations

import threading
import time
from collections import Counter

from service.engine.entries import Entry
from service.engine.folding import fold
from service.engine.observations import EventDelivered, StepCompleted
from service.engine.run import Refused
from service.gateway import WorkflowEnded
from tests.end_to_end.api import status
from tests.end_to_end.definitions import definition

EVENT = {
    "eventId": "e", "pattern": "paid", "version": "1", "source": "", "timestamp": "", "payload": {}, "metadata": {}
}  # fmt: skip
WAIT = {"type": "event.wait", "pattern": "paid"}


def call(id: str) -> dict[str, str]:
    return {"id": id, "method": "CompleteStep", "digest": "d"}


def test_what_a_dead_worker_has_written_is_what_happened(scene, start_process, sink, monkeypatch):
    api = scene.api
    signalled = scene.start("start > ps; ps > task, wait; task > a; wait > b; a > pj; b > pj; pj > end", wait=WAIT)
    asked = scene.start(
        "start > ps; ps > task, ask; task > a; ask > xs; xs > ask if __steps__.ask.again, b; a > pj; b > pj; pj > end"
    )
    refused = scene.start("start > ps; ps > task, ask; task > no; ask > end", no={"type": "fail", "code": "NO"})
    quiet = scene.start("start > task; task > timer; timer > task_2; task_2 > end", timer={"duration": "PT0.3S"})
    busy = scene.start("start > ps; ps > task, wait; task > a; wait > task_2; a > pj; task_2 > pj; pj > end", wait=WAIT)
    ids = [signalled, asked, refused, quiet, busy]

    scene.die(len(ids))
    written = {id: api.ledger(id) for id in ids}
    for id in ids:
        assert scene.early[id].last_number < written[id][-1]["number"]
    scene.signal(signalled, EventDelivered("wait", 1, EVENT))
    scene.signal(busy, EventDelivered("wait", 1, EVENT))
    taken = scene.bring(asked, StepCompleted("ask", output={"again": True}, request=call("c1")))
    late = scene.bring(refused, StepCompleted("ask", request=call("c2")))
    reader = threading.Thread(target=lambda: api.complete(signalled, "a"))  # open in what was written
    reader.start()
    time.sleep(0.5)  # so that the next worker finds them waiting
    start_process("work", scene.heddle)
    for told in (taken, late):
        told.thread.join()
    reader.join()

    assert not taken.error
    assert [type(error) for error in late.error] in ([Refused], [WorkflowEnded])
    assert status(api.await_end(refused)) == "FAILED"
    assert ("ask", 1, "CANCELLED") in api.runs(refused)
    assert sorted(api.open(asked)) == ["a", "ask"]
    assert [visit for step, visit, _ in api.runs(asked) if step == "ask"] == [1, 2]
    api.complete(asked, "ask", {"again": False})
    api.await_that(signalled, lambda _: api.open(signalled) == ["b"])
    for id, steps in ((asked, "ab"), (signalled, "b"), (busy, "a")):
        for step in steps:
            api.complete(id, step)
    for id in (asked, signalled, busy, quiet):
        assert status(api.await_end(id)) == "COMPLETED"

    for id in ids:
        ledger = api.ledger(id)
        assert ledger[: len(written[id])] == written[id]
        assert [entry["number"] for entry in ledger] == list(range(1, len(ledger) + 1))
        ends = Counter(
            (entry["step_id"], entry["visit"]) for entry in ledger if entry["type"] in ("STEP_COMPLETED", "STEP_FAILED")
        )
        assert set(ends.values()) == {1}
        assert fold(Entry.from_dict(entry) for entry in ledger) == scene.state(id, monkeypatch)
    assert sink.effects == Counter([*(f"{id}/task/1" for id in ids), f"{quiet}/task_2/1", f"{busy}/task_2/1"])


def test_what_the_first_workflow_task_has_written_is_no_reason_to_give_up(scene, start_process):
    """The next attempt begins so late that it asks whether the execution is still wanted."""
    api = scene.api
    waits = {"task": WAIT}
    ended = api.start(definition("start > task; task > end", **waits)).execution.id
    open_ = api.start(definition("start > task; task > a; a > end", **waits)).execution.id
    for id in (ended, open_):
        scene.read(id)
        scene.signal(id, EventDelivered("task", 1, EVENT))
    scene.die(2, DYING_PROMPT="1")
    written = {id: api.ledger(id) for id in (ended, open_)}
    assert [status(api.execution(id)) for id in written] == ["COMPLETED", "STARTED"]

    start_process("work", scene.heddle)

    api.complete(open_, "a")
    assert [scene.fate(id) for id in written] == ["COMPLETED", "COMPLETED"]
    for id, before in written.items():
        ledger = api.ledger(id)
        assert ledger[: len(before)] == before
        assert [entry["number"] for entry in ledger] == list(range(1, len(ledger) + 1))
