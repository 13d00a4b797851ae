"""LedgerService: read what happened to an execution."""

from __future__ import annotations

from heddle.v1 import ledger_service_pb2 as pb
from heddle.v1.ledger_service_pb2_grpc import LedgerServiceServicer
from service import acting
from service.domain import fields
from service.rpc.call import Call
from service.rpc.execution_messages import ledger_entry_message, ledger_number
from service.rpc.paging import Page
from service.rpc.room import fitting
from service.rpc.status import rpc
from storage import ledger


class LedgerService(LedgerServiceServicer):
    """Ledgers for callers."""

    @rpc
    def ListLedgerEntries(self, request: pb.ListLedgerEntriesRequest, call: Call) -> pb.ListLedgerEntriesResponse:
        page = Page.asked(request, call)
        execution = acting.get(call.workspace, fields.required("execution_id", request.execution_id))
        after = int(page.after or ledger_number("after_number", request.after_number))
        found = ledger.entries(call.workspace, execution.id, after=after, limit=page.limit)
        messages = [ledger_entry_message(entry) for entry in found]
        items, token = page.within(fitting(messages)).cut(found, lambda entry: str(entry["number"]))
        return pb.ListLedgerEntriesResponse(entries=messages[: len(items)], next_page_token=token)
