"""Calls to a running Heddle, short enough to read a scenario by."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from heddle.v1 import entity_pb2, execution_pb2, step_run_pb2

SERVICES = {
    "Template": "template_service",
    "Version": "version_service",
    "Link": "link_service",
    "Catalogue": "catalogue_service",
    "TaskDefinition": "task_definition_service",
    "Execution": "execution_service",
    "Step": "step_service",
    "Ledger": "ledger_service",
    "History": "history_service",
    "HumanTask": "human_task_service",
    "Stage": "stage_service",
    "Statistics": "statistics_service",
    "TriggerRecord": "trigger_record_service",
    "Event": "event_service",
    "EventDefinition": "event_definition_service",
    "Trigger": "trigger_service",
}
PATIENCE = 20.0
"""Seconds in which something that must happen has to happen."""


class Api:
    """A caller that works in one workspace. `call` gives the answer, `start` and the others what most tests want."""

    def __init__(self, channel: grpc.Channel, workspace: str) -> None:
        self.channel = channel
        self.workspace = workspace
        self._methods: dict[str, tuple[Callable[..., Any], type]] = {}
        for name, module in SERVICES.items():
            messages = import_module(f"heddle.v1.{module}_pb2")
            stub = getattr(import_module(f"heddle.v1.{module}_pb2_grpc"), f"{name}ServiceStub")(channel)
            for method in messages.DESCRIPTOR.services_by_name[f"{name}Service"].methods:
                request = getattr(messages, method.input_type.name)
                self._methods[method.name] = (getattr(stub, method.name), request)

    def call(self, method: str, *, timeout: float = PATIENCE, **fields: Any) -> Any:
        """Call a method; a request id is made where the request has one and none is given."""
        stub, request = self._methods[method]
        if "request_id" in request.DESCRIPTOR.fields_by_name:
            fields.setdefault("request_id", f"test-{secrets.token_hex(8)}")
        return stub(request(**fields), timeout=timeout, metadata=[("heddle-workspace", self.workspace)])

    def publish(self, definition: Any, *, label: str = "1.0.0", template_id: str = "", activate: bool = True) -> Any:
        """Make a version of a template (a new one unless it is named), published and active; gives the version."""
        if not template_id:
            key = f"t-{secrets.token_hex(6)}"
            template_id = self.call("CreateTemplate", name=definition["name"], key=key).template.id
        version = self.call(
            "CreateVersion",
            template_id=template_id,
            label=label,
            dialect="graph",
            definition_json=json.dumps(definition),
        ).version
        version = self.call("PublishVersion", version_id=version.id).version
        if activate:
            version = self.call("ActivateVersion", version_id=version.id).version
        return version

    def start(self, definition_or_version: Any, input: Any = None, **fields: Any) -> Any:
        """Start an execution of a definition or version; gives the answer."""
        version = definition_or_version
        if isinstance(version, dict):
            version = self.publish(version)
        return self.call(
            "StartExecution", version_id=version.id, input_json=json.dumps({} if input is None else input), **fields
        )

    def complete(self, execution_id: str, step_id: str, output: Any = None, **fields: Any) -> Any:
        """Complete a human step; gives the answer."""
        return self.call(
            "CompleteStep", execution_id=execution_id, step_id=step_id, output_json=json.dumps(output), **fields
        )

    def execution(self, execution_id: str) -> Any:
        """Read an execution."""
        return self.call("GetExecution", execution_id=execution_id).execution

    def ledger(self, execution_id: str) -> list[dict[str, Any]]:
        """Read the whole ledger of an execution as plain documents."""
        entries, token = [], ""
        while True:
            page = self.call("ListLedgerEntries", execution_id=execution_id, page_token=token, page_size=500)
            entries += [_plain(entry) for entry in page.entries]
            token = page.next_page_token
            if not token:
                return entries

    def runs(self, execution_id: str) -> list[tuple[str, int, str]]:
        """List step id, visit and status of the step runs, in the order of their start."""
        found = self.call("ListStepRuns", execution_id=execution_id, page_size=500).step_runs
        return [(run.step_id, run.visit, status(run)) for run in found]

    def open(self, execution_id: str) -> list[str]:
        """List the steps that wait or run."""
        return [step for step, _, state in self.runs(execution_id) if state in ("WAITING", "RUNNING")]

    def await_end(self, execution_id: str, *, timeout: float = PATIENCE) -> Any:
        """Wait until an execution has ended; gives it."""
        return self.await_that(execution_id, lambda execution: execution.HasField("end_time"), timeout=timeout)

    def await_that(self, execution_id: str, holds: Callable[[Any], bool], *, timeout: float = PATIENCE) -> Any:
        """Wait until something holds of an execution; gives it."""
        limit = time.monotonic() + timeout
        while True:
            execution = self.execution(execution_id)
            if holds(execution):
                return execution
            if time.monotonic() > limit:
                pytest.fail(f"still not after {timeout} s: {execution}\n{self.runs(execution_id)}")
            time.sleep(0.05)


def entity(type: str, id: str) -> entity_pb2.Entity:
    return entity_pb2.Entity(type=type, id=id)


def status(thing: Any) -> str:
    """The status of an execution or step run without its prefix."""
    kinds = {"Execution": execution_pb2.Execution.Status, "StepRun": step_run_pb2.StepRun.Status}
    return kinds[thing.DESCRIPTOR.name].Name(thing.status).removeprefix("STATUS_")


def phase(execution: Any) -> str:
    return execution_pb2.Execution.Phase.Name(execution.phase).removeprefix("PHASE_")


class Refusal:
    """A refused call: its status code, message, reason, facts and field violations."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code = error.code().name
        self.message = error.details()
        self.reason = ""
        self.facts: dict[str, str] = {}
        self.fields: list[str] = []
        rich = rpc_status.from_call(error)
        for detail in rich.details if rich else ():
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest):
                if detail.Is(kind.DESCRIPTOR):
                    self._take(detail, kind())

    def _take(self, detail: Any, message: Any) -> None:
        detail.Unpack(message)
        if isinstance(message, error_details_pb2.ErrorInfo):
            self.reason, self.facts = message.reason, dict(message.metadata)
        else:
            self.fields = [violation.field for violation in message.field_violations]


@contextmanager
def refused(code: str, reason: str = "") -> Iterator[list[Refusal]]:
    """Expect a call to be refused; the list then holds how."""
    caught: list[Refusal] = []
    with pytest.raises(grpc.RpcError) as error:
        yield caught
    caught.append(Refusal(error.value))
    assert (caught[0].code, caught[0].reason) == (code, reason or caught[0].reason), caught[0].message


def _plain(entry: Any) -> dict[str, Any]:
    return {
        "number": entry.number,
        "time": entry.time.ToJsonString(),
        "type": type(entry).Type.Name(entry.type).removeprefix("TYPE_"),
        "step_id": entry.step_id,
        "visit": entry.visit,
        "attempt": entry.attempt,
        "data": json.loads(entry.data_json),
    }
