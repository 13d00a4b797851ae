"""A gRPC client that costs next to nothing, so that what is measured is a server and not its caller.

grpc's own Python client takes more of the machine than the servers it calls. This one knows as much of HTTP/2 as one
unary call after the other on a connection of their own needs: its headers are made once and not compressed, and of an
answer it reads the message alone. A refused call has none.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACK = 1
_END_HEADERS = 4
_INITIAL_WINDOW_SIZE = 4
_WINDOW, _FIRST_WINDOW = 2**31 - 1, 65_535
_FRAME, _PREFIX = 9, 5  # bytes before the content of a frame, and before a message


class Refused(Exception):
    """The server gave no answer; a client that reads headers would know why."""


class Caller:
    """Calls one method of one server, over and over."""

    def __init__(self, target: str, method: str, metadata: Iterable[tuple[str, str]]) -> None:
        host, _, port = target.rpartition(":")
        self._method = method
        self._stream = -1
        self._received = b""
        self._headers = _headers(target, method, metadata)
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Windows so wide that answers never wait for them.
        self._socket.sendall(
            _PREFACE
            + _frame(_SETTINGS, 0, 0, struct.pack(">HI", _INITIAL_WINDOW_SIZE, _WINDOW))
            + _frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", _WINDOW - _FIRST_WINDOW))
        )

    def call(self, request: bytes) -> bytes:
        """Send a message and wait for the one that answers it; raises Refused when there is none."""
        self._stream += 2
        message = b"\0" + struct.pack(">I", len(request)) + request
        self._socket.sendall(
            _frame(_HEADERS, _END_HEADERS, self._stream, self._headers)
            + _frame(_DATA, _END_STREAM, self._stream, message)
        )
        answer = self._answer()
        if not answer:
            raise Refused(f"{self._method} was refused")
        return answer[_PREFIX:]

    def _answer(self) -> bytes:
        answer = b""
        while True:
            type, flags, content = self._next_frame()
            if type == _DATA:
                answer += content
            if type in (_DATA, _HEADERS) and flags & _END_STREAM:
                return answer
            if type in (_SETTINGS, _PING) and not flags & _ACK:
                self._socket.sendall(_frame(type, _ACK, 0, content if type == _PING else b""))
            elif type in (_RESET, _GOAWAY):
                raise ConnectionError(f"the server broke off {self._method}")

    def _next_frame(self) -> tuple[int, int, bytes]:
        self._receive(_FRAME)
        size = int.from_bytes(self._received[:3], "big")
        self._receive(_FRAME + size)
        frame, self._received = self._received[: _FRAME + size], self._received[_FRAME + size :]
        return frame[3], frame[4], frame[_FRAME:]

    def _receive(self, size: int) -> None:
        """Read on until so many bytes are there."""
        while len(self._received) < size:
            more = self._socket.recv(65_536)
            if not more:
                raise ConnectionError(f"the server closed the connection during {self._method}")
            self._received += more


def _frame(type: int, flags: int, stream: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + bytes((type, flags)) + stream.to_bytes(4, "big") + content


def _headers(target: str, method: str, metadata: Iterable[tuple[str, str]]) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": target,
        "te": "trailers",
        "content-type": "application/grpc",
        **dict(metadata),
    }
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())


def _text(text: str) -> bytes:
    # The length is one byte only below 127, and no header of ours is longer.
    return bytes((len(text),)) + text.encode()
