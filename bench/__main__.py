"""Measure how fast Heddle is on this machine, beside what it stands on: `python -m bench [name ...]`."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from bench import batches, counts, events, inline, orders, printing, reads, simulation, starts, tasks
from bench.ground import Ground, ground
from bench.measuring import Comparison
from bench.profiling import profile
from bench.stage import Stage
from service.embedded.problem import Problem

CONTESTS: dict[str, Callable[[Stage], list[Comparison]]] = {
    "starts": starts.measure,
    "tasks": tasks.measure,
    "inline": inline.measure,
    "reads": reads.measure,
    "events": events.measure,
    "orders": orders.measure,
}
NAMES = [*CONTESTS, "batches", "counts", "simulation"]


def main() -> int:
    """Run what was asked for; the answer is the exit code, whatever the figures are."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the `finally`s that end the processes
    names = arguments.names or NAMES
    began = time.monotonic()
    _say(f"{os.cpu_count()} cores, Python {platform.python_version()}")
    _say(f"Load average {os.getloadavg()[0]:.1f} before: the less, the better the figures")
    try:
        sections = _measure(names, arguments.profile)
    except Problem as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for section in sections:
        _say(f"\n{section}")
    _say(f"\n{time.monotonic() - began:.0f} s")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(NAMES)}; all when left out")
    parser.add_argument("--profile", choices=["server", "worker"], help="sample this process with py-spy")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in NAMES:
            parser.error(f"there is no benchmark {name!r}, only {', '.join(NAMES)}")
    return arguments


def _measure(names: Sequence[str], profiled: str | None) -> list[str]:
    """Measure what was asked for; gives the tables."""
    # First what wants the machine for itself, then what wants to be the servers' only caller.
    sections = [printing.simulation(simulation.measure())] if "simulation" in names else []
    if set(names) <= {"simulation"}:
        return sections
    with ground() as servers:
        _say(f"PostgreSQL {servers.postgres_version}")
        counted = [printing.counts(counts.measure(servers))] if "counts" in names else []
        staged = [name for name in names if name in CONTESTS or name == "batches"]
        if staged:
            sections += _staged(servers, staged, profiled)
    return sections + counted


def _staged(servers: Ground, names: Sequence[str], profiled: str | None) -> list[str]:
    stage = Stage.on(servers)
    compared: list[Comparison] = []
    told: list[str] = []
    for name in names:
        _say(f"Measuring {name}")
        stacks = Path(tempfile.gettempdir(), f"heddle-{name}-{profiled}.stacks")
        with profile(servers.processes[profiled].pid, stacks) if profiled else nullcontext():
            if name == "batches":
                found = batches.measure(stage)
                compared.append(found.comparison)
                told.append(printing.batches(found))
            else:
                compared += CONTESTS[name](stage)
    return [printing.comparisons(compared), printing.cpu(compared), *told]


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
