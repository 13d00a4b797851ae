"""Run the example against a Heddle that is up: `python -m examples.incorporation`.

Takes the server's address from HEDDLE_TARGET (127.0.0.1:50051 when that is not set); exits 0 when the execution has
completed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import uuid

import grpc

from examples.incorporation import worker
from examples.incorporation.client import Incorporations
from heddle.v1 import execution_pb2, ledger_entry_pb2


def main() -> int:
    """Play the example through and print its timeline."""
    threading.Thread(target=lambda: asyncio.run(worker.main()), daemon=True).start()
    with grpc.insecure_channel(os.environ.get("HEDDLE_TARGET", "127.0.0.1:50051")) as channel:
        service = Incorporations(channel)
        service.register()
        execution = _play(service, f"order-{uuid.uuid4()}")
        for final, entries in service.follow(execution.id):
            execution = final
            for entry in entries:
                print(_line(entry))
    print(f"\n  {execution.name}: {execution_pb2.Execution.Status.Name(execution.status).removeprefix('STATUS_')}")
    print(f"  output {execution.output_json}")
    return 0 if execution.status == execution_pb2.Execution.STATUS_COMPLETED else 1


def _play(service: Incorporations, order: str) -> execution_pb2.Execution:
    """Be the client, the reviewer who finds an issue the first time, and the agent who closes the case."""
    execution = service.start(order, "Example Weaving")
    for round, issue in enumerate((True, False), start=1):
        service.complete(f"{order}-questionnaire-{round}", execution.id, "questionnaire", {"shares": 1000 * round})
        service.complete(f"{order}-review-{round}", execution.id, "review", {"issueFound": issue})
    service.wait_for(execution.id, "confirm-details")
    return service.complete(f"{order}-details", execution.id, "confirm-details", {"done": True})


def _line(entry: ledger_entry_pb2.LedgerEntry) -> str:
    type = ledger_entry_pb2.LedgerEntry.Type.Name(entry.type).removeprefix("TYPE_")
    step = f"{entry.step_id} (visit {entry.visit})" if entry.visit else ""
    return f"  {entry.time.ToJsonString():27}  {entry.number:3}  {type:20} {step}"


if __name__ == "__main__":
    sys.exit(main())
