"""Stands between Temporal and its clients and counts their calls by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

import grpc

_THREADS = 128
"""A worker's polls hold a thread each until there is work."""

_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_NOT_FORWARDED = frozenset({"user-agent", "grpc-accept-encoding", "accept-encoding"})
"""Metadata that each connection makes for itself."""


class CountingProxy(grpc.GenericRpcHandler):
    """Forwards every unary call as it is; `answered` counts those that got an answer."""

    def __init__(self, target: str) -> None:
        self.answered: Counter[str] = Counter()
        self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), handlers=[self], options=_OPTIONS)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()
        self._channel.close()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Give what forwards the calls of one method."""
        forward = self._forward(str(handler_call_details.method), handler_call_details.invocation_metadata)
        return grpc.unary_unary_rpc_method_handler(forward)

    def _forward(
        self, method: str, metadata: tuple[tuple[str, str | bytes], ...]
    ) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)
        kept = tuple((key, value) for key, value in metadata if key not in _NOT_FORWARDED)

        def forward(request: bytes, context: grpc.ServicerContext) -> bytes:
            future = call.future(request, timeout=context.time_remaining(), metadata=kept)
            context.add_callback(lambda: _cancel(future))  # a worker that stops gives up its polls
            error = future.exception()
            if isinstance(error, grpc.Call):
                context.set_trailing_metadata(tuple(error.trailing_metadata()))
                context.abort(error.code(), error.details() or "")
            self.answered[method.rpartition("/")[2]] += 1
            return bytes(future.result())

        return forward


def _cancel(future: grpc.Future[bytes]) -> None:
    future.cancel()
