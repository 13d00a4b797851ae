"""What crosses into Temporal. Every field has a default, so that fields can be added while executions run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

WORKFLOW = "heddle.execution"
"""The one workflow type; the plan says what an execution does."""

OBSERVE = "observe"
"""The workflow's update: an observation of somebody outside, as `engine.observations.encode` writes it."""

TELL = "tell"
"""The workflow's signal: an observation whose sender does not wait for its effect."""

UNWRITTEN = "unwritten"
"""The workflow's query: the batch of entries that may not be stored yet."""

RECORD = "heddle.record"
"""The activity that writes ledger entries."""

STORED = "heddle.stored"
"""The activity that reads ledger entries."""

PROVIDER_OF = "heddle.provider_of"
"""The activity that says where data sources of a type are served."""

FETCH = "heddle.fetch"
"""The activity that asks a data source over HTTP, on a task queue of its own (`fetch_queue`)."""

CONFIRM = "heddle.confirm"
"""The activity that makes sure that an execution is still wanted, and takes it over from the database."""

KEEP_PART = "heddle.keep_part"
"""The activity that stores a part of a state that is too large for the workflow's input."""

SPAWN = "heddle.start_children"
"""The activity that starts child executions."""

COLLECT = "heddle.collect_outputs"
"""The activity that reads the outputs of child executions."""

REFUSED = "heddle.refused"
"""The error type of an update that the engine refuses; its details are reason, message and facts."""

MOMENT = "moment"
"""The fact of a refusal that says which time the workflow has for the entry that the sender has read last."""

BEHIND = "heddle.behind"
"""The error type of an update that came before the workflow had repeated what its ledger tells already."""

UNREAD = "heddle.unread"
"""The error type of an update that is asked again by somebody who has not read all that is stored meanwhile."""

NOT_THE_WRITER = "heddle.not_the_writer"
"""The error type of a ledger write to an execution that another writer has ended or carried on."""


def fetch_queue(task_queue: str) -> str:
    """Name the queue of what Heddle's workers fetch: a source that hangs must not hold up the writing of ledgers."""
    return f"{task_queue}.fetch"


@dataclass(frozen=True)
class Order:
    """The workflow's input, at the first start and after continue-as-new alike: where to go on, and on which plan."""

    workspace: str = ""
    execution_id: str = ""
    plan_digest: str = ""
    state: str = ""  # JSON of engine.state.State; empty when it stands in the database
    history_limit: int = 0  # events after which the execution continues as new; 0: when Temporal suggests it
    create_time: str = ""  # of the execution, ISO 8601; empty when the workflow was begun before
    parts: list[str] = field(default_factory=list)  # digests of the parts of a state that is too large for this
    paced: bool = False  # the workflow hands over no more at a time than Temporal takes; those of earlier code do not


@dataclass(frozen=True)
class Family:
    """A step run with child executions: which of them to start, or how many there are to collect from."""

    workspace: str = ""
    execution_id: str = ""
    step_id: str = ""
    visit: int = 0
    round: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)  # fields of engine.steps.sub_workflow.ChildOrder
    items: int = 0


@dataclass(frozen=True)
class Started:
    """What became of orders: as `spawning.Spawned`."""

    items: list[int] = field(default_factory=list)
    ended: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Consecutive ledger entries of one execution, and the phase that it is in after them."""

    workspace: str = ""
    execution_id: str = ""
    phase: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)
    upto: int = 0  # the last entry that there is, where they are too large to be told; then there are more than these
    moment: str = ""  # the time of that entry


@dataclass(frozen=True)
class Stored:
    """Ledger entries that are stored where others were to be written, as many as go into one message."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    more: bool = False  # others follow


@dataclass(frozen=True)
class Place:
    """A place in a ledger: behind the entry of a number."""

    workspace: str = ""
    execution_id: str = ""
    after: int = 0


@dataclass(frozen=True)
class FetchOrder:
    """What to ask of an HTTP endpoint. Its token is not here, since this is kept in the workflow's history."""

    type: str = ""  # of the data source
    url: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    timeout: float = 0  # seconds
    idempotency_key: str = ""
