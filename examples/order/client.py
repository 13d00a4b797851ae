"""What a shop does: register the workflow, start orders, and publish what happens to them as events.

Every changing call has a request id. Those of the set-up are made from the definition, so that running the example
again finds what is there already instead of making it twice, as long as the server remembers requests (30 days). An
event has an id of its own, so that telling of it twice is telling of it once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from heddle.v1 import (
    event_service_pb2,
    event_service_pb2_grpc,
    execution_pb2,
    execution_service_pb2,
    execution_service_pb2_grpc,
    step_run_pb2,
    step_service_pb2,
    step_service_pb2_grpc,
    template_service_pb2,
    template_service_pb2_grpc,
    version_service_pb2,
    version_service_pb2_grpc,
)

KEY = "order"
DEFINITION = (Path(__file__).parent / "order.json").read_text()
EDITION = hashlib.sha256(DEFINITION.encode()).hexdigest()[:8]

PATIENCE = 60.0
"""Seconds in which what the worker has to do is to have happened."""


class Orders:
    """The calls of the example, on one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._templates = template_service_pb2_grpc.TemplateServiceStub(channel)
        self._versions = version_service_pb2_grpc.VersionServiceStub(channel)
        self._executions = execution_service_pb2_grpc.ExecutionServiceStub(channel)
        self._steps = step_service_pb2_grpc.StepServiceStub(channel)
        self._events = event_service_pb2_grpc.EventServiceStub(channel)

    def register(self) -> None:
        """Publish the definition as it was written, and let it be what new orders run."""
        template = self._templates.CreateTemplate(
            template_service_pb2.CreateTemplateRequest(request_id="order", key=KEY, name="Order")
        ).template
        version = self._versions.CreateVersion(
            version_service_pb2.CreateVersionRequest(
                request_id=f"order-version-{EDITION}",
                template_id=template.id,
                label=f"1.0.0+{EDITION}",
                dialect="orchestrator",
                definition_json=DEFINITION,
            )
        ).version
        self._versions.PublishVersion(
            version_service_pb2.PublishVersionRequest(request_id=f"order-publish-{EDITION}", version_id=version.id)
        )
        self._versions.ActivateVersion(
            version_service_pb2.ActivateVersionRequest(request_id=f"order-activate-{EDITION}", version_id=version.id)
        )

    def start(self, order_id: str, total: float, items: list[dict[str, Any]]) -> execution_pb2.Execution:
        """Start an order; the same order starts nothing twice."""
        order = {"orderId": order_id, "totalAmount": total, "items": items}
        return self._executions.StartExecution(
            execution_service_pb2.StartExecutionRequest(
                request_id=order_id, template_key=KEY, input_json=json.dumps(order), correlation_id=order_id
            )
        ).execution

    def publish(self, event_id: str, name: str, **payload: Any) -> event_service_pb2.PublishEventResponse:
        """Tell of an event; the answer says whom it reached."""
        return self._events.PublishEvent(
            event_service_pb2.PublishEventRequest(
                request_id=event_id, event_id=event_id, name=name, payload_json=json.dumps(payload)
            )
        )

    def await_step(self, execution_id: str, step_id: str) -> None:
        """Wait until a step waits."""
        waiting = step_run_pb2.StepRun.STATUS_WAITING
        self._await(execution_id, lambda _: any(run.status == waiting for run in self.runs(execution_id, step_id)))

    def await_end(self, execution_id: str) -> execution_pb2.Execution:
        """Wait until an execution has ended, and what it did is made up for if need be."""
        none = execution_pb2.Execution.PHASE_NONE
        return self._await(execution_id, lambda one: one.HasField("end_time") and one.phase == none)

    def runs(self, execution_id: str, step_id: str = "") -> list[step_run_pb2.StepRun]:
        """List the step runs of an execution, the oldest first."""
        return list(
            self._steps.ListStepRuns(
                step_service_pb2.ListStepRunsRequest(execution_id=execution_id, step_id=step_id)
            ).step_runs
        )

    def _await(self, execution_id: str, holds: Callable[[execution_pb2.Execution], bool]) -> execution_pb2.Execution:
        limit = time.monotonic() + PATIENCE
        while True:
            execution = self._executions.GetExecution(
                execution_service_pb2.GetExecutionRequest(execution_id=execution_id)
            ).execution
            if holds(execution):
                return execution
            if time.monotonic() > limit:
                raise RuntimeError(f"{PATIENCE:g} seconds passed; is Heddle's worker up?")
            time.sleep(0.05)
