"""The launcher: what it does when Temporal does not answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.domain.errors import Exhausted
from service.domain.trigger import Trigger
from service.engine.advancing import phase
from service.launching import Launcher, create, first_moves
from service.plans import Plans
from service.reacting import Reactor
from service.recording import record
from service.relating import Relations
from service.starting import Order, Starter
from service.temporal.gateway import TemporalGateway
from storage import database, events, executions, families, plans, triggers
from storage.database import query
from tests.engine.graphs import NOW, Player, a_plan
from tests.test_recording import (
    PLAN,
    a_version,  # noqa: F401 - a fixture
    an_execution,
)


@pytest.fixture
def far_away():
    """A gateway to where no Temporal is."""
    gateway = TemporalGateway("127.0.0.1:1", "default", "queue")
    yield gateway
    gateway.close()


@pytest.fixture
def refusing(temporal_address):
    """A gateway whose starts Temporal refuses for good."""
    gateway = TemporalGateway(temporal_address, "default", "q" * 2_000)  # longer than Temporal allows
    yield gateway
    gateway.close()


def an_order(workspace, number):
    return Order(workspace, f"request-{number}", "d", f"e{number}", NOW, "null", None, version_id="v")


def test_starts_are_refused_once_too_many_wait_for_temporal(fresh_database, far_away, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")
    launcher = Launcher(far_away, most_waiting=3)
    starter = Starter(far_away, Plans(plans.get).get, lambda: launcher.is_swamped)
    for number in range(3):
        assert starter.start(an_order(workspace, number))[0].status == "CREATED"
    query("UPDATE executions SET launch_after = now() - interval '1 s'")

    assert launcher.sweep() == 3

    with pytest.raises(Exhausted):
        starter.start(an_order(workspace, 3))
    assert starter.start(an_order(workspace, 2))[0].id == "e2"
    assert executions.get(workspace, "e3") is None


def test_each_failed_launch_waits_longer_for_the_next(fresh_database, far_away, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")
    launcher = Launcher(far_away)
    Starter(far_away, Plans(plans.get).get, lambda: False).start(an_order(workspace, 1))
    delays = []
    for _ in range(4):
        ((delay,),) = query("SELECT extract(epoch FROM launch_after - now())::float FROM executions")
        delays.append(delay)
        query("UPDATE executions SET launch_after = now() - interval '1 s'")
        launcher.sweep()

    assert delays == sorted(delays)
    assert delays[-1] > 2 * delays[0]


def test_a_start_that_temporal_refuses_for_good_has_failed_to_start(fresh_database, refusing, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")

    execution, _ = Starter(refusing, Plans(plans.get).get, lambda: False).start(an_order(workspace, 1))

    assert (execution.status, execution.phase) == ("FAILED_TO_START", "NONE")
    error = json.loads(execution.error)
    assert error["code"] == "START_REFUSED"
    assert "Temporal refuses the start" in error["message"]
    assert execution.end_time is not None
    assert query("SELECT status FROM human_tasks") == [("WITHDRAWN",)]
    assert query("SELECT action FROM human_task_actions ORDER BY number") == [("WITHDRAWN",)]
    assert Launcher(refusing).sweep() == 0


def test_a_refused_start_is_told_as_a_failure(fresh_database, refusing, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")

    execution, _ = Starter(refusing, Plans(plans.get).get, lambda: False).start(an_order(workspace, 1))

    (failed,) = own_events(workspace, "workflow.failed")
    assert json.loads(failed.payload) == {
        "executionId": execution.id, "templateId": "t", "templateKey": "t", "versionId": "v", "correlationId": "",
        "status": "FAILED_TO_START", "error": json.loads(execution.error),
    }  # fmt: skip


def test_a_refused_start_fires_a_trigger_on_failures(fresh_database, refusing, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")
    query("UPDATE templates SET active_version_id = 'v'")
    condition = "__event__.payload.status = 'FAILED_TO_START'"
    triggers.add(
        Trigger(
            workspace,
            "g",
            "t",
            None,
            "",
            "",
            "START",
            "workflow.failed",
            condition,
            "jsonata",
            "",
            "",
            0,
            enabled=True,
            reason="",
            compensate=True,
            revision=1,
            create_time=NOW,
            update_time=NOW,
        )
    )
    known = Plans(plans.get)
    starter = Starter(refusing, known.get, lambda: False)
    reactor = Reactor(Relations(refusing, known).deliverer, starter)
    first, _ = starter.start(an_order(workspace, 1))

    while reactor.sweep():
        pass

    started = query("SELECT event_id, event_depth FROM executions WHERE trigger_id = 'g' ORDER BY event_depth")
    assert started[0] == (f"workflow/{first.id}/0/workflow.failed", 1)
    assert [depth for _, depth in started] == list(range(1, 11))  # each refused in its turn, until too deep


def test_what_a_refused_start_waits_for_is_over(fresh_database, refusing, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")
    plan = a_plan("start > wait; wait > end", wait={"type": "event.wait", "settings": {"pattern": "a.b"}})
    query("INSERT INTO plans VALUES (%s, %s, %s)", (workspace, plan.digest, plan.to_json()))
    query(
        "INSERT INTO versions SELECT workspace, 'waits', template_id, 2, '2', note, status, dialect, definition, "
        "digest, %s, revision, create_time, update_time FROM versions",
        (plan.digest,),
    )
    order = replace(an_order(workspace, 1), version_id="waits")

    execution, _ = Starter(refusing, Plans(plans.get).get, lambda: False).start(order)

    assert execution.status == "FAILED_TO_START"
    assert query("SELECT count(*) FROM waits") == [(0,)]


def test_a_child_that_cannot_start_reports_and_is_not_to_be_cancelled(fresh_database, refusing, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")
    parent = an_execution(workspace, "e0")
    moves = first_moves(PLAN, None, NOW)
    parent = create(parent, PLAN, moves).execution
    query("UPDATE step_runs SET status = 'RUNNING'")
    child = replace(an_execution(workspace, "e1"), parent_id="e0", root_id="e0", parent_step_id="a", parent_visit=1)
    assert create(child, PLAN, moves) is not None
    families.mark_cancelled(workspace, "e0", [("a", 1)])
    query("UPDATE executions SET launch_after = now() - interval '1 s' WHERE id = 'e1'")

    Launcher(refusing).sweep()

    assert [due.execution_id for due in families.claim_reports(10, 1.0)] == ["e1"]
    assert not families.awaits_cancellation(parent)
    assert families.pending(workspace, "e0") == (False, 0)


def test_the_answer_of_a_start_is_of_one_moment(fresh_database, temporal_address, workspace, request):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")

    class Late(TemporalGateway):
        """Answers when the workflow has completed the first step already."""

        def start(self, order):
            super().start(order)
            player = Player(PLAN)
            known = len(player.entries)
            player.complete("a")
            record(workspace, order.execution_id, player.entries[known:], phase(PLAN, player.state), NOW)

    gateway = Late(temporal_address, "default", "nobody")

    execution, runs = Starter(gateway, Plans(plans.get).get, lambda: False).start(an_order(workspace, 1))
    again = Starter(gateway, Plans(plans.get).get, lambda: False).start(an_order(workspace, 1))
    gateway.close()

    assert execution.status == "STARTED"
    assert [(run.step_id, run.status) for run in runs][1:] == [("a", "COMPLETED"), ("b", "WAITING")]
    assert again == (execution, runs)


def own_events(workspace, name):
    found = events.page(workspace, pattern=name, after="", limit=10, in_order=False)
    return [one for one, _ in found.events]
