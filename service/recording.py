"""Writing down what an execution did: ledger entries, and the rows that readers see, which are a fold of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import takewhile
from typing import Any, Literal

from service.definition.plan import Json
from service.domain.human_task import OPEN
from service.domain.json_text import canonical, compact
from service.engine.entries import Entry
from service.engine.projecting import MISSING, StepRunChange, TaskChange, project
from storage import executions, ledger, waits
from storage.executions import Recorded
from storage.task_rows import TaskRow


class NotTheWriter(Exception):
    """The entries do not follow what is stored: the execution was ended or carried on by somebody else."""


class Diverged(Exception):
    """Other entries are stored under these numbers: what is written is what happened, and the writer has it wrong.

    `entries` are those that are stored, from the first number that was to be written on.
    """

    def __init__(self, execution_id: str, entries: Sequence[Entry]) -> None:
        super().__init__(f"the ledger of execution {execution_id} tells otherwise from entry {entries[0].number} on")
        self.entries = tuple(entries)


NOTHING_LEFT = Recorded(reports=False, cancels=False, waits=False)
"""What is left to do by one whose entries somebody else has written."""


def record(workspace: str, execution_id: str, entries: Sequence[Entry], phase: str, now: datetime) -> Recorded:
    """Write entries once, however often this is called with them.

    Gives what the write leaves to do; whoever wrote first has to do it. Raises Diverged when others are stored in their
    place, NotTheWriter when they cannot follow what is stored.
    """
    written = 0
    while written < len(entries):
        if recorded := executions.record(writing(workspace, execution_id, entries[written:], phase, now)):
            return recorded
        stored = ledger.standing(workspace, execution_id, after=entries[0].number - 1)
        if stored is None or stored.last_number < entries[0].number - 1:
            raise NotTheWriter(f"execution {execution_id} has no entry {entries[0].number - 1} to follow")
        told = of_one_try(stored.entries)
        if any(_differ(one, other) for one, other in zip(told, entries, strict=False)):
            raise Diverged(execution_id, told)
        if len(told) < len(entries) and (stored.is_over or len(told) < len(stored.entries)):
            raise NotTheWriter(f"execution {execution_id} is {stored.status}")
        written = len(told)  # where that is nothing new, the row moved between the write and the look: try again
    return NOTHING_LEFT


def stored_after(workspace: str, execution_id: str, number: int) -> list[Entry]:
    """Read the ledger entries that follow a number, as far as they are of the same try."""
    stored = ledger.standing(workspace, execution_id, after=number)
    return of_one_try(stored.entries) if stored is not None else []


def of_one_try(documents: Iterable[dict[str, Any]]) -> list[Entry]:
    """Leave out what a retry did: it is a workflow of its own."""
    return [Entry.from_dict(one) for one in takewhile(lambda one: one["type"] != "EXECUTION_RETRIED", documents)]


def _differ(one: Entry, other: Entry) -> bool:
    """Compare entries to the letter. Their time counts: data is made of it, and it tells one attempt from the next."""
    return canonical(one.to_dict()) != canonical(other.to_dict())


def writing(
    workspace: str,
    execution_id: str,
    entries: Sequence[Entry],
    phase: str,
    now: datetime,
    *,
    owner: Literal["CREATED"] | None = None,
) -> executions.Writing:
    """Say what to store for these entries; `owner` as in `storage.executions.Writing`."""
    projection = project(entries)
    execution = projection.execution
    return executions.Writing(
        workspace=workspace,
        execution_id=execution_id,
        entries=[entry.to_dict() for entry in entries],
        step_runs=[_row(change) for change in projection.step_runs.values()],
        requests=projection.requests,
        phase=phase,
        time=now,
        status=execution.status or None,
        output=_text(execution.output),
        error=_text(execution.error),
        cancellation=_text(execution.cancellation),
        compensation=_text(execution.compensation),
        variables=_text(projection.variables) if projection.variables else None,
        owner=owner,
        cancelled=projection.cancelled,
        tasks=[_task_row(projection.step_runs[name], change) for name, change in projection.tasks.items()],
        opened=[waits.Opened(**asdict(wait)) for wait in projection.waits.values() if wait is not None],
        closed=[place for place, wait in projection.waits.items() if wait is None],
        consumed=projection.consumed,
    )


def _row(change: StepRunChange) -> executions.StepRunRow:
    return executions.StepRunRow(
        step_id=change.step_id,
        visit=change.visit,
        attempt=change.attempt,
        status=change.status,
        input=_text(change.input),
        output=_text(change.output),
        outcome=change.outcome or None,
        error=_text(change.error),
        create_number=change.create_number,
        create_time=change.create_time,
        update_time=change.update_time,
        end_time=change.end_time,
        children=change.children,
    )


def _task_row(run: StepRunChange, change: TaskChange) -> TaskRow:
    settled = change.settled or {}
    return TaskRow(
        step_id=run.step_id,
        visit=run.visit,
        status=change.status,
        opens=change.settled is not None,
        again=change.again,
        title=settled.get("title", ""),
        assignee=settled.get("assignee", ""),
        roles=settled.get("roles", []),
        groups=settled.get("groups", []),
        priority=settled.get("priority", ""),
        due_time=settled.get("due"),
        completed_by=change.completed_by,
        position=f"{run.create_time} {run.create_number:010d}",
        create_time=run.create_time,
        update_time=run.update_time,
        end_time=run.end_time or (run.update_time if change.status not in OPEN else None),
    )


def _text(value: Json) -> str | None:
    if value is MISSING:
        return None
    return compact(value)
