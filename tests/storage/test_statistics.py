"""Statistics on a real database, against a plain reading of the rows."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import quantiles

import pytest

from service.domain.ids import uuid7
from storage import statistics
from storage.database import query, transaction
from tests.rpc.registry import at_once
from tests.storage.test_execution_lists import add, add_templates

DAY = timedelta(days=1)


def age(seconds):
    query("UPDATE statistics_refreshes SET refresh_time = now() - make_interval(secs => %s), seconds = 0", (seconds,))


def refreshed():
    age(1_000)
    assert statistics.refresh(60)


def make(workspace, count, seed):
    """Executions of three templates with two versions each that ended, or did not, within the last 60 days."""
    choice, now = random.Random(seed), datetime.now(UTC)
    rows = []
    for _ in range(count):
        begun = now - choice.random() * 60 * DAY
        template = f"t{choice.randrange(3)}"
        status = choice.choice(["COMPLETED", "COMPLETED", "FAILED", "CANCELLED", "STARTED"])
        id = uuid7(begun, choice.getrandbits(62))
        rows.append(
            {
                "workspace": workspace,
                "id": id,
                "template_id": template,
                "version_id": f"{template}v{choice.randrange(1, 3)}",
                "status": status,
                "phase": "RUNNING" if status == "STARTED" else "NONE",
                "root_id": id,
                "correlation_id": "",
                "subject_type": "",
                "subject_id": "",
                "entity_type": "",
                "entity_id": "",
                "create_time": begun,
                "end_time": None if status == "STARTED" else begun + choice.random() * DAY,
            }
        )
    return rows


def add_step_run(row, visit, step, status, code_and_end):
    code, end_time = code_and_end
    query(
        "INSERT INTO step_runs (workspace, execution_id, step_id, visit, attempt, status, error, create_number, "
        "create_time, update_time, end_time) VALUES (%s, %s, %s, %s, 1, %s, %s, 1, %s, %s, %s)",
        (
            row["workspace"],
            row["id"],
            step,
            visit,
            status,
            json.dumps({"code": code, "message": "m"}, separators=(",", ":")) if code is not None else None,
            row["create_time"],
            row["create_time"],
            end_time,
        ),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_figures_are_those_of_the_rows(connected, workspace, seed):
    add_templates(workspace, 4)
    rows = make(workspace, 300, seed)
    add(rows, "end_time")

    refreshed()

    recent = datetime.now(UTC) - 30 * DAY
    for template, version in [("t0", ""), ("t0", "t0v1"), ("t1", ""), ("t2", "t2v2"), ("t3", "")]:
        own = [row for row in rows if row["template_id"] == template and version in ("", row["version_id"])]
        found = statistics.get(workspace, template, version)
        assert {(one.status, one.phase): one.number for one in found.counts} == Counter(
            (row["status"], row["phase"]) for row in own
        )
        assert [one.number for one in found.counts] == sorted((one.number for one in found.counts), reverse=True)
        taken = [
            (row["end_time"] - row["create_time"]).total_seconds()
            for row in own
            if row["status"] == "COMPLETED" and row["end_time"] > recent
        ]
        if not taken:
            assert found.durations is None
            continue
        assert found.durations.number == len(taken)
        assert found.durations.longest == pytest.approx(max(taken))
        cuts = quantiles(taken, n=100, method="inclusive")
        assert (found.durations.median, found.durations.p95) == pytest.approx((cuts[49], cuts[94]))


def test_failures_are_counted_by_step_and_code(connected, workspace):
    add_templates(workspace, 2)
    rows = make(workspace, 6, 1)
    for row in rows:
        row |= {"template_id": "t0", "version_id": f"t0v{1 + (row is rows[0])}"}
    add(rows, "end_time")
    now = datetime.now(UTC)
    for number, (step, status, code, end) in enumerate(
        [
            ("pay", "FAILED", "TIMEOUT", now),
            ("pay", "FAILED", "TIMEOUT", now),
            ("pay", "FAILED", "DECLINED", now),
            ("ship", "FAILED", "TIMEOUT", now),
            ("ship", "FAILED", "TIMEOUT", now - 31 * DAY),
            ("ship", "COMPLETED", "TIMEOUT", now),
            ("odd", "FAILED", 'a"b\u0000', now),
        ]
    ):
        add_step_run(rows[number % len(rows)], number + 1, step, status, (code, end))

    refreshed()

    assert [(one.step_id, one.code, one.number) for one in statistics.get(workspace, "t0").failures] == [
        ("pay", "TIMEOUT", 2),
        ("odd", "", 1),
        ("pay", "DECLINED", 1),
        ("ship", "TIMEOUT", 1),
    ]
    # The first and the seventh are of the execution of the second version.
    assert [(one.step_id, one.number) for one in statistics.get(workspace, "t0", "t0v2").failures] == [
        ("odd", 1),
        ("pay", 1),
    ]


def test_workspaces_do_not_mix(connected, workspace):
    for own in (workspace, f"{workspace}-b"):
        add_templates(own, 1)
    row = make(workspace, 1, 0)[0] | {"template_id": "t0", "version_id": "t0v1"}
    add([row], "end_time")

    refreshed()

    assert [one.number for one in statistics.get(workspace, "t0").counts] == [1]
    assert not statistics.get(f"{workspace}-b", "t0").counts


def test_they_are_gathered_when_they_are_old_and_say_how_old_they_are(connected, workspace):
    age(30)
    assert not statistics.refresh(60)
    assert 29 < statistics.get(workspace, "t").age.total_seconds() < 40

    assert statistics.refresh(20)

    assert statistics.get(workspace, "t").age.total_seconds() < 10
    assert not statistics.refresh(20)


def test_what_takes_long_is_done_less_often(connected):
    query("UPDATE statistics_refreshes SET refresh_time = now() - interval '90 s', seconds = 5")
    assert not statistics.refresh(60)

    query("UPDATE statistics_refreshes SET refresh_time = now() - interval '101 s'")
    assert statistics.refresh(60)


def test_one_server_at_a_time_gathers(connected):
    age(1_000)

    assert sorted(at_once(*[lambda: statistics.refresh(60)] * 4)) == [False, False, False, True]


def test_readers_are_not_kept_waiting(connected, workspace):
    age(1_000)

    with transaction():
        assert statistics.refresh(60)
        (found,) = at_once(lambda: statistics.get(workspace, "t0"))

    assert found.age.total_seconds() > 900
