"""StatisticsService: tell how executions fare."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from heddle.v1 import statistics_service_pb2 as pb
from heddle.v1.execution_pb2 import Execution
from heddle.v1.statistics_pb2 import Statistics as StatisticsMessage
from heddle.v1.statistics_service_pb2_grpc import StatisticsServiceServicer
from service.domain.fields import required
from service.domain.statistics import WINDOW, Durations, Statistics
from service.rpc.call import Call
from service.rpc.messages import target_of, time_message
from service.rpc.status import rpc
from storage import statistics, templates, versions


class StatisticsService(StatisticsServiceServicer):
    """Statistics for callers."""

    @rpc
    def GetStatistics(self, request: pb.GetStatisticsRequest, call: Call) -> pb.GetStatisticsResponse:
        template_id, version_id = _asked(request, call)
        found = statistics.get(call.workspace, template_id, version_id)
        return pb.GetStatisticsResponse(statistics=_message(template_id, version_id, found))


def _asked(request: pb.GetStatisticsRequest, call: Call) -> tuple[str, str]:
    """Read which template is meant, and which version, empty for all; raises NotFound."""
    target = target_of(request)
    name = required(target, getattr(request, target))
    if target == "version_id":
        version = versions.get_without_definition(call.workspace, name)
        return version.template_id, version.id
    find = templates.get if target == "template_id" else templates.by_key
    return find(call.workspace, name).id, ""


def _message(template_id: str, version_id: str, found: Statistics) -> StatisticsMessage:
    return StatisticsMessage(
        template_id=template_id,
        version_id=version_id,
        refresh_time=time_message(found.refresh_time),
        age=_duration(found.age),
        counts=[
            StatisticsMessage.StatusCount(
                status=Execution.Status.Value(f"STATUS_{one.status}"),
                phase=Execution.Phase.Value(f"PHASE_{one.phase}"),
                count=one.number,
            )
            for one in found.counts
        ],
        durations=_durations(found.durations) if found.durations else None,
        failures=[
            StatisticsMessage.Failures(step_id=one.step_id, code=one.code, count=one.number) for one in found.failures
        ],
        window=_duration(WINDOW),
    )


def _durations(durations: Durations) -> StatisticsMessage.Durations:
    median, p95, longest = (
        _duration(timedelta(seconds=seconds)) for seconds in (durations.median, durations.p95, durations.longest)
    )
    return StatisticsMessage.Durations(count=durations.number, median=median, p95=p95, longest=longest)


def _duration(span: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message
