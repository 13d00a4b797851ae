"""Planting one bug after the other, and seeing whether the soak finds each within a minute."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bench.ground import Ground
from soak.__main__ import NOTES, herd
from soak.journal import Journal
from soak.planting import BUGS
from soak.soaking import RACES, Soak

WITHIN = 60.0
"""Seconds that a bug may stay undiscovered, from the first call on."""

ROUNDS = 120
"""Races that are run before each count."""

STORM = (20, 5)
"""Events and waits likewise."""

PATIENCE = 15.0
"""Seconds that all is given to come to rest with a bug: longer than any lease, after which a sweep does what is left.

Without one it is given longer: what a dead worker had begun is tried again when its time is over.
"""

PAUSES = (0.5, 1.5)
"""Seconds between two kills."""


def catch_all(ground: Ground, seed: int, names: Sequence[str]) -> int:
    """Plant each bug, and nothing once; prints a table, and gives the exit code."""
    print(f"{'planted':26} {'found':42} {'seconds':>7}  by", flush=True)
    answers = [_catch(ground, seed, name) for name in ("", *names)]
    return 0 if all(answers) else 1


def _catch(ground: Ground, seed: int, name: str) -> bool:
    """Plant a bug and look for it; without one, nothing may be found. Gives whether it came out as it should."""
    parts = BUGS[name].found_by if name else (*RACES, "storm")
    label = name or "nothing"
    home = NOTES / f"{seed}-{label}"
    with herd(ground, f"planted-{label}", home, name) as (running, database):
        soak = Soak(
            running,
            database,
            ground.temporal,
            Journal(home / "journal.jsonl"),
            seed,
            PATIENCE if name else WITHIN,
            PAUSES,
            say=lambda _: None,
        )
        began, found_by, batch = time.monotonic(), "", 0
        while not len(soak.findings) and time.monotonic() - began < WITHIN and (name or batch == 0):
            for part in parts:
                if part in RACES:
                    soak.race(part, ROUNDS, first=batch * ROUNDS)
                else:
                    soak.storm(*STORM, first=batch * STORM[0])
                if len(soak.findings):
                    found_by = part
                    break
            batch += 1
        seconds = time.monotonic() - began
        soak.close()
    counts = ", ".join(f"{kind} {number}" for kind, number in soak.findings.counts().items() if number)
    is_well = bool(counts) == bool(name) and (not name or seconds < WITHIN)
    print(f"{label:26} {counts or 'nothing':42} {seconds:7.1f}  {found_by}{'' if is_well else '  NOT AS IT SHOULD'}")
    for finding in soak.findings.all[: 1 if name else 10]:
        print(f"    {finding.kind} {finding.about}: {finding.message}", flush=True)
    return is_well
