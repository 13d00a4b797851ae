"""HistoryService: read what happened to an execution in the words of people."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from heddle.v1 import history_service_pb2 as pb
from heddle.v1.history_event_pb2 import HistoryEvent
from heddle.v1.history_service_pb2_grpc import HistoryServiceServicer
from service import acting
from service.definition.plan import Plan
from service.domain.json_text import compact
from service.engine.entries import Entry
from service.engine.history import Event, events, role_of
from service.plans import Plans
from service.rpc.addressing import execution_id_of
from service.rpc.call import Call
from service.rpc.paging import Page
from service.rpc.room import fitting
from service.rpc.status import rpc
from storage import ledger


class HistoryService(HistoryServiceServicer):
    """Histories for callers."""

    def __init__(self, plans: Plans) -> None:
        self._plans = plans

    @rpc
    def ListHistoryEvents(self, request: pb.ListHistoryEventsRequest, call: Call) -> pb.ListHistoryEventsResponse:
        page = Page.asked(request, call)
        execution = acting.get(call.workspace, execution_id_of(request, call))
        plan = self._plans.get(call.workspace, execution.plan_digest)
        number, told = _position(page.after)
        entries = [
            Entry.from_dict(entry)
            for entry in ledger.entries(call.workspace, execution.id, after=number - 1, limit=page.limit)
        ]
        found = [
            (event, f"{event.number}/{place}")
            for entry in entries
            for place, event in enumerate(events(entry, role_of(plan, entry.step_id)), start=1)
            if place > told or entry.number > number
        ]
        rest = f"{entries[-1].number + 1}/0" if len(entries) == page.limit else ""
        messages = [_message(event, plan) for event, _ in found]
        items, token = page.within(fitting(messages)).cut(found, lambda one: one[1], rest=rest)
        return pb.ListHistoryEventsResponse(events=messages[: len(items)], next_page_token=token)


def _position(after: str) -> tuple[int, int]:
    """Read where a page begins: at the entry of this number, of which so many events were told before."""
    number, _, told = after.partition("/")
    return (int(number), int(told)) if after else (1, 0)


def _message(event: Event, plan: Plan) -> HistoryEvent:
    time = Timestamp()
    time.FromDatetime(datetime.fromisoformat(event.time))
    step = plan.step.get(event.step_id)
    return HistoryEvent(
        ledger_number=event.number,
        time=time,
        type=HistoryEvent.Type.Value(f"TYPE_{event.type}"),
        step_id=event.step_id,
        step_name=step.name if step else "",
        visit=event.visit,
        attempt=event.attempt,
        details_json=compact(event.details),
    )
