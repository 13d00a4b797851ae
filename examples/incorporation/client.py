"""What a calling service does: register a template once, start an execution by entity, complete its human steps.

Every changing call has a request id. Those of the set-up are made from the definition, so that running the example
again finds what is there already instead of making it twice, as long as the server remembers requests (30 days).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc

from heddle.v1 import (
    entity_pb2,
    execution_pb2,
    execution_service_pb2,
    execution_service_pb2_grpc,
    ledger_entry_pb2,
    link_service_pb2,
    link_service_pb2_grpc,
    step_run_pb2,
    step_service_pb2,
    step_service_pb2_grpc,
    template_service_pb2,
    template_service_pb2_grpc,
    version_service_pb2,
    version_service_pb2_grpc,
)

DEFINITION = (Path(__file__).parent / "definition.json").read_text()
EDITION = hashlib.sha256(DEFINITION.encode()).hexdigest()[:8]
US_C_CORP = entity_pb2.Entity(type="SERVICE_CATALOG", id="US_C_CORP")


class Incorporations:
    """The calls of the example, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._templates = template_service_pb2_grpc.TemplateServiceStub(channel)
        self._versions = version_service_pb2_grpc.VersionServiceStub(channel)
        self._links = link_service_pb2_grpc.LinkServiceStub(channel)
        self._executions = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        self._steps = step_service_pb2_grpc.StepServiceStub(channel)

    def register(self) -> str:
        """Create, publish, activate and link the template; gives the id of the active version."""
        template = self._templates.CreateTemplate(
            template_service_pb2.CreateTemplateRequest(
                request_id="incorporation-template", key="us-c-corp", name="US C Corp incorporation"
            )
        ).template
        version = self._versions.CreateVersion(
            version_service_pb2.CreateVersionRequest(
                request_id=f"incorporation-version-{EDITION}",
                template_id=template.id,
                label=f"1.0.0+{EDITION}",
                dialect="graph",
                definition_json=DEFINITION,
            )
        ).version
        self._versions.PublishVersion(
            version_service_pb2.PublishVersionRequest(
                request_id=f"incorporation-publish-{EDITION}", version_id=version.id
            )
        )
        self._versions.ActivateVersion(
            version_service_pb2.ActivateVersionRequest(
                request_id=f"incorporation-activate-{EDITION}", version_id=version.id
            )
        )
        self._links.CreateLink(
            link_service_pb2.CreateLinkRequest(
                request_id="incorporation-link", entity=US_C_CORP, template_id=template.id
            )
        )
        return str(version.id)

    def start(self, request_id: str, company: str) -> execution_pb2.Execution:
        """Start what is linked to the service; a caller would take the id of its order as request id."""
        return self._executions.StartExecution(
            execution_service_pb2.StartExecutionRequest(
                request_id=request_id,
                entity=US_C_CORP,
                name=f"Incorporate {company}",
                input_json=json.dumps({"company": {"name": company, "state": "DE"}}),
                correlation_id=request_id,
            )
        ).execution

    def complete(self, request_id: str, execution_id: str, step_id: str, output: Any) -> execution_pb2.Execution:
        """Complete a human step; the answer comes when its effect is durable."""
        return self._steps.CompleteStep(
            step_service_pb2.CompleteStepRequest(
                request_id=request_id, execution_id=execution_id, step_id=step_id, output_json=json.dumps(output)
            )
        ).execution

    def wait_for(self, execution_id: str, step_id: str) -> None:
        """Follow the execution until a step waits; returns at once when it does already."""
        for execution, _ in self.follow(execution_id):
            if self._is_waiting(execution_id, step_id):
                return
            if execution.phase == execution_pb2.Execution.PHASE_NONE:
                raise RuntimeError(f"the execution ended before step {step_id} waited")

    def follow(
        self, execution_id: str, after: int = 0
    ) -> Iterator[tuple[execution_pb2.Execution, list[ledger_entry_pb2.LedgerEntry]]]:
        """Give the execution and its new ledger entries whenever something happens, to its end."""
        request = execution_service_pb2.WatchExecutionRequest(execution_id=execution_id, after_number=after)
        for message in self._executions.WatchExecution(request):
            yield message.execution, list(message.entries)

    def _is_waiting(self, execution_id: str, step_id: str) -> bool:
        runs = self._steps.ListStepRuns(
            step_service_pb2.ListStepRunsRequest(
                execution_id=execution_id, step_id=step_id, status=step_run_pb2.StepRun.STATUS_WAITING
            )
        )
        return bool(runs.step_runs)
