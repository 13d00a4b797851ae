"""What the use cases need of Temporal, in the core's own words; `temporal/gateway.py` is the real thing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.domain.execution import Launch
from service.engine.entries import Entry
from service.engine.run import Refused


class TemporalAway(Exception):
    """Temporal, or a worker, could not be asked; nothing is known of what it did."""


class StartRefused(Exception):
    """Temporal refuses what it was asked for, and will the next time."""


class Unread(Exception):
    """More is stored than the asker has read; what is asked again may have been taken in by now."""


class Doubtful(Refused):
    """A refusal by a workflow that may have it wrong: it does not know what it goes by to be stored.

    `moment` is the time that it has for the entry that the asker has read last; where another is stored, it is wrong.
    """

    def __init__(self, reason: str, message: str, moment: str, **facts: Any) -> None:
        super().__init__(reason, message, **facts)
        self.moment = moment


class WorkflowEnded(Exception):
    """The execution's workflow has ended, or was never there."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an observation did, durably: ledger entries that may not be stored yet, and the phase after them.

    Where they are too large for one answer these are the first of them, or none, `upto` is the number of the last and
    `moment` its time.
    """

    entries: tuple[Entry, ...]
    phase: str
    upto: int = 0
    moment: str = ""


class Gateway(Protocol):
    """The door to Temporal; workflows are named by `Execution.workflow_id`. See `TemporalGateway` for the errors.

    Observations travel as `engine.observations.encode` writes them; `id` names one, so that it is taken in once.
    `after` is the last ledger entry that its sender has read: the workflow judges it when it has come that far.
    `again`: it was brought before, and what the workflow said of it is not what is stored.
    """

    def start(self, launch: Launch) -> None:
        """Start the workflow of an execution; one that was there before, running or ended, is as good."""

    def observe(
        self, workflow_id: str, document: dict[str, Any], id: str, seconds: float, *, after: int, again: bool = False
    ) -> Effect:
        """Bring an observation to a running workflow and wait for its effect."""

    def start_and_observe(
        self, launch: Launch, document: dict[str, Any], id: str, seconds: float, *, after: int
    ) -> Effect:
        """Bring an observation to a workflow whose start may not have happened yet."""

    def tell(self, workflow_id: str, document: dict[str, Any], *, after: int) -> None:
        """Bring an observation to a running workflow without waiting for its effect; `after` as in `observe`."""

    def unwritten(self, workflow_id: str, seconds: float, *, after: int) -> Effect:
        """Get the newest entries of a workflow, running or ended, that may not be stored, behind the entry `after`."""

    def fate(self, workflow_id: str) -> str:
        """Tell how Temporal has a workflow: RUNNING, COMPLETED, FAILED, CANCELED, TERMINATED, TIMED_OUT or NONE."""

    def ended_badly(self, since: datetime) -> list[tuple[str, str, int]]:
        """List the workflows that ended since an instant without completing: workspace, execution id, retries."""

    def terminate(self, workflow_id: str, reason: str) -> None:
        """End a workflow whose execution was ended without it."""
