"""What the engine wants to know of a step type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.definition.plan import Step
from service.engine.commands import Command, SetTimer
from service.engine.run import Run, Visit
from service.engine.state import OpenRun


def _asks_nothing(step: Step, run: OpenRun) -> Command | None:
    return None


def when_due(step: Step, run: OpenRun) -> SetTimer | None:
    """Ask for the instant that a step run waits for, if it does."""
    return SetTimer(run.key, datetime.fromisoformat(run.due)) if run.due else None


@dataclass(frozen=True, slots=True)
class Kind:
    """A step type.

    `enter` performs a visit: it completes it, fails it, or makes it wait. A step run that waits asks the world for
    `command`, at its start and again whenever a worker takes the execution up, and hears the observations that it
    lists, by type. `waits_for` is the phase that it gives to an execution in which nothing else can progress.
    """

    enter: Callable[[Run, Visit], None]
    command: Callable[[Step, OpenRun], Command | None] = _asks_nothing
    hears: Mapping[type, Callable[[Run, Visit, Any], None]] = field(default_factory=dict)
    waits_for: str = "RUNNING"
    gathers: bool = False  # tokens are held until the joins' rule lets them through
    passable: bool = True  # arriving as COMPLETED goes straight through; a gateway must choose all the same
