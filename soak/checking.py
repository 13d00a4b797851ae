"""The count at the end: what stands in the database against what clients did and what the ledger tells.

The ledger is the word of the workflow, the only judge of an event; so it is read here entry by entry, and by none of
the code that is under test. Everything else has to agree with it.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2

from soak.definitions import NAME
from soak.findings import Findings
from soak.journal import Journal

Place = tuple[str, int]
"""A step and its visit."""

ENDS = {"EXECUTION_COMPLETED": "COMPLETED", "EXECUTION_FAILED": "FAILED", "EXECUTION_CANCELLED": "CANCELLED"}
CLOSES = {
    "STEP_COMPLETED": "COMPLETED",
    "STEP_FAILED": "FAILED",
    "STEP_SKIPPED": "SKIPPED",
    "STEP_CANCELLED": "CANCELLED",
}


@dataclass(slots=True)
class Story:
    """What the ledger tells of one execution."""

    id: str
    numbers: list[int] = field(default_factory=list)
    status: str = ""  # empty: it goes on
    key: str = ""  # of its input
    runs: dict[Place, str] = field(default_factory=dict)
    closed: Counter[Place] = field(default_factory=Counter)
    waits: set[Place] = field(default_factory=set)  # those that are open
    taken: list[tuple[str, Place]] = field(default_factory=list)  # events, each with what took it
    ends: int = 0

    def add(self, entry: dict[str, Any]) -> None:
        """Take in the next entry."""
        type, data = entry["type"], entry["data"]
        place = (entry["step_id"], entry["visit"])
        self.numbers.append(entry["number"])
        if type == "EXECUTION_STARTED":
            self.key = data["input"].get("key", "")
        elif type in ENDS:
            self.status = ENDS[type]
            self.ends += 1
            self.waits.clear()
        elif type in CLOSES:
            self.runs[place] = CLOSES[type]
            self.closed[place] += 1
            self.waits.discard(place)
        elif type == "STEP_STARTED":
            self.runs[place] = data["status"]
        if "wait" in data:
            self.waits.add(place)
        if data.get("event"):
            self.taken.append((data["event"], place))


@dataclass(slots=True)
class Stored:
    """What else the database holds of one workspace."""

    stories: dict[str, Story]
    executions: dict[str, tuple[str, int]]  # status and last number
    runs: dict[str, dict[Place, str]]  # statuses by execution
    waits: dict[str, dict[Place, datetime]]  # since when events count, by execution
    deliveries: dict[str, list[tuple[str, Place, str, str]]]  # event, place, status and reason, by execution
    events: dict[str, list[tuple[str, datetime]]]  # payload and time; more than one of an id is a finding
    by_key: dict[str, list[str]]  # ids of events by their key


UNSETTLED = """
    SELECT 'a delivery is pending', execution_id || ' ' || event_id || ' ' || reason FROM deliveries
        WHERE workspace = %(workspace)s AND status = 'PENDING'
    UNION ALL SELECT 'nobody has looked whom it concerns', event_id FROM events
        WHERE workspace = %(workspace)s AND match_after IS NOT NULL
    UNION ALL SELECT 'nobody has looked what came before its wait', execution_id FROM waits
        WHERE workspace = %(workspace)s AND check_after IS NOT NULL
    UNION ALL SELECT 'it has not been launched', id FROM executions
        WHERE workspace = %(workspace)s AND status = 'CREATED'
"""
"""What a server has yet to do, and by whom it is meant to be done."""

_OF = "FROM executions WHERE workspace = %(workspace)s"
LEDGER = "SELECT execution_id, entries FROM ledger WHERE workspace = %(workspace)s ORDER BY execution_id, first_number"
OPEN = "SELECT id FROM executions WHERE workspace = %(workspace)s AND status IN ('CREATED', 'STARTED')"


def settle(database: str, workspace: str, patience: float) -> float:
    """Wait until nothing is left to do and every execution has ended, or it takes too long; gives the seconds."""
    began = time.monotonic()
    with closing(psycopg2.connect(database)) as connection:
        connection.autocommit = True
        while time.monotonic() - began < patience:
            if not any(_rows(connection, sql, workspace) for sql in (UNSETTLED, OPEN)):
                break
            time.sleep(0.1)
    return time.monotonic() - began


def count(database: str, workspace: str, journal: Journal, findings: Findings) -> Stored:
    """Compare everything about a workspace, and note what went wrong."""
    with closing(psycopg2.connect(database)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        stored = _load(connection, workspace)
        for what, about in _rows(connection, UNSETTLED, workspace):
            findings.add("stuck", about, what)
    calls = [call for call in journal.calls if call["workspace"] == workspace]
    for story in stored.stories.values():
        _check_ledger(story, stored, findings)
        _check_waits(story, stored, findings)
        _check_deliveries(story, stored, findings)
    _check_events(stored, findings)
    _check_calls(stored, calls, findings)
    return stored


def _load(connection: Any, workspace: str) -> Stored:
    executions = {
        id: (status, last) for id, status, last in _rows(connection, f"SELECT id, status, last_number {_OF}", workspace)
    }
    stories = {id: Story(id) for id in executions}
    for id, entries in _rows(connection, LEDGER, workspace):
        for entry in json.loads(entries):
            stories[id].add(entry)
    events = _events(connection, workspace)
    by_key = defaultdict(list)
    for event_id, rows in events.items():
        by_key[json.loads(rows[0][0])["key"]].append(event_id)
    return Stored(
        stories,
        executions,
        _by_execution(connection, "SELECT execution_id, step_id, visit, status FROM step_runs", workspace),
        _by_execution(connection, "SELECT execution_id, step_id, visit, since FROM waits", workspace),
        _deliveries(connection, workspace),
        events,
        by_key,
    )


def _by_execution(connection: Any, select: str, workspace: str) -> dict[str, dict[Place, Any]]:
    found: dict[str, dict[Place, Any]] = defaultdict(dict)
    for id, step_id, visit, value in _rows(connection, f"{select} WHERE workspace = %(workspace)s", workspace):
        found[id][step_id, visit] = value
    return found


def _deliveries(connection: Any, workspace: str) -> dict[str, list[tuple[str, Place, str, str]]]:
    sql = (
        "SELECT execution_id, event_id, step_id, visit, status, reason FROM deliveries WHERE workspace = %(workspace)s"
    )
    found = defaultdict(list)
    for id, event_id, step_id, visit, status, reason in _rows(connection, sql, workspace):
        found[id].append((event_id, (step_id, visit), status, reason))
    return found


def _events(connection: Any, workspace: str) -> dict[str, list[tuple[str, datetime]]]:
    sql = "SELECT event_id, payload, publish_time FROM events WHERE workspace = %(workspace)s AND name = %(name)s"
    found = defaultdict(list)
    for event_id, payload, published in _rows(connection, sql, workspace):
        found[event_id].append((payload, published))
    return found


def _check_ledger(story: Story, stored: Stored, findings: Findings) -> None:
    """Numbers without gaps, one end, one end of each step, and rows that are the fold of it."""
    status, last = stored.executions[story.id]
    if len(set(story.numbers)) < len(story.numbers):
        findings.add("doubled", story.id, f"its ledger repeats numbers: {story.numbers}")
    elif story.numbers != list(range(1, last + 1)):
        findings.add("lost", story.id, f"its ledger has gaps, or not {last} entries: {story.numbers}")
    if story.ends > 1:
        findings.add("doubled", story.id, "it ended more than once")
    for place in (place for place, times in story.closed.items() if times > 1):
        findings.add("doubled", story.id, f"step {place} ended {story.closed[place]} times")
    if status not in ((story.status,) if story.status else ("CREATED", "STARTED")):
        findings.add("contradicted", story.id, f"it is {status}, but {story.status or 'open'} by its ledger")
    for place, told in story.runs.items():
        if (kept := stored.runs[story.id].get(place)) != told:
            findings.add("contradicted", story.id, f"step {place} is {kept}, but {told} by the ledger")


def _check_waits(story: Story, stored: Stored, findings: Findings) -> None:
    """Every open wait has its row and no other has one, and none is open for an event that is there."""
    rows = stored.waits[story.id]
    for place in story.waits - set(rows):
        findings.add("lost", story.id, f"step {place} waits, but no event would find it")
    for place in set(rows) - story.waits:
        findings.add("stuck", story.id, f"the wait of step {place} is over, but events still find it")
    taken = {event for event, _ in story.taken}
    is_found = False
    for place in story.waits:
        for event_id in stored.by_key[story.key]:
            if event_id not in taken and (place not in rows or stored.events[event_id][0][1] >= rows[place]):
                told = [
                    f"{status} {reason}".strip()
                    for event, to, status, reason in stored.deliveries[story.id]
                    if (event, to) == (event_id, place)
                ]
                if "PENDING" in " ".join(told):
                    is_found = True  # it counts as stuck already
                    continue
                message = f"step {place} waits for event {event_id}, which is there; its delivery: {told or 'none'}"
                findings.add("lost", story.id, message)
                is_found = True
    if not story.status and not is_found:
        findings.add("stuck", story.id, f"it has not ended; it waits at {sorted(story.waits)}")


def _check_deliveries(story: Story, stored: Stored, findings: Findings) -> None:
    """What deliveries say was taken is what the ledger says, and no event is taken twice."""
    deliveries = stored.deliveries[story.id]
    for event_id, times in Counter(event for event, _ in story.taken).items():
        if times > 1:
            findings.add("doubled", story.id, f"it took event {event_id} {times} times")
    for (event_id, place), times in Counter((event, place) for event, place, _, _ in deliveries).items():
        if times > 1:
            findings.add("doubled", story.id, f"event {event_id} was paired {times} times with step {place}")
    consumed = {(event, place) for event, place, status, _ in deliveries if status == "CONSUMED"}
    for event_id, place in consumed - set(story.taken):
        findings.add("contradicted", story.id, f"event {event_id} counts as taken by {place}; its ledger knows nothing")
    for event_id, place in set(story.taken) - consumed:
        findings.add("contradicted", story.id, f"step {place} took event {event_id}; its delivery does not say so")


def _check_events(stored: Stored, findings: Findings) -> None:
    for event_id, rows in stored.events.items():
        if len(rows) > 1:
            findings.add("doubled", event_id, f"it is stored {len(rows)} times")


def _check_calls(stored: Stored, calls: Sequence[dict[str, Any]], findings: Findings) -> None:
    """Every call that was answered has had its effect, once."""
    started = Counter(story.key for story in stored.stories.values())
    sent = Counter(call["key"] for call in calls if call["method"] == "StartExecution")
    for key in (key for key, number in started.items() if number > sent[key]):
        findings.add("doubled", key, f"{sent[key]} starts made {started[key]} executions")
    for call in calls:
        answer = call["answer"]
        if call["method"] == "StartExecution" and answer is not None and answer not in stored.stories:
            findings.add("lost", call["key"], f"execution {answer} was started, and is not there")
        if call["method"] == "PublishEvent" and isinstance(answer, dict):
            _check_publishing(stored, call, answer, findings)
        if call["method"] == "CancelExecution" and answer is not None and call["execution"] in stored.executions:
            status = stored.executions[call["execution"]][0]
            if status != ("CANCELLED" if answer == "OK" else "COMPLETED"):
                findings.add("contradicted", call["execution"], f"its cancelling was answered {answer}, it is {status}")


def _check_publishing(stored: Stored, call: dict[str, Any], answer: dict[str, Any], findings: Findings) -> None:
    rows = stored.events.get(call["event"], [])
    if not rows:
        findings.add("lost", call["event"], "it was published, and is not there")
    elif json.loads(rows[0][0]) != {"key": call["key"], "note": call["note"]}:
        findings.add("lost", call["event"], "it was published, and another content is there")
    for execution_id, step_id, visit in answer["taken"]:
        story = stored.stories.get(execution_id)
        if story is None or (call["event"], (step_id, visit)) not in story.taken:
            findings.add("contradicted", execution_id, f"a publisher was told that it took event {call['event']}")


def _rows(connection: Any, sql: str, workspace: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"workspace": workspace, "name": NAME})
        return list(cursor.fetchall())
