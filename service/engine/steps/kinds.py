"""What each step type does, in one table: a new type is a module beside this one and a line here."""

from __future__ import annotations

from service.engine.steps import data, endpoints, event_wait, gateways, http, human, sub_workflow, task, timer
from service.engine.steps.kind import Kind

KINDS: dict[str, Kind] = {
    "start": endpoints.START,
    "end": endpoints.END,
    "human.confirm": human.CONFIRM,
    "human.form": human.FORM,
    "human.url_redirect": human.URL_REDIRECT,
    "human.doc_upload": human.DOC_UPLOAD,
    "task": task.TASK,
    "http": http.HTTP,
    "sys.sub_workflow": sub_workflow.SUB_WORKFLOW,
    "timer": timer.TIMER,
    "event.wait": event_wait.EVENT_WAIT,
    "data.set": data.SET,
    "fail": data.FAIL,
    "gateway.exclusive_split": gateways.EXCLUSIVE_SPLIT,
    "gateway.inclusive_split": gateways.INCLUSIVE_SPLIT,
    "gateway.parallel_split": gateways.PARALLEL_SPLIT,
    "gateway.parallel_join": gateways.PARALLEL_JOIN,
}
