"""StepService: read step runs, complete them, move them."""

from __future__ import annotations

from typing import Any

from heddle.v1 import step_service_pb2 as pb
from heddle.v1.step_run_pb2 import StepRun as StepRunMessage
from heddle.v1.step_service_pb2_grpc import StepServiceServicer
from service import acting
from service.acting import Action, Actor, Request
from service.definition.plan import Plan
from service.domain import fields
from service.domain.errors import NotFound
from service.domain.execution import Execution
from service.domain.step_run import StepRun, parse_id
from service.engine.observations import StepCompleted, StepUpdated
from service.plans import Plans
from service.progressing import progress_of
from service.rpc.addressing import execution_id_of
from service.rpc.call import Call
from service.rpc.changing import digest_of
from service.rpc.deadlines import seconds_left
from service.rpc.execution_messages import execution_message, newest_fitting, output_of, step_run_messages
from service.rpc.messages import target_of, value_of
from service.rpc.paging import Page
from service.rpc.room import fitting
from service.rpc.stage_messages import step_group_message
from service.rpc.status import rpc
from storage import step_runs


class StepService(StepServiceServicer):
    """Step runs for callers."""

    def __init__(self, actor: Actor, plans: Plans) -> None:
        self._actor = actor
        self._plans = plans

    @rpc
    def ListStepRuns(self, request: pb.ListStepRunsRequest, call: Call) -> pb.ListStepRunsResponse:
        page = Page.asked(request, call)
        execution = acting.get(call.workspace, execution_id_of(request, call))
        status = value_of("status", StepRunMessage.Status, request.status)
        plan = self._plans.get(call.workspace, execution.plan_digest)
        after = int(page.after or 0)  # negative among the steps that no token has reached
        found = (
            []
            if after < 0
            else step_runs.of_execution(
                call.workspace, execution.id, step_id=request.step_id, status=status, after=after, limit=page.limit
            )
        )
        if request.include_pending and len(found) <= page.size and status in ("", "PENDING"):
            found += _untouched(execution, plan, request.step_id, after)
        messages = step_run_messages(call.workspace, found, plan)
        items, token = page.within(fitting(messages)).cut(found, lambda run: str(run.create_number))
        return pb.ListStepRunsResponse(step_runs=messages[: len(items)], next_page_token=token)

    @rpc
    def GetStepRun(self, request: pb.GetStepRunRequest, call: Call) -> pb.GetStepRunResponse:
        id = fields.required("step_run_id", request.step_run_id)
        names = _parts(id)
        run = step_runs.get(call.workspace, *names) if names else None
        if run is None:
            raise NotFound("STEP_RUN_NOT_FOUND", f"there is no step run {fields.shown(id)}", step_run_id=id)
        plan = self._plan(acting.get(call.workspace, run.execution_id))
        return pb.GetStepRunResponse(step_run=step_run_messages(call.workspace, [run], plan)[0])

    @rpc
    def GetStepGroups(self, request: pb.GetStepGroupsRequest, call: Call) -> pb.GetStepGroupsResponse:
        id = fields.required("execution_id", request.execution_id)
        _, progress = progress_of(call.workspace, id, self._plans)
        return pb.GetStepGroupsResponse(groups=map(step_group_message, progress.groups))

    @rpc
    def CompleteStep(self, request: pb.CompleteStepRequest, call: Call) -> pb.CompleteStepResponse:
        execution_id, step_id, visit = _addressed(request, call)
        outcome = fields.text("outcome", request.outcome, at_most=128)
        action = StepCompleted(step_id, visit, output_of(request), outcome)
        self._act(execution_id, action, request, call)
        return pb.CompleteStepResponse(**self._told(execution_id, call))

    @rpc
    def UpdateStep(self, request: pb.UpdateStepRequest, call: Call) -> pb.UpdateStepResponse:
        execution_id, step_id, visit = _addressed(request, call)
        status = fields.required("status", value_of("status", StepRunMessage.Status, request.status))
        self._act(execution_id, StepUpdated(step_id, status, visit), request, call)
        return pb.UpdateStepResponse(**self._told(execution_id, call))

    def _act(self, execution_id: str, action: Action, request: Any, call: Call) -> None:
        source = Request(fields.request_id(request.request_id), call.method, digest_of(request))
        self._actor.act(call.workspace, execution_id, action, request=source, seconds=seconds_left(call))

    def _told(self, execution_id: str, call: Call) -> dict[str, Any]:
        """What is told of an execution after an action."""
        execution, runs = acting.get_with_step_runs(call.workspace, execution_id)
        messages = step_run_messages(call.workspace, runs, self._plan(execution))
        told = execution_message(execution)
        return {"execution": told, "step_runs": newest_fitting(messages, told)}

    def _plan(self, execution: Execution) -> Plan:
        return self._plans.get(execution.workspace, execution.plan_digest)


def _addressed(request: Any, call: Call) -> tuple[str, str, int]:
    """Read which step run is meant: execution, step and visit; visit 0 leaves the choice to the engine."""
    if target_of(request) == "step_id":
        return execution_id_of(request, call), fields.required("step_id", request.step_id), 0
    names = _parts(request.step_run_id)
    if names is None:
        rule = "it must be an execution's id, a step's id and a visit, such as 0190…/approve/1"
        raise fields.refuse("step_run_id", request.step_run_id, rule)
    if request.HasField("subject"):
        raise fields.refuse("subject", request.subject.id, "step_run_id names the execution already")
    if request.execution_id not in ("", names[0]):
        raise fields.refuse("execution_id", request.execution_id, f"step_run_id is of execution {names[0]}")
    return names


def _parts(step_run_id: str) -> tuple[str, str, int] | None:
    """Split a step run's id, written in its one way; None when it is none."""
    parts = parse_id(step_run_id)
    return parts if parts and parts[2] and "{}/{}/{}".format(*parts) == step_run_id else None


def _untouched(execution: Execution, plan: Plan, step_id: str, after: int) -> list[StepRun]:
    """The steps that no token has reached, as step runs of visit 0 with numbers that count down from -1."""
    reached = step_runs.steps_reached(execution.workspace, execution.id)
    return [
        StepRun(execution.id, step.id, 0, 0, "PENDING", None, None, None, None, -number, None, None, None)
        for number, step in enumerate(plan.steps, start=1)
        if step.id not in reached and step_id in ("", step.id) and -number < min(after, 0)
    ]
