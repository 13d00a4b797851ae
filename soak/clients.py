"""Callers of the two servers, who note each call before they send it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from heddle.v1 import (
    event_pb2,
    event_service_pb2,
    execution_service_pb2,
    ledger_service_pb2,
    step_service_pb2,
    template_service_pb2,
    version_service_pb2,
)
from heddle.v1.event_service_pb2_grpc import EventServiceStub
from heddle.v1.execution_service_pb2_grpc import ExecutionServiceStub
from heddle.v1.ledger_service_pb2_grpc import LedgerServiceStub
from heddle.v1.step_service_pb2_grpc import StepServiceStub
from heddle.v1.template_service_pb2_grpc import TemplateServiceStub
from heddle.v1.version_service_pb2_grpc import VersionServiceStub
from soak.definitions import DEFINITIONS, NAME
from soak.journal import Journal

DEADLINE = 10.0
"""Seconds that a call may take."""

PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED}
"""Refusals after which the same call is sent again."""

PATIENCE = 60.0
"""Seconds for which a call is sent again and again."""

_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
]

_STUBS: dict[str, tuple[Any, Any]] = {
    "CreateTemplate": (TemplateServiceStub, template_service_pb2),
    "CreateVersion": (VersionServiceStub, version_service_pb2),
    "PublishVersion": (VersionServiceStub, version_service_pb2),
    "StartExecution": (ExecutionServiceStub, execution_service_pb2),
    "GetExecution": (ExecutionServiceStub, execution_service_pb2),
    "CancelExecution": (ExecutionServiceStub, execution_service_pb2),
    "CompleteStep": (StepServiceStub, step_service_pb2),
    "ListLedgerEntries": (LedgerServiceStub, ledger_service_pb2),
    "PublishEvent": (EventServiceStub, event_service_pb2),
    "ListDeliveries": (EventServiceStub, event_service_pb2),
}


class Refused(Exception):
    """A server refused a call for good."""

    def __init__(self, error: grpc.RpcError) -> None:
        super().__init__(f"{error.code().name}: {error.details()}")
        self.code = error.code().name


@dataclass(frozen=True, slots=True)
class Published:
    """What a publisher was told: status and place (execution, step, visit) of each delivery."""

    deliveries: dict[tuple[str, str, int], str]
    complete: bool


class Clients:
    """Calls in one workspace, each to the server that it names, and to the other one when that does not answer."""

    def __init__(self, targets: Sequence[str], workspace: str, journal: Journal) -> None:
        self.workspace = workspace
        self.journal = journal
        self._metadata = (("heddle-workspace", workspace),)
        self._channels = [grpc.insecure_channel(target, options=_OPTIONS) for target in targets]
        self._methods = [
            {name: getattr(stub(channel), name) for name, (stub, _) in _STUBS.items()} for channel in self._channels
        ]
        self._versions: dict[str, str] = {}

    def close(self) -> None:
        """Close the lines."""
        for channel in self._channels:
            channel.close()

    def prepare(self, names: Iterable[str]) -> None:
        """Publish these definitions."""
        for name in names:
            definition = DEFINITIONS[name]
            template = self.ask("CreateTemplate", request_id=f"template-{name}", key=name, name=name).template
            version = self.ask(
                "CreateVersion",
                request_id=f"version-{name}",
                template_id=template.id,
                label="1.0.0",
                dialect="graph",
                definition_json=json.dumps(definition),
            ).version
            self.ask("PublishVersion", request_id=f"publish-{name}", version_id=version.id)
            self._versions[name] = version.id

    def start(self, server: int, key: str, name: str, *, place: str = "") -> tuple[str, float]:
        """Start an execution of a definition for a key; gives its id, and when it was made (seconds since 1970)."""
        request = {
            "request_id": f"start-{key}{place}",
            "version_id": self._versions[name],
            "input_json": json.dumps({"key": key}),
        }
        call = self.journal.sends("StartExecution", workspace=self.workspace, key=key, server=server, definition=name)
        execution = self.ask("StartExecution", server=server, **request).execution
        self.journal.came(call, execution.id)
        return execution.id, execution.create_time.ToMicroseconds() / 1e6

    def publish(self, server: int, event_id: str, key: str, *, note: str = "", request_id: str = "") -> Published:
        """Publish an event with a key; raises Refused."""
        call = self.journal.sends(
            "PublishEvent", workspace=self.workspace, key=key, server=server, event=event_id, note=note
        )
        try:
            answer = self.ask(
                "PublishEvent",
                server=server,
                request_id=request_id or f"publish-{event_id}-{call['call']}",
                event_id=event_id,
                name=NAME,
                payload_json=json.dumps({"key": key, "note": note}),
            )
        except Refused as refused:
            self.journal.came(call, refused.code)
            raise
        statuses = event_pb2.Delivery.Status
        told = {
            (one.execution_id, one.step_id, one.visit): statuses.Name(one.status).removeprefix("STATUS_")
            for one in answer.deliveries
        }
        taken = [list(place) for place, status in told.items() if status == "CONSUMED"]
        self.journal.came(call, {"taken": taken, "complete": answer.complete})
        return Published(told, answer.complete)

    def complete(self, server: int, execution_id: str, key: str) -> None:
        """Complete the human step of an execution; raises Refused."""
        self._act(server, "CompleteStep", key, execution_id=execution_id, step_id="ask", output_json="{}")

    def cancel(self, server: int, execution_id: str, key: str) -> bool:
        """Cancel an execution; False when it has ended."""
        try:
            self._act(server, "CancelExecution", key, execution_id=execution_id)
        except Refused as refused:
            if refused.code != "FAILED_PRECONDITION":
                raise
            return False
        return True

    def _act(self, server: int, method: str, key: str, *, execution_id: str, **fields: Any) -> None:
        call = self.journal.sends(method, workspace=self.workspace, key=key, server=server, execution=execution_id)
        try:
            self.ask(method, server=server, request_id=f"{method}-{key}", execution_id=execution_id, **fields)
        except Refused as refused:
            self.journal.came(call, refused.code)
            raise
        self.journal.came(call, "OK")

    def ask(self, method: str, *, server: int = 0, **fields: Any) -> Any:
        """Call, and again elsewhere when there was no answer, with the same request; raises Refused."""
        request = getattr(_STUBS[method][1], f"{method}Request")(**fields)
        limit = time.monotonic() + PATIENCE
        while True:
            send: Callable[..., Any] = self._methods[server % len(self._methods)][method]
            try:
                return send(request, timeout=DEADLINE, metadata=self._metadata)
            except grpc.RpcError as error:
                if error.code() not in PASSING or time.monotonic() > limit:
                    raise Refused(error) from error
            server += 1
            time.sleep(0.05)
