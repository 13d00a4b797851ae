"""The launcher: what it does when Temporal does not answer."""

from __future__ import annotations

import json

import pytest

from service.domain.errors import Exhausted
from service.engine.advancing import phase
from service.launching import Launcher
from service.plans import Plans
from service.recording import record
from service.starting import Order, Starter
from service.temporal.gateway import TemporalGateway
from storage import database, executions, plans
from storage.database import query
from tests.engine.graphs import NOW, Player
from tests.test_recording import (
    PLAN,
    a_version,  # noqa: F401 - a fixture
)


@pytest.fixture
def far_away():
    """A gateway to where no Temporal is."""
    gateway = TemporalGateway("127.0.0.1:1", "default", "queue")
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


def test_a_start_that_temporal_refuses_for_good_has_failed_to_start(
    fresh_database, temporal_address, workspace, request
):
    database.connect(fresh_database())
    request.getfixturevalue("a_version")
    gateway = TemporalGateway(temporal_address, "default", "q" * 2_000)  # longer than Temporal allows

    execution, _ = Starter(gateway, Plans(plans.get).get, lambda: False).start(an_order(workspace, 1))
    gateway.close()

    assert (execution.status, execution.phase) == ("FAILED_TO_START", "NONE")
    error = json.loads(execution.error)
    assert error["code"] == "START_REFUSED"
    assert "Temporal refuses the start" in error["message"]
    assert execution.end_time is not None
    assert query("SELECT status FROM human_tasks") == [("WITHDRAWN",)]
    assert query("SELECT action FROM human_task_actions ORDER BY number") == [("WITHDRAWN",)]
    assert Launcher(gateway).sweep() == 0


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
