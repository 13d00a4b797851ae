"""Statistics: gathered for all templates at once in the background, read one at a time."""

from __future__ import annotations

from service.domain.statistics import Durations, Failures, Statistics, StatusCount
from storage.database import query, transaction

SHARE = 20
"""A gathering that took a second is followed by the next after at least so many: that much of the database it takes."""

_LOCK = 0x48_45_44_44_53_54
"""Whoever gathers holds this; any number will do that every release of Heddle takes."""


def refresh(interval: float) -> bool:
    """Gather the figures anew when they are older than `interval` seconds and nobody else does; tell whether it did.

    Readers go on reading the old figures meanwhile.
    """
    with transaction():
        if not query("SELECT pg_try_advisory_xact_lock(%s)", (_LOCK,))[0][0]:
            return False
        due = (
            "SELECT refresh_time <= now() - make_interval(secs => greatest(%s, seconds * %s)) FROM statistics_refreshes"
        )
        if not query(due, (interval, SHARE))[0][0]:
            return False
        # It takes the time that it takes, on one core, and sorts in memory.
        query("SET LOCAL statement_timeout = 0")
        query("SET LOCAL max_parallel_workers_per_gather = 0")
        query("SET LOCAL work_mem = '64MB'")
        query("REFRESH MATERIALIZED VIEW CONCURRENTLY statistics")
        query(
            "UPDATE statistics_refreshes "
            "SET refresh_time = now(), seconds = extract(epoch FROM clock_timestamp() - now())"
        )
        return True


def get(workspace: str, template_id: str, version_id: str = "") -> Statistics:
    """Read the figures of a template, or of one of its versions."""
    rows = query(
        "SELECT r.refresh_time, now() - r.refresh_time, s.kind, s.name, s.detail, s.number, s.median, s.p95, s.longest "
        "FROM statistics_refreshes r LEFT JOIN statistics s "
        "ON (s.workspace, s.template_id, s.version_id) = (%s, %s, %s) ORDER BY s.kind, s.number DESC, s.name, s.detail",
        (workspace, template_id, version_id),
    )
    refresh_time, age = rows[0][:2]
    found = Statistics(refresh_time, age)
    durations = None
    for kind, name, detail, number, median, p95, longest in (row[2:] for row in rows):
        match kind:
            case "COUNT":
                found.counts.append(StatusCount(name, detail, number))
            case "FAILURE":
                found.failures.append(Failures(name, detail, number))
            case "DURATION":
                durations = Durations(number, median, p95, longest)
    return Statistics(refresh_time, age, found.counts, durations, found.failures)
