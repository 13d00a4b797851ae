"""Bugs that this design could have had, each patched into the running product by `soak.launch` and by nothing else.

They are what the soak has to find: a soak that does not find them says nothing when it finds nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Bug:
    """A planted bug, and which parts of the soak are to find it."""

    what: str
    plant: Callable[[], None]
    found_by: tuple[str, ...]


def _patch(owner: Any, name: str, value: Any) -> Any:
    """Put something else in a place; gives what was there."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    return before


def _no_look_back() -> None:
    from service import delivering
    from storage import waits
    from storage.database import connection

    def only_tick_off(wait: waits.Wait) -> list[Any]:
        with connection():
            waits.checked(wait)
        return []

    _patch(delivering, "_before", only_tick_off)


def _look_back_before_commit() -> None:
    from service.domain import event_key
    from service.matching import may_want
    from storage import deliveries, events, executions, waits

    _no_look_back()

    def early(workspace: str, execution_id: str, opened: list[waits.Opened]) -> list[tuple[waits.Wait, Any]]:
        found = []
        for one in opened:
            path, hash = event_key.of_wait(one.key_path, one.key_value)
            since = datetime.now(UTC) - timedelta(seconds=one.look_back or 60)
            wait = waits.Wait(
                workspace, execution_id, one.step_id, one.visit, one.pattern, path, hash, since, check_after=None
            )
            found += [(wait, event) for event, _ in events.before(wait, "", 50) if may_want(wait, event)]
        return found

    def wrap(name: str) -> None:
        def planted(*arguments: Any) -> Any:
            writing = arguments[-1]
            found = early(writing.workspace, writing.execution_id, writing.opened)
            answer = original(*arguments)
            if answer:
                for wait, event in found:
                    deliveries.add(wait, event, 0.0)
            return answer

        original = _patch(executions, name, planted)

    wrap("add")
    wrap("record")


def _match_before_commit() -> None:
    from service import reacting
    from service.domain import event_pattern
    from service.matching import may_want
    from storage import deliveries, events
    from storage.database import query
    from storage.waits import Wait

    found_early: dict[str, list[Wait]] = {}

    def planted_add(event: Any, *rest: Any) -> Any:
        rows = query(
            "SELECT workspace, execution_id, step_id, visit, pattern, key_path, key_hash, since, check_after "
            "FROM waits WHERE workspace = %s AND pattern = ANY(%s)",
            (event.workspace, event_pattern.candidates(event.name)),
        )
        waits = [Wait(*row) for row in rows]
        found_early[event.event_id] = [wait for wait in waits if may_want(wait, event)]
        time.sleep(0.05)
        return original_add(event, *rest)

    def planted_match(found: Any, lease: float) -> list[Any]:
        made: list[Any] = []
        for event in found:
            early = [deliveries.add(wait, event, lease) for wait in found_early.pop(event.event_id, [])]
            made.append((event, [one for one in early if one is not None], []))
        return made

    original_add = _patch(events, "add", planted_add)
    _patch(reacting, "match", planted_match)


def _no_pair_key() -> None:
    import os

    import psycopg2

    connection = psycopg2.connect(os.environ["HEDDLE_DATABASE_URL"])
    connection.autocommit = True
    connection.cursor().execute("ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS deliveries_pkey")
    connection.close()


def _forgets_consumed() -> None:
    from service.engine import folding

    _patch(folding, "_consume", lambda state, event, name: None)


def _timeout_keeps_wait() -> None:
    from service.engine import projecting
    from service.engine.observations import TimerFired
    from service.engine.steps.event_wait import EVENT_WAIT

    original = EVENT_WAIT.hears[TimerFired]

    def planted(run: Any, visit: Any, fired: TimerFired) -> None:
        kept = run.state.open[visit.key]
        original(run, visit, fired)
        run.state.open[visit.key] = kept

    def planted_waits(projection: Any, entry: Any) -> None:
        if entry.type != "STEP_FAILED":
            original_waits(projection, entry)

    hears = cast("dict[type, Any]", EVENT_WAIT.hears)
    hears[TimerFired] = planted
    original_waits = _patch(projecting, "_project_waits", planted_waits)


def _no_sweep() -> None:
    from service.delivering import Deliverer
    from service.reacting import Reactor

    for owner, name in ((Deliverer, "sweep"), (Deliverer, "sweep_waits"), (Reactor, "sweep")):
        _patch(owner, name, lambda self: 0)


def _answer_before_write() -> None:
    from service import observing

    _patch(observing, "record", lambda *_: None)


def _answer_before_commit() -> None:
    from service import publishing
    from service.reacting import Reaction, Reactor
    from storage import events

    def store(event: Any, request: Any) -> None:
        time.sleep(0.5)
        original(event, request)

    def planted(event: Any, request: Any) -> Any:
        threading.Thread(target=store, args=(event, request), daemon=True).start()
        return event, True

    _patch(publishing, "LEASE", 0.0)  # a sweep takes it from there
    original = _patch(publishing, "publish", planted)
    _patch(events, "is_matched", lambda event: True)
    swept = Reactor.react

    def react(self: Reactor, found: Any) -> Any:
        from storage.database import connection

        with connection():
            known = [event for event in found if events.find(event.workspace, event.event_id)]
        return swept(self, known) if known else Reaction([], asked=False, is_complete=True)

    _patch(Reactor, "react", react)


def _content_not_compared() -> None:
    from service import publishing
    from service.domain.errors import AlreadyExists
    from storage import events
    from storage.database import connection

    def planted(event: Any, request: Any) -> Any:
        try:
            return original(event, request)
        except AlreadyExists:
            with connection():
                return events.get(event.workspace, event.event_id), False

    original = _patch(publishing, "publish", planted)


def _taken_before_judged() -> None:
    from service.delivering import Deliverer
    from storage import deliveries
    from storage.database import connection

    def planted(self: Deliverer, delivery: Any, *rest: Any) -> Any:
        with connection():
            deliveries.consume(delivery)
        return original(self, delivery, *rest)

    original = _patch(Deliverer, "_bring", planted)


BUGS: dict[str, Bug] = {
    "no-look-back": Bug("a new wait does not look for events that came before it", _no_look_back, ("registration",)),
    "look-back-before-commit": Bug(
        "it looks for them before it is committed itself", _look_back_before_commit, ("registration",)
    ),
    "match-before-commit": Bug(
        "a publisher looks for waits before its event is committed, and not again",
        _match_before_commit,
        ("registration",),
    ),
    "no-pair-key": Bug("deliveries have no unique key", _no_pair_key, ("registration",)),
    "forgets-consumed": Bug("the engine forgets which events it took", _forgets_consumed, ("publish",)),
    "timeout-keeps-wait": Bug("a timeout does not close its wait", _timeout_keeps_wait, ("timeout",)),
    "no-sweep": Bug("nobody does what dead processes left undone", _no_sweep, ("storm",)),
    "answer-before-write": Bug(
        "a publisher is answered before the ledger is written", _answer_before_write, ("registration",)
    ),
    "answer-before-commit": Bug(
        "a publisher is answered before the event is committed", _answer_before_commit, ("storm",)
    ),
    "content-not-compared": Bug("another content under the same event id passes", _content_not_compared, ("publish",)),
    "taken-before-judged": Bug(
        "a delivery counts as taken before the workflow has judged", _taken_before_judged, ("timeout", "cancel")
    ),
}
