"""Statistics over gRPC."""

from __future__ import annotations

import pytest

from heddle.v1.execution_pb2 import Execution
from storage import statistics
from storage.database import query
from tests.end_to_end.api import refused
from tests.end_to_end.definitions import definition

WAITS = definition("start > a; a > end", name="Waits")
PASSES = definition("start > a; a > end", name="Passes", a={"activationPolicy": {"defaultStatus": "Completed"}})
FAILS = definition("start > a; a > end", name="Fails", a={"activationPolicy": {"defaultStatus": "Failed"}})


def gather():
    query("UPDATE statistics_refreshes SET refresh_time = now() - interval '1 day', seconds = 0")
    assert statistics.refresh(60)


def counts(answer):
    return {(one.status, one.phase): one.count for one in answer.statistics.counts}


def test_a_template_and_each_of_its_versions_have_their_figures(api):
    waits = api.publish(WAITS)
    passes = api.publish(PASSES, template_id=waits.template_id, label="2.0.0")
    fails = api.publish(FAILS, template_id=waits.template_id, label="3.0.0")
    for version in (waits, passes, passes, fails):
        api.start(version)

    gather()

    of_template = api.call("GetStatistics", template_id=waits.template_id)
    assert counts(of_template) == {
        (Execution.STATUS_CREATED, Execution.PHASE_WAITING_FOR_INPUT): 1,
        (Execution.STATUS_COMPLETED, Execution.PHASE_NONE): 2,
        (Execution.STATUS_FAILED, Execution.PHASE_NONE): 1,
    }
    figures = of_template.statistics
    assert (figures.template_id, figures.version_id) == (waits.template_id, "")
    assert figures.durations.count == 2
    assert figures.durations.median.ToTimedelta() <= figures.durations.longest.ToTimedelta()
    assert [(one.step_id, one.code, one.count) for one in figures.failures] == [("a", "FAILED_ON_ARRIVAL", 1)]
    assert figures.window.ToTimedelta().days == 30
    of_version = api.call("GetStatistics", version_id=passes.id).statistics
    assert (of_version.template_id, of_version.version_id) == (waits.template_id, passes.id)
    assert [one.count for one in of_version.counts] == [2]
    assert not of_version.failures


def test_what_never_ran_has_none_and_says_how_old_that_is(api):
    version = api.publish(WAITS)
    key = api.call("GetTemplate", template_id=version.template_id).template.key

    figures = api.call("GetStatistics", template_key=key).statistics

    assert not figures.counts
    assert not figures.HasField("durations")
    assert figures.age.ToTimedelta().total_seconds() >= 0
    assert figures.refresh_time.seconds


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ("template_id", "TEMPLATE_NOT_FOUND"),
        ("template_key", "TEMPLATE_NOT_FOUND"),
        ("version_id", "VERSION_NOT_FOUND"),
    ],
)
def test_what_is_not_there_has_no_figures(api, other, field, reason):
    version = api.publish(WAITS)
    named = {"template_id": version.template_id, "version_id": version.id, "template_key": "nothing-of-this-name"}

    with refused("NOT_FOUND", reason):
        other.call("GetStatistics", **{field: named[field]})
