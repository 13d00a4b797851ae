"""One run of one version, and what it takes to hand it to Temporal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED", "FAILED_TO_START"})
"""Statuses in which nothing more happens by itself; only a retry leaves one of them, FAILED."""

MAX_DEPTH = 10
"""How deep children may have children; an execution that a caller started has depth 0."""

PROMPT = timedelta(seconds=1)
"""A workflow that begins so soon after its execution was created need not ask whether it is still wanted.

For that, nobody ends an execution in the database alone before twice this time is over, the clocks' difference allowed.
"""


def workflow_id(workspace: str, execution_id: str, retries: int) -> str:
    """Name the workflow of an execution: each retry has one of its own, so that a late start cannot repeat it."""
    return f"heddle/{workspace}/{execution_id}" + (f"/{retries}" if retries else "")


def parse_workflow_id(id: str) -> tuple[str, str, int] | None:
    """Split a workflow's name into workspace, execution id and retries; None when it is not of that form."""
    match id.split("/"):
        case ["heddle", workspace, execution_id]:
            return workspace, execution_id, 0
        case ["heddle", workspace, execution_id, retries] if retries.isdecimal():
            return workspace, execution_id, int(retries)
    return None


@dataclass(frozen=True, slots=True)
class Planned:
    """A step run whose child executions are about to start."""

    step_id: str
    visit: int
    number: int  # of the ledger entry that says so
    children: int  # how many are to start, all in all
    kept: int = 0  # how many there are already, of an earlier try


@dataclass(frozen=True, slots=True)
class Siblings:
    """The children of one try of a parent's step run; `round` is the ledger number with which the try began."""

    workspace: str
    parent_id: str
    step_id: str
    visit: int
    round: int


@dataclass(frozen=True, slots=True)
class Execution:
    """The record of an execution as readers see it; `input`, `output` and `error` are JSON text."""

    workspace: str
    id: str
    request_id: str
    request_digest: str
    name: str
    template_id: str
    version_id: str
    plan_digest: str
    status: str
    phase: str
    input: str
    output: str | None  # None: it has not completed
    error: str | None  # None: it has not failed
    parent_id: str | None  # None: nobody's child
    root_id: str
    correlation_id: str
    subject_type: str
    subject_id: str
    entity_type: str
    entity_id: str
    last_number: int
    revision: int
    create_time: datetime
    start_time: datetime | None  # None: Temporal has not taken it over
    end_time: datetime | None  # None: it has not ended
    update_time: datetime
    launch_after: datetime | None  # None: it needs no launching
    launch_attempts: int
    launch_error: str | None  # None: the last attempt, if any, did not fail
    parent_step_id: str = ""  # empty: nobody's child; the next three likewise 0
    parent_visit: int = 0
    parent_round: int = 0
    parent_item: int = 0
    depth: int = 0
    retries: int = 0
    cancellation: str | None = None  # JSON {reason, source, by?, event?, compensates?, time}; None: no cancel
    variables: str | None = None  # a JSON object of those that were set; None: none was
    compensation: str | None = None  # JSON {status, plan, skipped?, failed?}; None: there is nothing to make up for
    event_id: str = ""  # of the event that started it; empty: something else did
    trigger_id: str = ""
    event_depth: int = 0  # how many triggers led to it, or to the parent it goes back to

    @classmethod
    def new(
        cls,
        *,
        workspace: str,
        id: str,
        request_id: str,
        request_digest: str,
        name: str,
        template_id: str,
        version_id: str,
        plan_digest: str,
        input: str,
        time: datetime,
        correlation_id: str = "",
        subject: tuple[str, str] = ("", ""),
        entity: tuple[str, str] = ("", ""),
        parent: Execution | None = None,
        siblings: Siblings | None = None,
        item: int = 0,
        event: tuple[str, str, int] = ("", "", 0),
    ) -> Execution:
        """Make the record of an execution that nothing has happened to yet; `event` is event, trigger and depth."""
        return cls(
            workspace=workspace,
            id=id,
            request_id=request_id,
            request_digest=request_digest,
            name=name,
            template_id=template_id,
            version_id=version_id,
            plan_digest=plan_digest,
            status="CREATED",
            phase="NONE",
            input=input,
            output=None,
            error=None,
            parent_id=parent.id if parent else None,
            root_id=parent.root_id if parent else id,
            correlation_id=correlation_id,
            subject_type=subject[0],
            subject_id=subject[1],
            entity_type=entity[0],
            entity_id=entity[1],
            last_number=0,
            revision=1,
            create_time=time,
            start_time=None,
            end_time=None,
            update_time=time,
            launch_after=None,
            launch_attempts=0,
            launch_error=None,
            parent_step_id=siblings.step_id if siblings else "",
            parent_visit=siblings.visit if siblings else 0,
            parent_round=siblings.round if siblings else 0,
            parent_item=item,
            depth=parent.depth + 1 if parent else 0,
            event_id=event[0],
            trigger_id=event[1],
            event_depth=parent.event_depth if parent else event[2],
        )

    @property
    def workflow_id(self) -> str:
        """The name of its workflow in Temporal."""
        return workflow_id(self.workspace, self.id, self.retries)

    @property
    def has_ended(self) -> bool:
        """Tell whether it has come to its end; what it did may still be made up for."""
        return self.status in ENDED

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more happens to it by itself."""
        return self.has_ended and self.phase != "COMPENSATING"


@dataclass(frozen=True, slots=True)
class Launch:
    """An execution to be handed to Temporal, with the engine's state (JSON) that it begins from."""

    workspace: str
    execution_id: str
    plan_digest: str
    state: str
    create_time: datetime  # of the execution: what starts long after that may be unwanted by then
    retries: int = 0

    @property
    def workflow_id(self) -> str:
        """The name of the workflow to be started."""
        return workflow_id(self.workspace, self.execution_id, self.retries)
