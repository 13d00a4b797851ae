"""Asking a gRPC server whether it serves."""

import grpc
from grpc_health.v1 import health_pb2

from service.embedded.processes import Process
from service.embedded.waiting import Waiter


def await_serving(target: str, process: Process, *, within: float, waiter: Waiter, service: str = "") -> bool:
    """Wait until the server says SERVING; raise a Problem when its process ends instead."""

    def serving() -> bool:
        process.require_alive()
        return is_serving(target, service)

    return waiter.until(serving, within=within)


def is_serving(target: str, service: str = "") -> bool:
    """Ask once. A channel that met a closed port waits a second before it tries again, so each question has its own."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=2)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
