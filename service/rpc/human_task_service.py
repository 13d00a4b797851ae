"""HumanTaskService: the inbox."""

from __future__ import annotations

from typing import Any

from heddle.v1 import human_task_service_pb2 as pb
from heddle.v1.human_request_pb2 import HumanRequest
from heddle.v1.human_task_pb2 import HumanTask as HumanTaskMessage
from heddle.v1.human_task_pb2 import HumanTaskAction as ActionMessage
from heddle.v1.human_task_service_pb2_grpc import HumanTaskServiceServicer
from service import acting, claiming
from service.acting import Actor, Request
from service.domain import fields
from service.domain.errors import Invalid
from service.domain.human_task import MAX_CANDIDATES, MAX_NAME, OPEN, Action, HumanTask
from service.engine.observations import StepCompleted
from service.plans import Plans
from service.rpc.call import Call
from service.rpc.changing import changing, digest_of
from service.rpc.deadlines import seconds_left
from service.rpc.execution_messages import execution_message, newest_fitting, output_of, step_run_messages
from service.rpc.human_messages import assignment_message, subject_message
from service.rpc.messages import time_message, time_of, value_of
from service.rpc.paging import Page
from service.rpc.status import rpc
from storage import human_tasks, step_runs
from storage.human_tasks import Wanted

MAX_NOTE = 1_024
"""Characters of the words that go with an action."""


class HumanTaskService(HumanTaskServiceServicer):
    """Human tasks for callers."""

    def __init__(self, actor: Actor, plans: Plans) -> None:
        self._actor = actor
        self._plans = plans

    @rpc
    def ListHumanTasks(self, request: pb.ListHumanTasksRequest, call: Call) -> pb.ListHumanTasksResponse:
        page = Page.asked(request, call)
        found = human_tasks.page(call.workspace, _wanted(request), before=page.after, limit=page.limit)
        items, token = page.cut(found.tasks, human_tasks.key_of, rest=found.rest)
        return pb.ListHumanTasksResponse(
            human_tasks=[self._message(task, call) for task in items], next_page_token=token
        )

    @rpc
    def GetHumanTask(self, request: pb.GetHumanTaskRequest, call: Call) -> pb.GetHumanTaskResponse:
        return pb.GetHumanTaskResponse(human_task=self._told(_task(request, call), call))

    @rpc
    def ListHumanTaskActions(
        self, request: pb.ListHumanTaskActionsRequest, call: Call
    ) -> pb.ListHumanTaskActionsResponse:
        page = Page.asked(request, call)
        task = _task(request, call)
        found = human_tasks.actions(call.workspace, task, after=int(page.after or 0), limit=page.limit)
        items, token = page.cut(found, lambda action: str(action.number))
        return pb.ListHumanTaskActionsResponse(actions=map(_action_message, items), next_page_token=token)

    @changing
    def ClaimHumanTask(self, request: pb.ClaimHumanTaskRequest, call: Call) -> pb.ClaimHumanTaskResponse:
        task = claiming.claim(call.workspace, *_deed("CLAIMED", request, call))
        return pb.ClaimHumanTaskResponse(human_task=self._told(task, call))

    @changing
    def ReleaseHumanTask(self, request: pb.ReleaseHumanTaskRequest, call: Call) -> pb.ReleaseHumanTaskResponse:
        task = claiming.release(call.workspace, *_deed("RELEASED", request, call))
        return pb.ReleaseHumanTaskResponse(human_task=self._told(task, call))

    @changing
    def ReassignHumanTask(self, request: pb.ReassignHumanTaskRequest, call: Call) -> pb.ReassignHumanTaskResponse:
        assignee = fields.text("assignee", request.assignee, at_most=MAX_NAME)
        task = claiming.reassign(call.workspace, *_deed("REASSIGNED", request, call, assignee))
        return pb.ReassignHumanTaskResponse(human_task=self._told(task, call))

    @rpc
    def CompleteHumanTask(self, request: pb.CompleteHumanTaskRequest, call: Call) -> pb.CompleteHumanTaskResponse:
        source = Request(fields.request_id(request.request_id), call.method, digest_of(request))
        person = fields.text("actor", request.actor, at_least=1, at_most=MAX_NAME)
        outcome = fields.text("outcome", request.outcome, at_most=128)
        output = output_of(request)
        task = _task(request, call)
        claiming.check_completer(task, person)
        action = StepCompleted(task.step_id, task.visit, output, outcome, by=person)
        self._actor.act(call.workspace, task.execution_id, action, request=source, seconds=seconds_left(call))
        execution, runs = acting.get_with_step_runs(call.workspace, task.execution_id)
        plan = self._plans.get(call.workspace, execution.plan_digest)
        done, told = self._told(claiming.get(call.workspace, task.id), call), execution_message(execution)
        messages = step_run_messages(call.workspace, runs, plan)
        return pb.CompleteHumanTaskResponse(
            human_task=done, execution=told, step_runs=newest_fitting(messages, done, told)
        )

    def _told(self, task: HumanTask, call: Call) -> HumanTaskMessage:
        """Tell a task with what it asks for."""
        message = self._message(task, call)
        run = step_runs.get(call.workspace, task.execution_id, task.step_id, task.visit)
        if run is not None and task.status in OPEN:
            plan = self._plans.get(call.workspace, task.plan_digest)
            told = step_run_messages(call.workspace, [run], plan)[0]
            message.request.CopyFrom(told.request)
        return message

    def _message(self, task: HumanTask, call: Call) -> HumanTaskMessage:
        step = self._plans.get(call.workspace, task.plan_digest).step[task.step_id]
        return HumanTaskMessage(
            id=task.id,
            execution_id=task.execution_id,
            execution_name=task.execution_name,
            correlation_id=task.correlation_id,
            subject=subject_message(task),
            template_id=task.template_id,
            version_id=task.version_id,
            step_id=task.step_id,
            step_name=step.name,
            step_type=step.type,
            visit=task.visit,
            title=task.title,
            assignment=assignment_message(task),
            priority=HumanRequest.Priority.Value(f"PRIORITY_{task.priority}"),
            status=HumanTaskMessage.Status.Value(f"STATUS_{task.status}"),
            claimed_by=task.claimed_by,
            claim_time=time_message(task.claim_time),
            due_time=time_message(task.due_time),
            overdue=task.status in OPEN and task.due_time is not None and task.due_time < call.now,
            completed_by=task.completed_by,
            create_time=time_message(task.create_time),
            update_time=time_message(task.update_time),
            end_time=time_message(task.end_time),
        )


def _task(request: Any, call: Call) -> HumanTask:
    return claiming.get(call.workspace, fields.required("human_task_id", request.human_task_id))


def _deed(action: str, request: Any, call: Call, detail: str = "") -> tuple[str, Action]:
    """Read which task somebody does something with, and who does what and why."""
    return fields.required("human_task_id", request.human_task_id), Action(
        action,
        fields.text("actor", request.actor, at_least=1, at_most=MAX_NAME),
        detail,
        fields.text("note", request.note, at_most=MAX_NOTE),
        call.now,
    )


def _wanted(request: pb.ListHumanTasksRequest) -> Wanted:
    """Read what a list is narrowed by; raises Invalid for what no task can have."""
    return Wanted(
        assignee=fields.text("assignee", request.assignee, at_most=MAX_NAME),
        claimed_by=fields.text("claimed_by", request.claimed_by, at_most=MAX_NAME),
        roles=_names("roles", request.roles),
        groups=_names("groups", request.groups),
        statuses=_values("statuses", HumanTaskMessage.Status, request.statuses) or OPEN,
        priorities=_values("priorities", HumanRequest.Priority, request.priorities),
        due_before=time_of("due_before", request.due_before) if request.HasField("due_before") else None,
        template_id=request.template_id,
        version_id=request.version_id,
        execution_id=request.execution_id,
    )


def _names(field: str, names: Any) -> tuple[str, ...]:
    if len(names) > MAX_CANDIDATES:
        raise Invalid("INVALID_FIELD", f"{field} has {len(names)} names, at most {MAX_CANDIDATES} may be", field=field)
    return tuple(fields.text(field, name, at_least=1, at_most=MAX_NAME) for name in names)


def _values(field: str, enum: Any, numbers: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fields.required(field, value_of(field, enum, number)) for number in numbers))


def _action_message(action: Action) -> ActionMessage:
    return ActionMessage(
        number=action.number,
        action=ActionMessage.Action.Value(f"ACTION_{action.action}"),
        actor=action.actor,
        assignee=action.detail,
        note=action.note,
        time=time_message(action.time),
    )
