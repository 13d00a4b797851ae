"""What a step asks of a person, as a message: from the plan what is fixed, from the step run what was settled."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from heddle.v1.human_request_pb2 import HumanRequest
from service.definition.plan import Step
from service.domain.step_run import StepRun

Settings = dict[str, Any]


def request_message(run: StepRun, step: Step) -> HumanRequest | None:
    """Tell what a step run asks of a person; None when it does not wait for one."""
    if run.status != "WAITING" or step.type not in _REQUESTS:
        return None
    settled = json.loads(run.input) if run.input else {}
    request = HumanRequest(title=settled.get("title", step.name), instructions=settled.get("instructions", ""))
    _REQUESTS[step.type](request, step.settings, settled)
    return request


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
