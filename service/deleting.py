"""DeleteExecution: an execution that has ended goes with all that are below it, or nothing goes.

It is one transaction however large the family is, since a family of which a part is gone could be neither read nor
deleted sensibly; within it the rows go in portions, so that no single statement takes long.
"""

from __future__ import annotations

from service.domain.errors import NotFound, WrongState
from service.domain.execution import ENDED
from storage import descendants
from storage.descendants import Member


def delete(workspace: str, execution_id: str) -> int:
    """Delete an execution with all below it, inside a transaction; gives how many executions that were.

    Raises NotFound, and WrongState as long as one of them goes on or the parent needs it.
    """
    parent = descendants.lock_parent(workspace, execution_id)  # before its child, like everyone
    family = descendants.lock(workspace, execution_id)
    if not family:
        raise NotFound("EXECUTION_NOT_FOUND", f"there is no execution {execution_id}", execution_id=execution_id)
    if parent is not None and (parent.status not in ENDED or parent.status == "FAILED"):
        raise _needed(family[0], parent)
    for member in family:
        if member.status not in ENDED or member.phase == "COMPENSATING":
            raise _not_ended(family[0], member)
    # The lowest first, since each is referred to by those below it.
    descendants.delete(workspace, [member.id for member in reversed(family)])
    return len(family)


def _needed(top: Member, parent: Member) -> WrongState:
    """Say that a parent goes by its child: while it is under way, and when it may be retried, as what failed may be."""
    retried = " and may be retried" if parent.status == "FAILED" else ""
    return WrongState(
        "EXECUTION_NEEDED",
        f"cannot delete execution {top.id}: its parent {parent.id} is {parent.status}{retried}; "
        "delete the parent once it has ended, and it goes with it",
        execution_id=top.id,
        parent_execution_id=parent.id,
        status=parent.status,
    )


def _not_ended(top: Member, member: Member) -> WrongState:
    which = "it" if member.id == top.id else f"execution {member.id} below it"
    still = ", but what it did is still being made up for" if member.phase == "COMPENSATING" else ""
    return WrongState(
        "EXECUTION_NOT_ENDED",
        f"cannot delete execution {top.id}: {which} is {member.status}{still}",
        execution_id=member.id,
        status=member.status,
    )
