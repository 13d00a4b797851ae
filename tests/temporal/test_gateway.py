"""The door to Temporal: what it says when callers leave before there is an answer."""

from __future__ import annotations

import gc
import logging
import time

import pytest

from service.domain.execution import Launch
from service.engine.observations import Cancelled, encode
from service.engine.state import State
from service.gateway import StartRefused, TemporalAway, WorkflowEnded
from service.temporal.gateway import TemporalGateway
from tests.engine.graphs import NOW

WORD = encode(Cancelled("no reason"))


@pytest.fixture
def gateway(temporal_address):
    """A gateway for a queue that nobody works on."""
    gateway = TemporalGateway(temporal_address, "default", "nobody")
    yield gateway
    gateway.close()


@pytest.fixture
def log(caplog):
    """What is logged, by the gateway's event loop too, which tells of futures when they are collected."""
    caplog.set_level(logging.DEBUG)

    def told():
        time.sleep(0.5)
        gc.collect()
        return [record.getMessage() for record in caplog.records if "never" in record.getMessage()]

    return told


def a_launch(workspace, name):
    return Launch(workspace, name, "digest", State().to_json(), NOW)


def test_nobody_misses_the_answer_to_a_caller_who_has_left(gateway, workspace, log):
    launch = a_launch(workspace, "e1")
    gateway.start(launch)

    for number in range(5):
        with pytest.raises(TemporalAway):
            gateway.observe(launch.workflow_id, WORD, f"u{number}", 0.1, after=0)
        with pytest.raises(TemporalAway):
            gateway.start_and_observe(a_launch(workspace, f"s{number}"), WORD, f"s{number}", 0.1, after=0)

    assert log() == []


def test_nobody_misses_the_handle_of_a_start_that_did_not_happen(gateway, temporal_address, workspace, log):
    launch = a_launch(workspace, "e2")
    gateway.start(launch)
    gateway.terminate(launch.workflow_id, "for the test")
    refusing = TemporalGateway(temporal_address, "default", "q" * 2_000)  # longer than Temporal allows

    with pytest.raises(WorkflowEnded):
        gateway.start_and_observe(launch, WORD, "u1", 5, after=0)
    with pytest.raises(StartRefused):
        refusing.start_and_observe(a_launch(workspace, "e3"), WORD, "u2", 5, after=0)
    refusing.close()

    assert log() == []


def test_a_temporal_that_is_away_is_said_to_be_and_nothing_else(workspace, log):
    far_away = TemporalGateway("127.0.0.1:1", "default", "queue")
    for seconds in (0.001, 5):
        with pytest.raises(TemporalAway):
            far_away.observe("heddle/w/e", WORD, "u1", seconds, after=0)
    far_away.close()

    assert log() == []
