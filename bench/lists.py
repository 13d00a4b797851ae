"""Lists among a million executions: `python -m bench.lists`.

For ways to narrow a list it tells the index that pages are read from, and what the first and the last page cost; the
same in short for every combination of all that a list may be narrowed by; then what the indexes cost those who write.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from statistics import median
from typing import Any

from bench import writes
from bench.filled import filled, seconds, server
from bench.million import MANY
from bench.printing import table
from service.embedded.problem import Problem
from storage import database, execution_lists
from storage.database import query
from storage.execution_lists import Wanted

WORKSPACE = "default"
PAGE = 50
ROUNDS = 25

TEMPLATE, VERSION = "t3", "t3v2"
CASES: dict[str, Wanted] = {
    "nothing": Wanted(),
    "template": Wanted(template_id=TEMPLATE),
    "version": Wanted(version_id=VERSION),
    "status COMPLETED (8 of 10)": Wanted(statuses=frozenset({"COMPLETED"})),
    "status FAILED (1 of 1,000)": Wanted(statuses=frozenset({"FAILED"})),
    "statuses FAILED, CANCELLED": Wanted(statuses=frozenset({"FAILED", "CANCELLED"})),
    "phase WAITING_FOR_INPUT": Wanted(phase="WAITING_FOR_INPUT"),
    "phase PAUSED (1 of 10,000)": Wanted(phase="PAUSED"),
    "template, status FAILED": Wanted(template_id=TEMPLATE, statuses=frozenset({"FAILED"})),
    "template, phase WAITING_FOR_INPUT": Wanted(template_id=TEMPLATE, phase="WAITING_FOR_INPUT"),
    "version, status STARTED": Wanted(version_id=VERSION, statuses=frozenset({"STARTED"})),
    "template, version": Wanted(template_id=TEMPLATE, version_id=VERSION),
    "template, version of another": Wanted(template_id="t4", version_id=VERSION),
    "entity": Wanted(entity=("PRODUCT", "p-3")),
    "entity, status FAILED": Wanted(entity=("PRODUCT", "p-3"), statuses=frozenset({"FAILED"})),
    "subject": Wanted(subject=("SERVICE_REQUEST", "sr-500000")),
    "correlation (20)": Wanted(correlation_id="order-7000"),
    "correlation (100,000)": Wanted(correlation_id="nightly"),
    "correlation (100,000), status STARTED": Wanted(correlation_id="nightly", statuses=frozenset({"STARTED"})),
    "parent of 10,000": Wanted(parent_id="{batch}"),
    "parent of 10,000, status FAILED": Wanted(parent_id="{batch}", statuses=frozenset({"FAILED"})),
    "root of 10,000, phase RUNNING": Wanted(root_id="{batch}", phase="RUNNING"),
    "root of 4": Wanted(root_id="{small}"),
    "one day": Wanted(created_from=datetime(2026, 2, 1, tzinfo=UTC), created_before=datetime(2026, 2, 2, tzinfo=UTC)),
    "one day, phase WAITING_FOR_INPUT": Wanted(
        created_from=datetime(2026, 2, 1, tzinfo=UTC),
        created_before=datetime(2026, 2, 2, tzinfo=UTC),
        phase="WAITING_FOR_INPUT",
    ),
    "one day, template, status FAILED": Wanted(
        created_from=datetime(2026, 2, 1, tzinfo=UTC),
        created_before=datetime(2026, 2, 2, tzinfo=UTC),
        template_id=TEMPLATE,
        statuses=frozenset({"FAILED"}),
    ),
    "entity, template": Wanted(entity=("PRODUCT", "p-3"), template_id=TEMPLATE),
    "correlation (100,000), entity": Wanted(correlation_id="nightly", entity=("PRODUCT", "p-3")),
    "correlation (100,000), entity of none": Wanted(correlation_id="nightly", entity=("PRODUCT", "none")),
}
"""What lists are narrowed by; "{…}" is an execution that `bench.million` names."""

FILTERS: dict[str, Any] = {
    "template_id": TEMPLATE,
    "version_id": VERSION,
    "statuses": frozenset({"STARTED"}),
    "phase": "WAITING_FOR_INPUT",
    "entity": ("PRODUCT", "p-3"),
    "subject": ("SERVICE_REQUEST", "sr-500000"),
    "correlation_id": "nightly",
    "parent_id": "{batch}",
    "root_id": "{batch}",
    "created_from": datetime(2026, 1, 20, tzinfo=UTC),
    "created_before": datetime(2026, 2, 20, tzinfo=UTC),
}
"""Everything that a list may be narrowed by, with values that many executions have together."""

DEEP = "SELECT id FROM executions ORDER BY id OFFSET %s LIMIT 1"
"""Finds the execution after which a page deep in a list begins: only a twentieth of all are older."""

_NAMED = "SELECT correlation_id, id FROM executions WHERE correlation_id IN ('batch', 'small')"


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL reads one page."""

    milliseconds: float
    buffers: int
    indexes: tuple[str, ...]
    reads_all: bool  # it reads the executions from end to end


@dataclass(frozen=True)
class Read:
    """What one page costs."""

    milliseconds: float
    buffers: int
    executions: int
    indexes: tuple[str, ...]


def main() -> int:
    """Load, explain, measure and print."""
    parser = argparse.ArgumentParser(prog="bench.lists", description=__doc__)
    parser.add_argument("--executions", type=int, default=MANY, help=f"how many to load; {MANY:,} when left out")
    many = parser.parse_args().executions
    began = time.monotonic()
    try:
        with server() as empty:
            url = filled(empty, "lists", many)
            _say(f"{many:,} executions, loaded in {time.monotonic() - began:.0f} s\n")
            database.connect(url)
            named: dict[str, str] = dict(query(_NAMED))
            _say(table(["narrowed by", "index", "first page", "last page", "buffers", "found"], _lines(named)))
            _say(f"\n{2 ** len(FILTERS):,} combinations of {', '.join(FILTERS)}\n")
            head = ["index", "combinations", "first page, ms: median", "worst", "buffers: worst"]
            _say(table([*head, "deep page: median", "worst", "buffers: worst"], _combined(named, many)))
            plain = filled(empty, "plain", many)
            writes.without_indexes_for_lists(plain)
            _say("\n" + table(["write", "indexes before", "now", "ratio", "range"], writes.measure(plain, url)))
    except Problem as problem:
        print(f"bench.lists: {problem}", file=sys.stderr)
        return 1
    _say(f"\n{time.monotonic() - began:.0f} s")
    return 0


def _lines(named: dict[str, str]) -> Iterator[list[str]]:
    for name, case in CASES.items():
        wanted = _named(case, named)
        first, last = _read(wanted, ""), _read(wanted, _last_position(wanted))
        indexes = dict.fromkeys((*first.indexes, *last.indexes))
        yield [
            name,
            ", ".join(index.removeprefix("executions_") for index in indexes),
            f"{first.milliseconds:.2f} ms",
            f"{last.milliseconds:.2f} ms",
            f"{first.buffers:,} / {last.buffers:,}",
            f"{first.executions} / {last.executions}",
        ]


def _named(wanted: Wanted, named: dict[str, str]) -> Wanted:
    values = {name: getattr(wanted, name) for name in Wanted.__slots__}
    return Wanted(**{name: _name(value, named) for name, value in values.items()})


def _name(value: Any, named: dict[str, str]) -> Any:
    return value.format(**named) if isinstance(value, str) else value


def _read(wanted: Wanted, before: str) -> Read:
    """Read one page as the service does, many times; then have it explained."""

    def page() -> execution_lists.Found:
        return execution_lists.page(WORKSPACE, wanted, before=before, limit=PAGE + 1)

    taken = [1000 * seconds(page) for _ in range(ROUNDS)]
    found = page()
    plan = _explained(wanted, before)
    return Read(median(taken), plan.buffers, min(PAGE, len(found.executions)), plan.indexes)


def _explained(wanted: Wanted, before: str) -> Plan:
    asked = execution_lists.statement(WORKSPACE, wanted, before=before, limit=PAGE + 1)
    ((plans,),) = query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked.sql}", asked.values)
    plan = plans[0]["Plan"]
    nodes = list(_nodes(plan))
    scans = [node["Index Name"] for node in nodes if "Index Name" in node]
    found_by = [name for name in scans if name.startswith("executions_") and name != "executions_pkey"]
    return Plan(
        plans[0]["Execution Time"],
        plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        tuple(dict.fromkeys(found_by or ["executions_pkey"])),
        reads_all=any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == "executions" for node in nodes),
    )


def _combined(named: dict[str, str], many: int) -> Iterator[list[str]]:
    """Explain a first and a deep page for every combination of filters; gives a line for each index."""
    ((deep,),) = query(DEEP, (many // 20,))
    found: dict[str, list[tuple[Plan, Plan]]] = {}
    for chosen in product((False, True), repeat=len(FILTERS)):
        filters = {name: value for (name, value), taken in zip(FILTERS.items(), chosen, strict=True) if taken}
        wanted = _named(Wanted(**filters), named)
        first, later = (_warm(wanted, before) for before in ("", deep))
        if first.reads_all or later.reads_all:
            raise Problem(f"a page narrowed by {', '.join(filters)} reads every execution")
        index = ", ".join(name.removeprefix("executions_") for name in dict.fromkeys(first.indexes + later.indexes))
        found.setdefault(index, []).append((first, later))
    for index, pairs in found.items():
        yield [index, f"{len(pairs):,}", *_summed([first for first, _ in pairs]), *_summed([late for _, late in pairs])]


def _warm(wanted: Wanted, before: str) -> Plan:
    """Explain a page twice, the second time without waiting for the disk."""
    _explained(wanted, before)
    return _explained(wanted, before)


def _summed(plans: list[Plan]) -> list[str]:
    times = [plan.milliseconds for plan in plans]
    return [f"{median(times):.2f}", f"{max(times):.2f}", f"{max(plan.buffers for plan in plans):,}"]


def _last_position(wanted: Wanted) -> str:
    """Find after which execution the last page begins; empty when it is the first as well."""
    before, ids = "", [""]
    while True:
        found = execution_lists.page(WORKSPACE, wanted, before=before, limit=10_000, reach=sys.maxsize).executions
        ids += [execution.id for execution in found]
        if len(found) < 10_000:
            return ids[max(0, len(ids) - 1 - PAGE)]
        before, ids = ids[-1], ids[-1 - PAGE :]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
