"""What a calling service does: register parent and child, start a parent, and complete steps of children by subject.

Every changing call has a request id. Those of the set-up are made from the definitions, so that running the example
again finds what is there already instead of making it twice, as long as the server remembers requests (30 days).
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import grpc

from heddle.v1 import (
    execution_pb2,
    execution_service_pb2,
    execution_service_pb2_grpc,
    step_run_pb2,
    step_service_pb2,
    step_service_pb2_grpc,
    template_service_pb2,
    template_service_pb2_grpc,
    version_pb2,
    version_service_pb2,
    version_service_pb2_grpc,
)

FOLDER = Path(__file__).parent
PATIENCE = 60.0
"""Seconds in which what others have to do is to have happened."""


class Incorporations:
    """The calls of the example, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._templates = template_service_pb2_grpc.TemplateServiceStub(channel)
        self._versions = version_service_pb2_grpc.VersionServiceStub(channel)
        self._executions = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        self._steps = step_service_pb2_grpc.StepServiceStub(channel)

    def register(self) -> str:
        """Publish the child and then the parent, which names the child's version; gives the id of the parent's."""
        child = self._publish("dsc-procurement", json.loads((FOLDER / "procurement.json").read_text()))
        definition = json.loads((FOLDER / "incorporation.json").read_text())
        batch = next(step for step in definition["steps"] if step["id"] == "dsc")
        # A parent pins the version of its child, which need not be an active one.
        batch["childWorkflowTemplateVersionId"] = child.id
        return str(self._publish("india-incorporation", definition).id)

    def _publish(self, key: str, definition: dict[str, Any]) -> version_pb2.Version:
        template = self._templates.CreateTemplate(
            template_service_pb2.CreateTemplateRequest(request_id=f"dsc-{key}", key=key, name=definition["name"])
        ).template
        text = json.dumps(definition)
        edition = hashlib.sha256(text.encode()).hexdigest()[:8]
        version = self._versions.CreateVersion(
            version_service_pb2.CreateVersionRequest(
                request_id=f"dsc-{key}-version-{edition}",
                template_id=template.id,
                label=f"1.0.0+{edition}",
                dialect="graph",
                definition_json=text,
            )
        ).version
        return self._versions.PublishVersion(
            version_service_pb2.PublishVersionRequest(request_id=f"dsc-{key}-publish-{edition}", version_id=version.id)
        ).version

    def start(self, service_request: str, version_id: str, company_id: str) -> execution_pb2.Execution:
        """Start an incorporation for a service request; the same request starts nothing twice."""
        return self._executions.StartExecution(
            execution_service_pb2.StartExecutionRequest(
                request_id=service_request,
                version_id=version_id,
                input_json=json.dumps({"serviceRequestId": service_request, "company": {"id": company_id}}),
                subject=execution_pb2.Subject(type="SERVICE_REQUEST", id=service_request),
            )
        ).execution

    def complete(self, subject: execution_pb2.Subject, step_id: str, output: Any) -> execution_pb2.Execution:
        """Complete a human step of whichever execution is for the subject; answers when the effect is durable."""
        return self._steps.CompleteStep(
            step_service_pb2.CompleteStepRequest(
                request_id=f"{subject.id}-{step_id}", subject=subject, step_id=step_id, output_json=json.dumps(output)
            )
        ).execution

    def await_children(self, execution_id: str, step_id: str) -> step_run_pb2.Children:
        """Wait until all children of a step were started; gives the step's account of them."""
        limit = time.monotonic() + PATIENCE
        while True:
            run = self._steps.GetStepRun(
                step_service_pb2.GetStepRunRequest(step_run_id=f"{execution_id}/{step_id}/1")
            ).step_run
            if run.children.total and len(run.children.executions) == run.children.total:
                return run.children
            self._require_alive(self.get(execution_id), limit, "its children were started")

    def await_step(self, execution_id: str, step_id: str) -> None:
        """Wait until a step waits for somebody to complete it."""
        limit = time.monotonic() + PATIENCE
        while not self._steps.ListStepRuns(
            step_service_pb2.ListStepRunsRequest(
                execution_id=execution_id, step_id=step_id, status=step_run_pb2.StepRun.STATUS_WAITING
            )
        ).step_runs:
            self._require_alive(self.get(execution_id), limit, f"step {step_id} waited")

    def get(self, execution_id: str) -> execution_pb2.Execution:
        """Read an execution."""
        return self._executions.GetExecution(
            execution_service_pb2.GetExecutionRequest(execution_id=execution_id)
        ).execution

    @staticmethod
    def _require_alive(execution: execution_pb2.Execution, limit: float, what: str) -> None:
        if execution.HasField("end_time"):
            raise RuntimeError(f"the execution ended before {what}: {execution.error.message}")
        if time.monotonic() > limit:
            raise RuntimeError(f"{PATIENCE:g} seconds passed before {what}; is Heddle's worker up?")
        time.sleep(0.1)
