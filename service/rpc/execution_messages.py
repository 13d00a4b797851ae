"""Executions, step runs and ledger entries as messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from heddle.v1.entity_pb2 import Entity
from heddle.v1.execution_pb2 import Cancellation, Compensation, Subject
from heddle.v1.execution_pb2 import Execution as ExecutionMessage
from heddle.v1.ledger_entry_pb2 import LedgerEntry as LedgerEntryMessage
from heddle.v1.step_run_pb2 import Child, Children
from heddle.v1.step_run_pb2 import StepRun as StepRunMessage
from service.definition.plan import Json, Plan
from service.domain.errors import Invalid
from service.domain.execution import Execution
from service.domain.human_task import HumanTask
from service.domain.json_text import InvalidJson, compact, parse
from service.domain.step_run import StepRun
from service.engine.run import MAX_OUTPUT
from service.rpc.human_messages import is_asking, request_message
from service.rpc.messages import time_message
from service.rpc.room import fitting, room
from storage import families, human_tasks

M = TypeVar("M", bound=Message)


def execution_message(execution: Execution, *, with_values: bool = True) -> ExecutionMessage:
    """Tell an execution; lists leave its input and output out."""
    message = ExecutionMessage(
        id=execution.id,
        name=execution.name,
        template_id=execution.template_id,
        version_id=execution.version_id,
        status=ExecutionMessage.Status.Value(f"STATUS_{execution.status}"),
        phase=ExecutionMessage.Phase.Value(f"PHASE_{execution.phase}"),
        input_json=execution.input if with_values else "",
        output_json=execution.output if with_values else None,
        parent_execution_id=execution.parent_id,
        root_execution_id=execution.root_id,
        correlation_id=execution.correlation_id,
        last_ledger_number=execution.last_number,
        revision=execution.revision,
        create_time=time_message(execution.create_time),
        start_time=time_message(execution.start_time),
        end_time=time_message(execution.end_time),
        update_time=time_message(execution.update_time),
        item=execution.parent_item,
        depth=execution.depth,
        retries=execution.retries,
        trigger_event_id=execution.event_id,
        trigger_id=execution.trigger_id,
    )
    if execution.parent_id is not None:
        message.parent_step_run_id = f"{execution.parent_id}/{execution.parent_step_id}/{execution.parent_visit}"
    if execution.error is not None:
        error = json.loads(execution.error)
        message.error.code = error["code"]
        message.error.message = error["message"]
        message.error.step_id = error.get("step_id", "")
    if execution.cancellation is not None:
        message.cancellation.CopyFrom(_cancellation_message(json.loads(execution.cancellation)))
    if with_values and execution.variables is not None:
        message.variables_json = compact(json.loads(execution.variables))
    if execution.compensation is not None:
        message.compensation.CopyFrom(_compensation_message(json.loads(execution.compensation)))
    if execution.subject_type:
        message.subject.CopyFrom(Subject(type=execution.subject_type, id=execution.subject_id))
    if execution.entity_type:
        message.entity.CopyFrom(Entity(type=execution.entity_type, id=execution.entity_id))
    if execution.status == "CREATED":
        message.launch.attempts = execution.launch_attempts
        message.launch.last_error = execution.launch_error or ""
        if execution.launch_after is not None:
            message.launch.next_attempt_time.CopyFrom(time_message(execution.launch_after))
    return message


def _cancellation_message(told: Json) -> Cancellation:
    return Cancellation(
        reason=told["reason"],
        source=Cancellation.Source.Value(f"SOURCE_{told.get('source', 'USER')}"),
        requested_by=told.get("by", ""),
        event_id=told.get("event", ""),
        time=_instant(told["time"]),
    )


def _compensation_message(told: Json) -> Compensation:
    failed = [
        Compensation.Failure(
            id=one["id"],
            error=ExecutionMessage.Error(code=one["error"]["code"], message=one["error"]["message"], step_id=one["id"]),
            time=_instant(one["time"]) if "time" in one else None,
        )
        for one in told.get("failed", ())
    ]
    return Compensation(
        status=Compensation.Status.Value(f"STATUS_{told['status']}"),
        plan=[Compensation.Part(**part) for part in told["plan"]],
        skipped=[Compensation.Part(**part) for part in told.get("skipped", ())],
        failed=failed,
    )


def _instant(text: str) -> Timestamp:
    return time_message(datetime.fromisoformat(text))


def step_run_messages(workspace: str, runs: Sequence[StepRun], plan: Plan) -> list[StepRunMessage]:
    """Tell step runs of one execution, with what its plan says of their steps, and with their children."""
    asking = [run for run in runs if is_asking(run, plan.step[run.step_id])]
    tasks = human_tasks.open_of(workspace, asking[0].execution_id) if asking else {}
    messages = [_step_run_message(run, plan, tasks.get((run.step_id, run.visit))) for run in runs]
    for message, run in zip(messages, runs, strict=True):
        if run.children is not None:
            message.children.CopyFrom(_children_message(workspace, run))
    return messages


CHILDREN = 100
"""Child executions that are told with a step run."""


def _children_message(workspace: str, run: StepRun) -> Children:
    place = (workspace, run.execution_id, run.step_id, run.visit)
    number = families.counts(*place)
    running = number.get("CREATED", 0) + number.get("STARTED", 0)
    completed = number.get("COMPLETED", 0)
    children = [
        Child(
            id=child.id,
            name=child.name,
            status=ExecutionMessage.Status.Value(f"STATUS_{child.status}"),
            item=child.item,
        )
        for child in families.summaries(*place, CHILDREN)
    ]
    total = run.children or 0
    # Of a child that could not be started there is no record; once the step is done, none but those are missing.
    ended = total if run.status == "COMPLETED" else sum(number.values())
    failed = ended - running - completed
    return Children(total=total, running=running, completed=completed, failed=failed, executions=children)


def newest_fitting(messages: Sequence[M], *beside: Message) -> Sequence[M]:
    """Leave the oldest out when an answer has no room for all beside what else it tells."""
    return messages[len(messages) - fitting(reversed(messages), room(*beside)) :]


def portions(messages: Sequence[M], *beside: Message) -> Iterator[Sequence[M]]:
    """Spread messages over answers that have room for them, over one when there are none."""
    yield messages[: (count := fitting(messages, room(*beside)))]
    while messages := messages[count:]:
        yield messages[: (count := fitting(messages, room(*beside)))]


def _step_run_message(run: StepRun, plan: Plan, task: HumanTask | None) -> StepRunMessage:
    step = plan.step[run.step_id]
    message = StepRunMessage(
        id=run.id,
        execution_id=run.execution_id,
        step_id=run.step_id,
        visit=run.visit,
        attempt=run.attempt,
        status=StepRunMessage.Status.Value(f"STATUS_{run.status}"),
        step_type=step.type,
        step_name=step.name,
        input_json=run.input,
        output_json=run.output,
        outcome=run.outcome or "",
        create_time=time_message(run.create_time),
        update_time=time_message(run.update_time),
        end_time=time_message(run.end_time),
    )
    if run.error is not None:
        message.error.CopyFrom(_step_error_message(json.loads(run.error)))
    if (request := request_message(run, plan, task)) is not None:
        message.request.CopyFrom(request)
    if run.status == "WAITING" and step.type == "event.wait":
        message.event_wait.pattern = step.settings["pattern"]
        message.event_wait.condition = step.settings.get("condition", "")
    return message


def _step_error_message(error: Json) -> StepRunMessage.Error:
    details = error.get("details")
    return StepRunMessage.Error(
        code=error["code"],
        message=error["message"],
        category=error.get("category", ""),
        details_json=None if details is None else compact(details),
        retriable=error.get("retriable", False),
    )


def output_of(request: Any) -> Json:
    """Read the output with which a request completes a step; raises Invalid."""
    try:
        return parse(request.output_json or "null", limit=MAX_OUTPUT, field="output_json")
    except InvalidJson as invalid:
        raise Invalid("INVALID_JSON", str(invalid), field="output_json") from invalid


def ledger_number(field: str, number: int) -> int:
    """Read the number of a ledger entry after which a caller wants more."""
    if number < 0:
        raise Invalid("INVALID_FIELD", f"{field} is {number}: it must not be negative", field=field)
    return number


def ledger_entry_message(entry: dict[str, Any]) -> LedgerEntryMessage:
    """Tell an entry of a ledger."""
    time = Timestamp()
    time.FromDatetime(datetime.fromisoformat(entry["time"]))
    return LedgerEntryMessage(
        number=entry["number"],
        time=time,
        type=LedgerEntryMessage.Type.Value(f"TYPE_{entry['type']}"),
        step_id=entry["step_id"],
        visit=entry["visit"],
        attempt=entry["attempt"],
        data_json=compact(entry["data"]),
    )
