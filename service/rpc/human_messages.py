"""What a step asks of a person, as a message: from the plan what is fixed, from the step run what was settled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from heddle.v1.execution_pb2 import Subject
from heddle.v1.human_request_pb2 import HumanRequest
from service.definition.plan import Plan, Step
from service.domain.human_task import HumanTask
from service.domain.step_run import StepRun
from service.engine import ways
from service.rpc.messages import time_message

Settings = dict[str, Any]


def request_message(run: StepRun, plan: Plan, task: HumanTask | None) -> HumanRequest | None:
    """Tell what a step run asks of a person; None when it does not wait for one.

    `task` is the human task that it is, None for one that was opened before there were any.
    """
    step = plan.step[run.step_id]
    if not is_asking(run, step):
        return None
    settled = json.loads(run.input) if run.input else {}
    request = HumanRequest(
        title=settled.get("title", step.name),
        instructions=settled.get("instructions", ""),
        outcomes=ways.outcomes(plan, step.id),
    )
    _REQUESTS[step.type](request, step.settings, settled)
    if task is not None:
        _add_task(request, task)
    return request


def is_asking(run: StepRun, step: Step) -> bool:
    """Tell whether a step run waits for a person."""
    return run.status == "WAITING" and step.type in _REQUESTS


def assignment_message(task: HumanTask) -> HumanRequest.Assignment | None:
    """Tell whose work a task is; None when it is given to nobody in particular."""
    if not (task.assignee or task.roles or task.groups):
        return None
    return HumanRequest.Assignment(assignee=task.assignee, roles=task.roles, groups=task.groups)


def subject_message(task: HumanTask) -> Subject | None:
    """Tell what a task's execution is about; None when it does not say."""
    type, id = task.subject
    return Subject(type=type, id=id) if type else None


def _add_task(request: HumanRequest, task: HumanTask) -> None:
    request.priority = HumanRequest.Priority.Value(f"PRIORITY_{task.priority}")
    request.claimed_by = task.claimed_by
    if (assignment := assignment_message(task)) is not None:
        request.assignment.CopyFrom(assignment)
    if task.due_time is not None:
        request.due_time.CopyFrom(time_message(task.due_time))


def _nothing_more(request: HumanRequest, settings: Settings, settled: Settings) -> None:
    """Add nothing to the words."""


def _form(request: HumanRequest, settings: Settings, settled: Settings) -> None:
    request.form.schema_json = settings["formSchemaJson"]
    if "formUiJson" in settings:
        request.form.ui_json = settings["formUiJson"]


def _redirect(request: HumanRequest, settings: Settings, settled: Settings) -> None:
    request.redirect.url = settled["url"]
    request.redirect.return_expected = settings["expectReturn"]


def _upload(request: HumanRequest, settings: Settings, settled: Settings) -> None:
    for document in settings["acceptedDocuments"]:
        request.upload.accepted_documents.add(
            key=document["key"],
            name=document["name"],
            description=document.get("description", ""),
            mime_types=document.get("mimeTypes", ()),
            max_size_bytes=document.get("maxSizeBytes"),
            required=document["required"],
            multiple=document["multiple"],
        )


_REQUESTS: dict[str, Callable[[HumanRequest, Settings, Settings], None]] = {
    "human.confirm": _nothing_more,
    "human.form": _form,
    "human.url_redirect": _redirect,
    "human.doc_upload": _upload,
}
"""By step type: puts what a person is asked for into a message, from the plan's settings and the step run's input."""
