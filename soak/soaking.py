"""One soak: races, storms, healing and the count, on a herd."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field

from soak import planning
from soak.checking import count, settle
from soak.clients import Clients
from soak.findings import Findings
from soak.herd import Herd
from soak.journal import Journal
from soak.races import Races, storm
from soak.verifying import verify

RACES = tuple(planning.VARIANTS)
NAMES = (*RACES, "storm")


@dataclass
class Soak:
    """What is done on one herd, and what came of it."""

    herd: Herd
    database: str
    temporal: str
    journal: Journal
    seed: int
    patience: float = 60.0  # seconds that everything is given to come to rest
    pauses: tuple[float, float] = (3.0, 9.0)  # between two kills
    say: Callable[[str], None] = print
    findings: Findings = field(default_factory=Findings)
    is_void: list[str] = field(default_factory=list)  # why what was run shows nothing
    _clients: dict[str, Clients] = field(default_factory=dict)

    def race(self, kind: str, number: int, *, first: int = 0) -> None:
        """Run so many races of a kind and count."""
        began = time.monotonic()
        clients = self._workspace(kind)
        races = Races(clients, self.findings)
        races.run(planning.rounds(self.seed, kind, first, number))
        ran = time.monotonic() - began
        if number >= 100:
            self.is_void += [f"{kind}: one side of {name} came out ahead nearly always" for name in races.one_sided]
        self._count(kind, clients, f"{number:,} races in {ran:.0f} s", races.outcomes)

    def storm(self, events: int, waits: int, *, first: int = 0, kills: bool = True) -> None:
        """Publish events, each to so many executions, while processes are killed; and count."""
        began = time.monotonic()
        clients = self._workspace("storm")
        deeds = planning.storm(self.seed, first, events, waits)
        before = Counter(self.herd.killed)
        planned = planning.kills(self.seed, first, self.pauses)
        with self.herd.troubled(planned) if kills else nullcontext():
            storm(clients, deeds, self.findings)
        killed = self.herd.killed - before
        ran = time.monotonic() - began
        if kills and ran > 60 and len(killed) < len(planning.VICTIMS):
            self.is_void.append(f"storm: not every process was killed ({dict(killed)})")
        self._count("storm", clients, f"{events:,} events x {waits} waits in {ran:.0f} s", killed)

    def close(self) -> None:
        """Close the clients' lines and the journal."""
        for clients in self._clients.values():
            clients.close()
        self.journal.close()

    def _workspace(self, kind: str) -> Clients:
        if kind not in self._clients:
            self._clients[kind] = Clients(self.herd.targets, f"soak-{kind}", self.journal)
            self._clients[kind].prepare(planning.RUN[kind])
        return self._clients[kind]

    def _count(self, kind: str, clients: Clients, what: str, outcomes: Counter[str]) -> None:
        self.herd.tend()
        waited = settle(self.database, clients.workspace, self.patience)
        stored = count(self.database, clients.workspace, self.journal, self.findings)
        asked = verify(clients, self.temporal, stored, self.findings, self.seed)
        told = ", ".join(f"{name} {number:,}" for name, number in sorted(outcomes.items()))
        self.say(
            f"{kind:13} {what}; at rest after {waited:.1f} s; {len(stored.stories):,} executions, "
            f"{len(stored.events):,} events, {asked} asked for; {told or 'nothing killed'}"
        )
