"""Who does which human task: claiming it, giving it back, giving it to another.

The table alone judges: each change says in its condition what it takes for granted, so that of several at once one wins
and the others are told who has it. All run in the transaction of the call.
"""

from __future__ import annotations

from service.domain.errors import Conflict, HeddleError, NotFound, WrongState
from service.domain.fields import shown
from service.domain.human_task import OPEN, Action, HumanTask
from service.domain.step_run import parse_id
from storage import human_tasks


def get(workspace: str, id: str) -> HumanTask:
    """Get a task by its id; raises NotFound, also for what is no id."""
    place = parse_id(id)
    found = human_tasks.get(workspace, *place) if place and "{}/{}/{}".format(*place) == id else None
    if found is None:
        raise NotFound("HUMAN_TASK_NOT_FOUND", f"there is no human task {shown(id)}", human_task_id=id)
    return found


def claim(workspace: str, id: str, action: Action) -> HumanTask:
    """Claim a task for a person; one that this person has already stays as it is. Raises NotFound, WrongState."""
    task = get(workspace, id)
    if not human_tasks.claim(workspace, task, action):
        task = get(workspace, id)
        if task.status != "CLAIMED" or task.claimed_by != action.actor:
            raise _refusal("claim", task, action.actor)
    return get(workspace, id)


def release(workspace: str, id: str, action: Action) -> HumanTask:
    """Give a task back that this person has claimed; raises NotFound, WrongState."""
    task = get(workspace, id)
    if task.claimed_by != action.actor or not human_tasks.release(workspace, task, action):
        task = get(workspace, id)
        raise _refusal("release", task, action.actor)
    return get(workspace, id)


def reassign(workspace: str, id: str, action: Action) -> HumanTask:
    """Give a task to the person in the action's detail, empty for nobody; raises NotFound, WrongState, Conflict."""
    task = get(workspace, id)
    if not human_tasks.reassign(workspace, task, action):
        task = get(workspace, id)
        if task.status not in OPEN:
            raise _refusal("reassign", task, action.actor)
        raise Conflict("CONCURRENT_CHANGE", f"human task {id} has just been changed by another call; try again")
    return get(workspace, id)


def check_completer(task: HumanTask, actor: str) -> None:
    """Refuse that somebody completes what another has claimed, or is to do; what has ended the engine judges."""
    if task.status in OPEN and task.claimed_by != actor and (task.claimed_by or task.assignee not in ("", actor)):
        raise _refusal("complete", task, actor)


def _refusal(verb: str, task: HumanTask, actor: str) -> HeddleError:
    """Say why a person cannot do something with a task."""
    facts = {"human_task_id": task.id, "status": task.status}
    why = f"cannot {verb} human task {task.id} for {shown(actor)}: "
    if task.status not in OPEN:
        by = f" by {shown(task.completed_by)}" if task.completed_by else ""
        return WrongState("HUMAN_TASK_ENDED", f"{why}it is {task.status}{by}", **facts)
    if task.claimed_by not in ("", actor):
        message = f"{why}{shown(task.claimed_by)} has claimed it"
        return WrongState("HUMAN_TASK_CLAIMED", message, claimed_by=task.claimed_by, **facts)
    if verb != "release" and task.assignee not in ("", actor):
        message = f"{why}it is assigned to {shown(task.assignee)}; ReassignHumanTask gives it to another"
        return WrongState("HUMAN_TASK_ASSIGNED", message, assignee=task.assignee, **facts)
    if verb == "release":
        return WrongState("HUMAN_TASK_NOT_CLAIMED", f"{why}nobody has claimed it", **facts)
    return Conflict("CONCURRENT_CHANGE", f"{why}another call has just changed it; try again", **facts)
