"""Race and kill a whole Heddle, and count what is lost, doubled or stuck: `python -m soak [--seed N] [--only NAME]`."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ground import Ground, ground
from service.embedded.problem import Problem
from soak.findings import KINDS, Findings
from soak.herd import Herd
from soak.journal import Journal
from soak.planting import BUGS
from soak.soaking import NAMES, RACES, Soak

NOTES = Path(".heddle/soak")
"""Where it notes what clients do, and the servers and workers what they do."""

SHOWN = 20
"""Findings of each kind that are printed; the count has them all."""


def main() -> int:
    """Run what was asked for; the exit code is 1 when anything was found, or nothing was shown."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through the `finally`s that end the processes
    _say(f"seed {arguments.seed}; load average {os.getloadavg()[0]:.1f}")
    try:
        with ground() as servers:
            servers.tasks()
            if arguments.planted:
                from soak.planted import catch_all

                return catch_all(servers, arguments.seed, arguments.bug or list(BUGS))
            return _soak(servers, arguments)
    except Problem as problem:
        print(f"soak: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats a plan")
    parser.add_argument("--races", type=int, default=2_000, help="races of each kind (2,000)")
    parser.add_argument("--events", type=int, default=500, help="events of the storm (500)")
    parser.add_argument("--waits", type=int, default=20, help="executions that wait for each of them (20)")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds in which all must come to rest (90)")
    parser.add_argument("--only", action="append", choices=NAMES, help="only this part; may be given again")
    parser.add_argument("--planted", action="store_true", help="plant bugs instead, and see each caught")
    parser.add_argument("--bug", action="append", choices=list(BUGS), help="plant only this one; may be given again")
    return parser.parse_args()


def _soak(servers: Ground, arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    home = NOTES / str(arguments.seed)
    with herd(servers, "soak", home) as (running, database):
        journal = Journal(home / "journal.jsonl")
        soak = Soak(running, database, servers.temporal, journal, arguments.seed, arguments.patience, say=_say)
        for name in arguments.only or NAMES:
            if name in RACES:
                soak.race(name, arguments.races)
            else:
                soak.storm(arguments.events, arguments.waits)
        soak.close()
    _say(f"\n{time.monotonic() - began:.0f} s; journal and logs are in {home}")
    return _report(soak.findings, soak.is_void, arguments.seed)


@contextmanager
def herd(servers: Ground, name: str, home: Path, planted: str = "") -> Iterator[tuple[Herd, str]]:
    """Start two servers and two workers that log to a folder, on a database of their own; gives them and its url."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    database = servers.database(name.replace("-", "_"))
    running = Herd(home.absolute(), database, servers.temporal, queue=name, planted=planted)
    try:
        running.start()
        yield running, database
    finally:
        running.end()


def _report(findings: Findings, is_void: list[str], seed: int) -> int:
    for kind in KINDS:
        found = [finding for finding in findings.all if finding.kind == kind]
        for finding in found[:SHOWN]:
            _say(f"{kind.upper()} {finding.about}: {finding.message}")
        if len(found) > SHOWN:
            _say(f"… and {len(found) - SHOWN} more {kind}")
    for why in is_void:
        _say(f"VOID {why}")
    counts = ", ".join(f"{kind} {number}" for kind, number in findings.counts().items())
    _say(f"{counts} (seed {seed})")
    return 1 if len(findings) or is_void else 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
