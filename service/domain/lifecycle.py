"""The lives of the records as tables: which state may follow which, and what leads there.

`check` enforces them, and `docs/state-tables.md` is printed from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from service.domain.errors import WrongState


@dataclass(frozen=True, slots=True)
class Move:
    """One line of a table."""

    source: str
    event: str
    target: str


@dataclass(frozen=True)
class Lifecycle:
    """The life of one kind of record; it begins in the state `first`."""

    noun: str
    first: str
    moves: tuple[Move, ...]

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Every state, in the order of the table."""
        return tuple(dict.fromkeys(state for move in self.moves for state in (move.source, move.target)))

    def allows(self, current: str, target: str) -> bool:
        """Tell whether one state may follow another."""
        return any((move.source, move.target) == (current, target) for move in self.moves)

    def knows(self, current: str, event: str) -> bool:
        """Tell whether something may be done to a record in a state."""
        return any((move.source, move.event) == (current, event) for move in self.moves)


def check(life: Lifecycle, current: str, event: str, *, wish: str, reason: str, **facts: object) -> None:
    """Refuse what the table does not have; `wish` is what was wanted, such as "publish version 1.0.0"."""
    if not life.knows(current, event):
        raise WrongState(reason, f"cannot {wish}: it is {current}", status=current, **facts)


TEMPLATE = Lifecycle(
    "template",
    "DRAFT",
    (
        Move("DRAFT", "ActivateVersion", "ACTIVE"),
        Move("DRAFT", "ArchiveTemplate", "ARCHIVED"),
        Move("ACTIVE", "ActivateVersion", "ACTIVE"),
        Move("ACTIVE", "DeactivateTemplate", "DRAFT"),
        Move("ACTIVE", "ArchiveTemplate", "ARCHIVED"),
        Move("ARCHIVED", "UnarchiveTemplate", "DRAFT"),
        Move("ARCHIVED", "UnarchiveTemplate", "ACTIVE"),
    ),
)

VERSION = Lifecycle(
    "version",
    "DRAFT",
    (
        Move("DRAFT", "UpdateVersion", "DRAFT"),
        Move("DRAFT", "PublishVersion", "PUBLISHED"),
        Move("PUBLISHED", "ActivateVersion", "PUBLISHED"),
        Move("PUBLISHED", "DeprecateVersion", "DEPRECATED"),
    ),
)

EXECUTION = Lifecycle(
    "execution",
    "CREATED",
    (
        Move("CREATED", "Temporal confirms the start", "STARTED"),
        Move("CREATED", "Temporal refuses the start", "FAILED_TO_START"),
        Move("CREATED", "its first moves reach the end", "COMPLETED"),
        Move("CREATED", "its first moves fail", "FAILED"),
        Move("CREATED", "CancelExecution", "CANCELLED"),
        Move("STARTED", "its last token reaches the end", "COMPLETED"),
        Move("STARTED", "a failure that nothing catches", "FAILED"),
        Move("STARTED", "CancelExecution", "CANCELLED"),
        Move("FAILED", "RetryExecution", "CREATED"),
        Move("FAILED", "RetryExecution reaches the end at once", "COMPLETED"),
    ),
)

STEP_RUN = Lifecycle(
    "step run",
    "PENDING",
    (
        Move("PENDING", "a token arrives, or UpdateStep sets a parked one free", "RUNNING"),
        Move("PENDING", "a token arrives at a step that waits for somebody outside", "WAITING"),
        Move("PENDING", "a token arrives at a step that is done at once", "COMPLETED"),
        Move("PENDING", "a token arrives at a step that fails at once", "FAILED"),
        Move("PENDING", "a token arrives at a step that is switched off, or UpdateStep", "DISABLED"),
        Move("PENDING", "the execution completes without it", "SKIPPED"),
        Move("PENDING", "the execution fails or is cancelled", "CANCELLED"),
        Move("RUNNING", "it has to wait for somebody outside", "WAITING"),
        Move("RUNNING", "it succeeds", "COMPLETED"),
        Move("RUNNING", "it fails for good", "FAILED"),
        Move("RUNNING", "UpdateStep", "DISABLED"),
        Move("RUNNING", "the execution fails or is cancelled", "CANCELLED"),
        Move("WAITING", "CompleteStep, or what it waits for", "COMPLETED"),
        Move("WAITING", "what it waits for fails", "FAILED"),
        Move("WAITING", "UpdateStep", "DISABLED"),
        Move("WAITING", "the execution completes without it", "SKIPPED"),
        Move("WAITING", "the execution fails or is cancelled", "CANCELLED"),
        Move("DISABLED", "UpdateStep", "PENDING"),
        Move("DISABLED", "UpdateStep", "RUNNING"),
        Move("DISABLED", "UpdateStep sets a step free that waits for somebody outside", "WAITING"),
        Move("DISABLED", "UpdateStep", "COMPLETED"),
        Move("DISABLED", "UpdateStep sets a step free that fails at once", "FAILED"),
        Move("DISABLED", "the execution completes without it", "SKIPPED"),
        Move("DISABLED", "the execution fails or is cancelled", "CANCELLED"),
    ),
)

LIFECYCLES = (TEMPLATE, VERSION, EXECUTION, STEP_RUN)
