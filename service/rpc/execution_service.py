"""ExecutionService: start, read, watch and cancel executions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from heddle.v1 import execution_service_pb2 as pb
from heddle.v1.execution_service_pb2_grpc import ExecutionServiceServicer
from service import acting, deleting, varying, watching
from service.acting import Actor, Request
from service.domain import fields
from service.domain.errors import Invalid, Unavailable
from service.domain.execution import Execution
from service.domain.json_text import InvalidJson, Json, parse
from service.domain.step_run import StepRun
from service.engine.observations import Cancelled
from service.plans import Plans
from service.retrying import retry
from service.rpc.addressing import execution_id_of, subject_of
from service.rpc.call import Call
from service.rpc.changing import changing, digest_of
from service.rpc.deadlines import seconds_left
from service.rpc.execution_filters import wanted_of
from service.rpc.execution_messages import (
    execution_message,
    ledger_entry_message,
    ledger_number,
    newest_fitting,
    portions,
    step_run_messages,
)
from service.rpc.messages import entity_of, target_of, value_of
from service.rpc.paging import Page
from service.rpc.status import rpc
from service.starting import Order, Starter
from service.syncing import Syncer
from service.watching import Watchers
from storage import execution_lists, trees

MAX_INPUT = 256 * 1024
"""Bytes of an execution's input."""


class ExecutionService(ExecutionServiceServicer):
    """Executions for callers."""

    def __init__(self, starter: Starter, actor: Actor, syncer: Syncer, plans: Plans, watchers: Watchers) -> None:
        self._starter = starter
        self._actor = actor
        self._syncer = syncer
        self._plans = plans
        self._watchers = watchers

    @rpc
    def StartExecution(self, request: pb.StartExecutionRequest, call: Call) -> pb.StartExecutionResponse:
        holds = _wait(request)
        execution, runs = self._starter.start(_order(request, call), seconds_left(call))
        if holds is not None and not holds(execution):
            watching.until(call.workspace, execution.id, holds, seconds_left(call))
            execution, runs = acting.get_with_step_runs(call.workspace, execution.id)
        return pb.StartExecutionResponse(**self._told(execution, runs))

    @rpc
    def GetExecution(self, request: pb.GetExecutionRequest, call: Call) -> pb.GetExecutionResponse:
        id = execution_id_of(request, call)
        return pb.GetExecutionResponse(execution=execution_message(acting.get(call.workspace, id)))

    @rpc
    def ListExecutions(self, request: pb.ListExecutionsRequest, call: Call) -> pb.ListExecutionsResponse:
        page = Page.asked(request, call)
        found = execution_lists.page(call.workspace, wanted_of(request), before=page.after, limit=page.limit)
        items, token = page.cut(found.executions, lambda execution: execution.id, rest=found.rest)
        messages = [execution_message(execution, with_values=False) for execution in items]
        return pb.ListExecutionsResponse(executions=messages, next_page_token=token)

    @rpc
    def GetExecutionTree(self, request: pb.GetExecutionTreeRequest, call: Call) -> pb.GetExecutionTreeResponse:
        page = Page.asked(request, call)
        top = acting.get(call.workspace, fields.required("execution_id", request.execution_id))
        found = trees.page(call.workspace, top, after=page.after, limit=page.limit)
        if found is None:
            raise page.lost()
        items, token = page.cut(found, lambda execution: execution.id)
        messages = [execution_message(execution, with_values=False) for execution in items]
        return pb.GetExecutionTreeResponse(executions=messages, next_page_token=token)

    @rpc
    def WatchExecution(self, request: pb.WatchExecutionRequest, call: Call) -> Iterator[pb.WatchExecutionResponse]:
        id = fields.required("execution_id", request.execution_id)
        after = ledger_number("after_number", request.after_number)
        with self._watchers.one_more():
            for execution, entries in watching.follow(call.workspace, id, after, lambda: self._wants_more(call)):
                told = execution_message(execution)
                for portion in portions([ledger_entry_message(entry) for entry in entries], told):
                    yield pb.WatchExecutionResponse(execution=told, entries=portion)

    def _wants_more(self, call: Call) -> bool:
        if self._watchers.stopping.is_set():
            raise Unavailable("SERVER_STOPPING", "this server is stopping; watch on from the last number received")
        return bool(call.context.is_active())

    @rpc
    def CancelExecution(self, request: pb.CancelExecutionRequest, call: Call) -> pb.CancelExecutionResponse:
        id = execution_id_of(request, call)
        source = Request(fields.request_id(request.request_id), call.method, digest_of(request))
        action = Cancelled(
            reason=fields.text("reason", request.reason, at_most=1_024),
            by=fields.text("requested_by", request.requested_by, at_most=256),
            compensates=request.should_compensate or not request.HasField("should_compensate"),
        )
        self._actor.cancel(call.workspace, id, action, request=source, seconds=seconds_left(call))
        return pb.CancelExecutionResponse(execution=execution_message(acting.get(call.workspace, id)))

    @rpc
    def SetVariables(self, request: pb.SetVariablesRequest, call: Call) -> pb.SetVariablesResponse:
        source = Request(fields.request_id(request.request_id), call.method, digest_of(request))
        id = execution_id_of(request, call)
        varying.set_variables(
            self._actor,
            acting.get(call.workspace, id),
            _object("variables_json", request.variables_json),
            expected_revision=_revision(request.expected_revision),
            request=source,
            seconds=seconds_left(call),
        )
        return pb.SetVariablesResponse(execution=execution_message(acting.get(call.workspace, id)))

    @changing
    def DeleteExecution(self, request: pb.DeleteExecutionRequest, call: Call) -> pb.DeleteExecutionResponse:
        id = fields.required("execution_id", request.execution_id)
        return pb.DeleteExecutionResponse(deleted_executions=deleting.delete(call.workspace, id))

    @rpc
    def RetryExecution(self, request: pb.RetryExecutionRequest, call: Call) -> pb.RetryExecutionResponse:
        id = fields.required("execution_id", request.execution_id)
        source = Request(fields.request_id(request.request_id), call.method, digest_of(request))
        retry(
            self._actor.gateway,
            self._plans,
            call.workspace,
            id,
            request=source,
            now=call.now,
            seconds=seconds_left(call),
        )
        self._actor.relations.deliverer.look_back(call.workspace, id, seconds_left(call))
        execution, runs = acting.get_with_step_runs(call.workspace, id)
        return pb.RetryExecutionResponse(**self._told(execution, runs))

    @rpc
    def SyncExecution(self, request: pb.SyncExecutionRequest, call: Call) -> pb.SyncExecutionResponse:
        id = fields.required("execution_id", request.execution_id)
        acting.answered_before(
            call.workspace, Request(fields.request_id(request.request_id), call.method, digest_of(request))
        )
        repairs = self._syncer.sync(call.workspace, id, seconds_left(call))
        execution, runs = acting.get_with_step_runs(call.workspace, id)
        return pb.SyncExecutionResponse(
            **self._told(execution, runs),
            repairs=[
                _REPAIR(kind=_REPAIR.Kind.Value(f"KIND_{repair.kind}"), description=repair.description)
                for repair in repairs
            ],
        )

    def _told(self, execution: Execution, runs: Sequence[StepRun]) -> dict[str, Any]:
        """What is told of an execution that a call has changed."""
        messages = step_run_messages(
            execution.workspace, runs, self._plans.get(execution.workspace, execution.plan_digest)
        )
        told = execution_message(execution)
        return {"execution": told, "step_runs": newest_fitting(messages, told)}


_REPAIR = pb.SyncExecutionResponse.Repair


def _order(request: pb.StartExecutionRequest, call: Call) -> Order:
    target = target_of(request)
    input_json = request.input_json or "{}"
    input = _object("input_json", input_json)
    if request.name:
        fields.name("name", request.name)
    if target == "entity":
        entity_of(request.entity)
    else:
        fields.required(target, getattr(request, target))
    subject_type, subject_id = subject_of(request)
    return Order(
        workspace=call.workspace,
        request_id=fields.request_id(request.request_id),
        request_digest=digest_of(request),
        execution_id=call.new_id(),
        time=call.now,
        input_json=input_json,
        input=input,
        version_id=request.version_id,
        template_id=request.template_id,
        template_key=request.template_key,
        entity_type=request.entity.type,
        entity_id=request.entity.id,
        name=request.name,
        correlation_id=fields.text("correlation_id", request.correlation_id, at_most=256),
        subject_type=subject_type,
        subject_id=subject_id,
    )


def _object(field: str, text: str) -> dict[str, Json]:
    """Read a JSON object; raises Invalid for anything else."""
    try:
        value = parse(text, limit=MAX_INPUT, field=field)
    except InvalidJson as invalid:
        raise Invalid("INVALID_JSON", str(invalid), field=field) from invalid
    if not isinstance(value, dict):
        raise Invalid("INVALID_JSON", f"{field} must be a JSON object", field=field)
    return value


def _revision(number: int) -> int:
    if number < 0:
        raise Invalid(
            "INVALID_FIELD", f"expected_revision is {number}: it must not be negative", field="expected_revision"
        )
    return number


def _waits(execution: Execution) -> bool:
    return execution.has_ended or execution.phase != "RUNNING"


def _wait(request: pb.StartExecutionRequest) -> Callable[[Execution], bool] | None:
    """What the caller wants to wait for; None for nothing."""
    value_of("wait_for", pb.StartExecutionRequest.WaitFor, request.wait_for)
    return _WAIT[request.wait_for]


def _has_ended(execution: Execution) -> bool:
    return execution.has_ended


_WAIT: dict[int, Callable[[Execution], bool] | None] = {
    pb.StartExecutionRequest.WAIT_FOR_UNSPECIFIED: None,
    pb.StartExecutionRequest.WAIT_FOR_NOTHING: None,
    pb.StartExecutionRequest.WAIT_FOR_FIRST_WAIT: _waits,
    pb.StartExecutionRequest.WAIT_FOR_END: _has_ended,
}
