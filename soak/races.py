"""The races: two sides let go at once, hundreds and thousands of times."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from soak.barrier import Aim, sleep_until, together
from soak.clients import Clients, Published, Refused
from soak.definitions import TIMEOUT
from soak.findings import Findings
from soak.planning import Deed, Round

LANES = 6
"""Races that are run at the same time."""

DEFINED = {"pair": "pair", "fork": "fork"}
"""What the executions run for which more than one event is published: waits one after the other, and side by side."""

BOTH_WAYS = 0.02
"""The least share of the races that each side must have won."""


class Races:
    """Runs the rounds of one workspace, and finds what answers contradict each other."""

    def __init__(self, clients: Clients, findings: Findings) -> None:
        self._clients = clients
        self._findings = findings
        self.outcomes: Counter[str] = Counter()
        self._aims: defaultdict[str, Aim] = defaultdict(lambda: Aim(0.02))

    @property
    def one_sided(self) -> list[str]:
        """Tell in which races one side came out ahead nearly always, so that there was none."""
        return [name for name, aim in self._aims.items() if min(aim.hits) < BOTH_WAYS * max(100, sum(aim.hits))]

    def run(self, rounds: Sequence[Round]) -> None:
        """Run rounds, several at a time."""
        run: dict[str, Callable[[ThreadPoolExecutor, Round], None]] = {
            "registration": self._registration,
            "timeout": self._timeout,
            "cancel": self._cancel,
            "publish": self._publish,
        }
        # A pool for the sides alone: a round that waited for a thread which another round has would never be over.
        with ThreadPoolExecutor(LANES, "lane") as lanes, ThreadPoolExecutor(LANES * 4, "side") as sides:
            list(lanes.map(lambda one: run[one.kind](sides, one), rounds))

    def _registration(self, pool: ThreadPoolExecutor, round: Round) -> None:
        """Let an event come while the wait for it is registered."""
        publish = partial(self._clients.publish, round.servers[1], f"{round.key}-e", round.key)
        aim = self._aims[round.variant]
        later = aim.seconds + round.offset
        if round.variant == "once":  # the wait comes with the execution
            start = partial(self._clients.start, round.servers[0], round.key, "once")
            sides: list[tuple[float, Callable[[], Any]]] = [(0.0, start), (later, publish)]
        elif round.variant == "asked":  # with the completion of the step before
            id, _ = self._clients.start(round.servers[0], round.key, "asked")
            sides = [(0.0, partial(self._complete, round, id)), (later, publish)]
        else:  # when a worker has done the task before
            _, made = self._clients.start(round.servers[0], round.key, "tasked")
            sleep_until(made + later)
            sides = [(0.0, publish)]
        answers = together(pool, sides)
        self._require_answers(round, answers)
        if isinstance(published := answers[-1], Published):
            # With a delivery the publisher has found the wait; without, the wait is to find the event.
            aim.hit(late=bool(published.deliveries))
            self.outcomes[f"{round.variant}: {'wait' if published.deliveries else 'event'} first"] += 1
            self._read_back(round, published)

    def _timeout(self, pool: ThreadPoolExecutor, round: Round) -> None:
        """Let an event come when the wait for it times out."""
        id, made = self._clients.start(round.servers[0], round.key, round.variant)
        aim = self._aims["timeout"]
        sleep_until(made + TIMEOUT + aim.seconds + round.offset)
        answers = together(pool, [(0.0, partial(self._clients.publish, round.servers[1], f"{round.key}-e", round.key))])
        self._require_answers(round, answers)
        if isinstance(answers[0], Published):
            in_time = answers[0].deliveries.get((id, "wait", 1)) == "CONSUMED"
            aim.hit(late=not in_time)
            self.outcomes["event" if in_time else "timeout"] += 1

    def _cancel(self, pool: ThreadPoolExecutor, round: Round) -> None:
        """Let an event come when its execution is cancelled."""
        id, _ = self._clients.start(round.servers[0], round.key, round.variant)
        if round.variant == "asked":
            self._clients.complete(round.servers[0], id, round.key)
        aim = self._aims["cancel"]
        publish = partial(self._clients.publish, round.servers[1], f"{round.key}-e", round.key)
        cancel = partial(self._clients.cancel, round.servers[0], id, round.key)
        answers = together(pool, [(round.offset + aim.seconds, publish), (0.0, cancel)])
        self._require_answers(round, answers)
        published, cancelled = answers
        if isinstance(published, Published) and isinstance(cancelled, bool):
            taken = published.deliveries.get((id, "wait", 1)) == "CONSUMED"
            aim.hit(late=cancelled)
            self.outcomes["cancelled" if cancelled else "event"] += 1
            if taken and cancelled:
                self._findings.add("doubled", round.key, "the event was taken, and the execution was cancelled, too")

    def _publish(self, pool: ThreadPoolExecutor, round: Round) -> None:
        """Let events come at once: the same thrice, two of one id, two for one wait, two for two waits."""
        id, _ = self._clients.start(round.servers[0], round.key, DEFINED.get(round.variant, "once"))
        events = {"same": ("e", "e", "e"), "other": ("e", "e")}.get(round.variant, ("e1", "e2"))
        notes = {"other": ("this", "that")}.get(round.variant, ("",) * 3)
        sides = []
        for place, (name, note) in enumerate(zip(events, notes, strict=False)):
            publish = partial(
                self._clients.publish, round.servers[place % 2], f"{round.key}-{name}", round.key, note=note
            )
            sides.append((round.offset * (place % 2), publish))
        answers = together(pool, sides)
        refused = [answer for answer in answers if isinstance(answer, Refused) and answer.code == "ALREADY_EXISTS"]
        self._require_answers(round, [answer for answer in answers if answer not in refused])
        if len(refused) != (1 if round.variant == "other" else 0):
            self._findings.add(
                "contradicted", round.key, f"{len(refused)} of {len(answers)} publishers were refused ({round.variant})"
            )
        published = [answer for answer in answers if isinstance(answer, Published)]
        for one in published:
            self._read_back(round, one)
        self.outcomes[round.variant] += 1
        taken = sum(one.deliveries.get((id, "wait", 1)) == "CONSUMED" for one in published)
        if round.variant == "two" and taken > 1:
            self._findings.add("doubled", round.key, "one wait took two events, as their publishers were told")

    def _require_answers(self, round: Round, answers: Sequence[Any]) -> None:
        for answer in answers:
            if isinstance(answer, Exception):
                self._findings.add("contradicted", round.key, f"a call was refused: {answer!r}")

    def _complete(self, round: Round, execution_id: str) -> None:
        """Complete a step; as soon as that is answered it has to stand in the ledger."""
        self._clients.complete(round.servers[0], execution_id, round.key)
        entries = self._clients.ask("ListLedgerEntries", server=round.servers[1], execution_id=execution_id).entries
        if not any(one.step_id == "ask" and '"request"' in one.data_json for one in entries):
            self._findings.add("lost", round.key, f"a step of {execution_id} is complete, and the ledger has it not")

    def _read_back(self, round: Round, told: Published) -> None:
        """Read what a publisher was told of: it has to stand in the ledger by then."""
        for (execution_id, step_id, visit), status in told.deliveries.items():
            if status != "CONSUMED":
                continue
            entries = self._clients.ask(
                "ListLedgerEntries", server=round.servers[0], execution_id=execution_id, page_size=500
            ).entries
            completed = [(one.step_id, one.visit) for one in entries if '"event"' in one.data_json]
            if (step_id, visit) not in completed:
                self._findings.add(
                    "lost", round.key, f"its publisher was told that {execution_id} took it, and the ledger has it not"
                )


def storm(clients: Clients, deeds: Sequence[Deed], findings: Findings, *, lanes: int = 32) -> None:
    """Start executions and publish their events as planned; every call is made until it is answered."""

    def do(deed: Deed) -> None:
        try:
            if deed.place is None:
                clients.publish(deed.server, f"{deed.key}-e", deed.key, request_id=f"publish-{deed.key}")
            else:
                clients.start(deed.server, deed.key, deed.variant, place=f"-{deed.place}")
        except Refused as refused:
            findings.add("stuck", deed.key, f"a call was not answered well, however often it was sent: {refused}")

    with ThreadPoolExecutor(lanes, "storm") as pool:
        list(pool.map(do, deeds))
