"""Events, waits and deliveries on a real database: who finds whom."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest

from service.domain.event import Event
from storage import deliveries, events, waits
from storage.database import query
from tests.domain.records import a_template, a_version
from tests.storage.test_registry import add_execution


@pytest.fixture(autouse=True)
def _connected(connected): ...


@pytest.fixture
def execution(workspace):
    from storage import templates, versions

    templates.add(a_template(workspace=workspace))
    version = a_version(workspace=workspace)
    versions.add(version)
    add_execution(version)
    return "e1"


def an_event(workspace, id="1", name="order.paid", payload=None, **fields):
    now = datetime.now(UTC)
    return Event.published(
        workspace=workspace,
        event_id=id,
        name=name,
        version="",
        source={"type": "", "id": "", "name": ""},
        event_time=None,
        payload=(json.dumps(payload or {}), payload or {}),
        metadata=("{}", {}),
        life=fields.get("life"),
        now=now,
    )


def publish(workspace, id="1", **fields):
    return events.add(an_event(workspace, id, **fields), (f"request-{id}", ""), 10)


def wait(workspace, *, step="wait", visit=1, pattern="order.paid", key=("", ""), look_back=None):
    opened = waits.Opened(step, visit, pattern, *key, look_back)
    part, values = waits.opening(workspace, "e1", [opened])
    query(
        f"WITH e AS (SELECT 1 FROM executions WHERE workspace = %s AND id = 'e1'), {part} SELECT 1 FROM e",
        [workspace, *values],
    )
    return next(one for one in waits.of(workspace, "e1") if (one.step_id, one.visit) == (step, visit))


def before(wait):
    return [event for event, _ in events.before(wait, "", 10)]


def test_an_event_is_stored_once(workspace):
    first = publish(workspace, payload={"a": 1})

    assert publish(workspace, "1") is None
    assert events.get(workspace, "1") == first
    assert events.find(f"{workspace}-b", "1") is None


def test_two_that_publish_the_same_at_once_store_it_once(workspace):
    barrier, stored = threading.Barrier(8), []

    def act(number):
        barrier.wait()
        stored.append(events.add(an_event(workspace), (f"r{number}", ""), 10))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(list(filter(None, stored))) == 1


def test_a_wait_finds_an_event_that_came_before_it(workspace, execution):
    event = publish(workspace)

    assert before(wait(workspace)) == [event]
    assert before(wait(workspace, visit=2, look_back=0)) == []
    assert before(wait(workspace, visit=3, pattern="order.*")) == [event]
    assert before(wait(workspace, visit=4, pattern="*.created")) == []


def test_an_event_that_has_expired_is_not_found(workspace, execution):
    publish(workspace, life=timedelta(seconds=1))
    query("UPDATE events SET expire_time = now() WHERE workspace = %s", (workspace,))

    assert before(wait(workspace)) == []


@pytest.mark.parametrize("value", ["1", "1.0", '"x"', "null", "true", "[1]", '{"b": 1}'])
def test_a_key_finds_events_that_have_the_value_there(workspace, execution, value):
    payload = {"a": {"b": json.loads(value)}}
    event = publish(workspace, payload=payload)
    publish(workspace, "2", payload={"a": {"b": "other"}, "b": json.loads(value)})

    found = before(wait(workspace, key=("payload.a.b", value)))

    assert event in found
    assert len(found) == (2 if value[0] in "[{" else 1)  # what is no scalar is not among the keys


def test_an_event_with_too_many_values_is_found_all_the_same(workspace, execution):
    event = publish(workspace, payload={"a": 1, **{f"x{number}": number for number in range(100)}})

    assert before(wait(workspace, key=("payload.a", "1"))) == [event]


def test_a_wait_is_paired_once(workspace, execution):
    event = publish(workspace)
    found = wait(workspace)

    assert deliveries.add(found, event, 10) is not None
    assert deliveries.add(found, event, 10) is None
    assert before(found) == []


def test_an_event_that_came_while_a_wait_was_switched_off_is_paired_again(workspace, execution):
    event = publish(workspace)
    found = wait(workspace)
    deliveries.reject(deliveries.add(found, event, 10), "EVENT_NOT_AWAITED", "switched off")
    assert before(found) == [event]

    again = deliveries.add(found, event, 10)
    assert again.status == "PENDING"
    deliveries.reject(again, "EVENT_CONDITION_FALSE", "no")

    assert deliveries.add(found, event, 10) is None
    assert before(found) == []


def test_an_event_is_matched_with_the_waits_that_want_it(workspace, execution):
    for number, look_back in enumerate([None, 0], 1):
        wait(workspace, visit=number, key=("payload.a", "1"), look_back=look_back)
    wait(workspace, visit=3, key=("payload.a", "2"))
    wait(workspace, visit=4)
    event = publish(workspace, payload={"a": 1})
    key = waits.of(workspace, "e1")[0].key_hash

    assert waits.key_paths(workspace, ["order.paid", "order.*"]) == [("order.paid", ""), ("order.paid", "payload.a")]
    # Also the wait that looks at nothing before it, for the event came after it.
    assert [one.visit for one in deliveries.match(event, ("order.paid", "payload.a", key), 10)] == [1, 2]
    assert [one.visit for one in deliveries.match(event, ("order.paid", "", ""), 10)] == [4]
    assert deliveries.match(event, ("order.paid", "", ""), 10) == []


def test_more_waits_than_one_statement_takes_are_all_paired(workspace, execution, monkeypatch):
    monkeypatch.setattr(deliveries, "CHUNK", 3)
    for visit in range(1, 8):
        wait(workspace, visit=visit)
    event = publish(workspace)

    mine = deliveries.match(event, ("order.paid", "", ""), 10)

    assert [one.visit for one in mine] == [1, 2, 3]
    assert len(deliveries.of_event(workspace, "1", before=None, limit=100)) == 7


def test_a_delivery_that_was_taken_in_is_not_rejected_afterwards(workspace, execution):
    delivery = deliveries.add(wait(workspace), publish(workspace), 10)
    part, values = deliveries.consuming(workspace, "e1", [("1", "wait", 1)])
    query(f"WITH e AS (SELECT 1), {part} SELECT 1", values)

    deliveries.reject(delivery, "EVENT_NOT_AWAITED", "late")

    assert deliveries.get(delivery).status == "CONSUMED"


def test_what_was_rejected_by_mistake_is_consumed_when_the_ledger_says_so(workspace, execution):
    delivery = deliveries.add(wait(workspace), publish(workspace), 10)
    deliveries.reject(delivery, "EXECUTION_ENDED", "it has ended")

    part, values = deliveries.consuming(workspace, "e1", [("1", "wait", 1)])
    query(f"WITH e AS (SELECT 1), {part} SELECT 1", values)

    assert (deliveries.get(delivery).status, deliveries.get(delivery).reason) == ("CONSUMED", "")


def test_a_reader_with_a_cursor_waits_for_a_late_commit(workspace, connected):
    publish(workspace, "before")
    with psycopg2.connect(connected) as late, late.cursor() as cursor:
        cursor.execute("SET search_path TO public")
        cursor.execute(
            "INSERT INTO events (workspace, event_id, name, version, source, event_time, payload, metadata, digest, "
            "depth, expire_time) VALUES (%s, 'late', 'order.paid', '', '{}', now(), '{}', '{}', '', 0, 'infinity')",
            (workspace,),
        )
        publish(workspace, "after")
        first = events.page(workspace, pattern="", after="", limit=10, in_order=True)
        newest = events.page(workspace, pattern="", after="", limit=10, in_order=False)
    # Other transactions on the session's server may still be under way for a moment.
    second = events.page(workspace, pattern="", after=first.rest, limit=10, in_order=True)

    assert [event.event_id for event, _ in newest.events] == ["after", "before"]
    assert [event.event_id for event, _ in first.events + second.events] == ["before", "late", "after"]


def test_expired_events_go_unless_something_is_still_to_be_brought(workspace, execution):
    for id in ("gone", "pending"):
        publish(workspace, id)
    deliveries.add(wait(workspace), events.get(workspace, "pending"), 10)
    query("UPDATE events SET expire_time = now(), match_after = NULL WHERE workspace = %s", (workspace,))

    while events.expire(100):
        pass

    assert events.find(workspace, "gone") is None
    assert events.find(workspace, "pending") is not None


def test_an_event_is_claimed_by_one_until_its_lease_ends(own_database, workspace):
    event = events.add(an_event(workspace), ("r", ""), 0)

    assert events.claim(10, 60) == [event]
    assert events.claim(10, 60) == []
    events.matched([event])
    assert query("SELECT count(*) FROM events WHERE match_after IS NOT NULL") == [(0,)]
