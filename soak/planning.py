"""What a soak does: made from the seed alone, so that a seed repeats it."""

from __future__ import annotations

import random
from dataclasses import dataclass

VARIANTS: dict[str, tuple[str, ...]] = {
    "registration": ("once", "asked", "tasked"),
    "timeout": ("timed-again", "timed-late"),
    "cancel": ("once", "asked"),
    "publish": ("same", "other", "two", "pair", "fork"),
}
"""The races, and in which ways each is run."""

JITTER = 0.005
"""Seconds by which one side of a race is let go earlier or later than the other, at most."""

STORMED = ("once", "tasked-back")
"""What the executions of the storm run."""

RUN = {**VARIANTS, "publish": ("once", "pair", "fork"), "storm": STORMED}
"""The definitions that each part of a soak runs."""

VICTIMS = ("server-1", "server-2", "worker-1", "worker-2")


@dataclass(frozen=True, slots=True)
class Round:
    """One race: of which kind and way, how much later the second side is let go, and to which server each goes."""

    kind: str
    number: int
    variant: str
    offset: float  # seconds; negative: earlier
    servers: tuple[int, int]

    @property
    def key(self) -> str:
        """What ties the execution to its events."""
        return f"{self.kind}-{self.number}"


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a client does in the storm: start the execution of a place, or publish (place: None)."""

    event: int
    place: int | None
    variant: str
    server: int

    @property
    def key(self) -> str:
        """What ties the event's executions to it."""
        return f"storm-{self.event}"


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that is killed so many seconds after the kill before."""

    pause: float
    victim: str


def rounds(seed: int, kind: str, first: int, count: int) -> list[Round]:
    """Plan races; those of a larger count begin with those of a smaller one."""
    return [_round(seed, kind, number) for number in range(first, first + count)]


def _round(seed: int, kind: str, number: int) -> Round:
    dice = random.Random(f"{seed}/{kind}/{number}")
    first = dice.randrange(2)
    second = first if dice.random() < 0.25 else 1 - first
    variants = VARIANTS[kind]
    return Round(kind, number, variants[number % len(variants)], dice.uniform(-JITTER, JITTER), (first, second))


def storm(seed: int, first: int, events: int, waits: int) -> list[Deed]:
    """Plan what clients do in the storm: every event comes before some of its waits and after others."""
    dice = random.Random(f"{seed}/storm/{first}")
    deeds: list[tuple[float, Deed]] = []
    for event in range(first, first + events):
        at = float(event)
        deeds.append((at, Deed(event, None, "", dice.randrange(2))))
        for place in range(waits):
            deed = Deed(event, place, STORMED[place % len(STORMED)], dice.randrange(2))
            deeds.append((at + dice.gauss(-1.0, 1.5), deed))
    return [deed for _, deed in sorted(deeds, key=lambda one: one[0])]


def kills(seed: int, first: int, pauses: tuple[float, float]) -> list[Kill]:
    """Plan more kills than a storm can last."""
    dice = random.Random(f"{seed}/kills/{first}")
    return [Kill(dice.uniform(*pauses), dice.choice(VICTIMS)) for _ in range(10_000)]
