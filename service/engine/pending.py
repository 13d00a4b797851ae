"""What has been judged and is not known to be stored: ledger entries, and what they came of.

Whoever judges may find, when it writes, that an earlier attempt of its own has written already, and has heard things in
another order. What is written is what happened: it is folded into the state before, and everything heard since is told
again to that state. What is in the ledger already changes nothing then; what is not gets judged now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from service.definition.plan import Plan
from service.engine.advancing import advance
from service.engine.entries import Entry
from service.engine.folding import apply
from service.engine.observations import (
    ChildrenStarted,
    DataFetched,
    Observation,
    OutputsCollected,
    Proceeded,
    TimerFired,
)
from service.engine.run import Refused
from service.engine.state import State, json_size

ASKED_AGAIN = (Proceeded, TimerFired, DataFetched, ChildrenStarted, OutputsCollected)
"""Observations that need not be told again: a state that waits for one still asks for it, and may well ask twice."""


class Pending:
    """Ledger entries from the last one that is known to be stored to the state that they led to."""

    def __init__(self, state: State) -> None:
        self.unwritten: list[Entry] = []
        self.bytes = 0  # of inputs and outputs in them
        self._being_written: list[Entry] = []
        self._bytes_being_written = 0
        self._stored = state  # behind the last entry that is known to be stored
        self._then = state  # behind those that are being written
        self._heard: list[Observation] = []  # what the unwritten ones came of
        self._heard_before: list[Observation] = []  # what those came of that are being written

    @property
    def written(self) -> int:
        """The number of the last entry that is known to be stored."""
        return self._stored.number

    @property
    def entries(self) -> list[Entry]:
        """All that may not be stored yet."""
        return [*self._being_written, *self.unwritten]

    @property
    def all_bytes(self) -> int:
        """Bytes of inputs and outputs in all that may not be stored yet."""
        return self._bytes_being_written + self.bytes

    def holds(self, observation: Observation) -> bool:
        """Tell whether one of the entries came of the same call as this observation."""
        request = _request(observation)
        return request is not None and request in _requests(self.entries)

    def time_of(self, number: int) -> str:
        """Give the time of one of the entries; empty when it is known to be stored, or has not come yet.

        Two attempts at a story never have the same, so it tells whose entry that is.
        """
        return next((entry.time for entry in self.entries if entry.number == number), "")

    def add(self, observation: Observation, entries: Sequence[Entry]) -> None:
        """Keep what came of an observation; also one without effect may have another in another order."""
        self.unwritten.extend(entries)
        self.bytes += sum(json_size(entry.data) for entry in entries)
        if not isinstance(observation, ASKED_AGAIN) and (self.unwritten or self._being_written):
            self._heard.append(observation)

    def begin(self, state: State) -> list[Entry]:
        """Give what is to be written now, which leads to this state."""
        self._being_written, self.unwritten = self.unwritten, []
        self._bytes_being_written, self.bytes = self.bytes, 0
        self._heard_before, self._heard = self._heard, []
        self._then = state
        return self._being_written

    def end(self) -> None:
        """Know what was to be written as stored."""
        self._being_written, self._bytes_being_written, self._heard_before = [], 0, []
        self._stored = self._then

    def adopt(self, plan: Plan, stored: Sequence[Entry], now: datetime) -> State:
        """Take these entries, which are stored in place of what was to be written, for what happened.

        Gives the state that they and everything heard since lead to.
        """
        heard = [*self._heard_before, *self._heard]
        state = self._stored.fork()
        for entry in stored:
            apply(state, entry)
        self._stored = state
        self._being_written, self._heard_before, self._heard = [], [], []
        self.unwritten, self.bytes, self._bytes_being_written = [], 0, 0
        known = _requests(stored)
        for observation in heard:
            if _request(observation) not in known:
                state = self._tell(plan, state, observation, now)
        return state

    def _tell(self, plan: Plan, state: State, observation: Observation, now: datetime) -> State:
        try:
            outcome = advance(plan, state, observation, now)
        except Refused:
            self.add(observation, ())
            return state
        self.add(observation, outcome.entries)
        return outcome.state


def _requests(entries: Iterable[Entry]) -> set[str]:
    return {request["id"] for entry in entries if (request := entry.data.get("request"))}


def _request(observation: Observation) -> str | None:
    request = getattr(observation, "request", None)
    return request["id"] if request else None
