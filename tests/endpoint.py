"""An HTTP endpoint on loopback that answers as badly as a test wants."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

Behaviour = Callable[["Connection"], None]


@dataclass(frozen=True)
class Request:
    """What was asked."""

    line: str
    headers: dict[str, str]  # names in lower case
    document: Any


class Connection:
    """One connection of a caller, after its request has been read."""

    def __init__(self, line: socket.socket, endpoint: Endpoint) -> None:
        self.line = line
        self.endpoint = endpoint

    def send(self, data: bytes) -> None:
        """Send, and count what the caller has taken."""
        self.line.sendall(data)
        self.endpoint.sent += len(data)


class Endpoint:
    """Answers each connection with the next behaviour, and with the last one for ever."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.sent = 0
        self.stopping = threading.Event()
        self._behaviours = list(behaviours)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}/data"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
            threading.Thread(target=self._serve, args=(line, behaviour), daemon=True).start()

    def _serve(self, line: socket.socket, behaviour: Behaviour) -> None:
        with suppress(OSError), line:
            if self._tls:
                line = self._tls.wrap_socket(line, server_side=True)
            with line:
                if behaviour is not mute:
                    self.requests.append(_read(line))
                behaviour(Connection(line, self))


@contextmanager
def endpoint(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Endpoint]:
    served = Endpoint(*behaviours, tls=tls)
    try:
        yield served
    finally:
        served.close()


def answer(body: Any = None, *, status: int = 200, after: float = 0, **headers: str) -> Behaviour:
    """Answer properly; bytes go out as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(connection: Connection) -> None:
        time.sleep(after)
        connection.send(head(status, **{"Content-Length": str(len(content))} | headers) + content)

    return behave


def raw(*pieces: bytes, pause: float = 0) -> Behaviour:
    """Send pieces and close."""

    def behave(connection: Connection) -> None:
        for piece in pieces:
            connection.send(piece)
            time.sleep(pause)

    return behave


def flood(begin: bytes, piece: bytes, times: int) -> Behaviour:
    """Send the same piece over and over."""

    def behave(connection: Connection) -> None:
        connection.send(begin)
        for _ in range(times):
            connection.send(piece)

    return behave


def drip(text: bytes, *, pause: float) -> Behaviour:
    """Send byte by byte."""
    return raw(*(bytes([byte]) for byte in text), pause=pause)


def hang(connection: Connection) -> None:
    """Take the request and say nothing."""
    connection.endpoint.stopping.wait()


def mute(connection: Connection) -> None:
    """Do not even read."""
    connection.endpoint.stopping.wait()


def reset(connection: Connection) -> None:
    """Break the connection off."""
    connection.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def head(status: int = 200, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def _read(line: socket.socket) -> Request:
    text = b""
    while b"\r\n\r\n" not in text:
        text += _more(line)
    top, _, body = text.partition(b"\r\n\r\n")
    first, *rest = top.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (header.partition(": ") for header in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(line)
    return Request(first, headers, _document(headers, body))


def _document(headers: dict[str, str], body: bytes) -> Any:
    is_json = headers.get("content-type", "").startswith("application/json")
    return json.loads(body) if is_json else body.decode() or None


def _more(line: socket.socket) -> bytes:
    if not (piece := line.recv(65536)):
        raise ConnectionError("the caller has gone")
    return piece
