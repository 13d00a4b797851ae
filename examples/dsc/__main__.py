"""Run the example against a Heddle that is up: `python -m examples.dsc`.

Takes the server's address from HEDDLE_TARGET (127.0.0.1:50051 when that is not set), and that of Temporal, on which the
provider of the data works, from HEDDLE_TEMPORAL_ADDRESS (127.0.0.1:7233). Exits 0 when the execution has completed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import uuid

import grpc

from examples.dsc import provider
from examples.dsc.client import Incorporations
from heddle.v1 import execution_pb2

Execution = execution_pb2.Execution


def main() -> int:
    """Play the example through and print what happened."""
    company = sys.argv[1] if len(sys.argv) > 1 else "c9"
    threading.Thread(target=lambda: asyncio.run(provider.main()), daemon=True).start()
    with grpc.insecure_channel(os.environ.get("HEDDLE_TARGET", "127.0.0.1:50051")) as channel:
        service = Incorporations(channel)
        try:
            execution = _play(service, f"sr-{uuid.uuid4()}", company)
        except RuntimeError as error:
            print(f"  {error}")
            return 1
    print(f"  output {execution.output_json}")
    return 0 if execution.status == Execution.STATUS_COMPLETED else 1


def _play(service: Incorporations, service_request: str, company: str) -> Execution:
    """Be those who verify the directors, issue their certificates and file the incorporation."""
    execution = service.start(service_request, service.register(), company)
    print(_line(execution))
    children = service.await_children(execution.id, "dsc")
    print(f"  {children.total} directors lack a certificate")
    for child in children.executions:
        started = service.get(child.id)
        print(f"  {_line(started)}\n      input {started.input_json}")
    for child in children.executions:
        # A service knows its own task groups, and need not know which execution each of them has.
        group = service.get(child.id).subject
        service.complete(group, "verify-identity", {"verified": True})
        print(f"  {_line(service.complete(group, 'issue', {'serialNumber': f'DSC-{child.item + 1}'}))}")
    service.await_step(execution.id, "file")
    subject = execution_pb2.Subject(type="SERVICE_REQUEST", id=service_request)
    execution = service.complete(subject, "file", {"filingNumber": "IN-2026-1"})
    print(_line(execution))
    return execution


def _line(execution: Execution) -> str:
    return f"  {execution.name}: {Execution.Status.Name(execution.status).removeprefix('STATUS_')}"


if __name__ == "__main__":
    sys.exit(main())
