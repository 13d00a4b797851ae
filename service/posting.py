"""Ask an HTTP endpoint for one JSON document, within bounds of time and size that hold whatever the endpoint does.

Only the endpoint that was named is asked: no redirect is followed, no proxy of the environment is used. Time is counted
as a whole, so that an answer which drips in byte by byte has no more of it than one that never comes, and a connection
is cut off as soon as more comes than is allowed.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import closing, suppress
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from service.domain.json_text import InvalidJson, Json, parse

Kind = Literal["UNAVAILABLE", "REFUSED", "INVALID", "TOO_LARGE"]


class PostFailed(Exception):
    """The endpoint gave nothing that can be used.

    `kind` tells what is to blame: UNAVAILABLE may pass by itself, REFUSED is the request, INVALID and TOO_LARGE the
    answer. The message names host and port of the endpoint, never its path, which may be nobody else's business.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


async def post(
    url: str, document: Json, *, headers: Mapping[str, str], within: float, limit: int, threads: Executor
) -> Json:
    """Send a document and give the JSON of the answer, which is to be a 200; raise `PostFailed` if there is none.

    It takes at most `within` seconds, waiting for one of the `threads` and for the name to be resolved included; the
    answer's body has at most `limit` bytes.
    """
    exchange = _Exchange(urlsplit(url), time.monotonic() + within, limit)
    work = asyncio.get_running_loop().run_in_executor(threads, exchange.run, json.dumps(document), dict(headers))
    try:
        async with asyncio.timeout(within):
            return await work
    except TimeoutError:
        raise PostFailed("UNAVAILABLE", f"{exchange.host} did not answer within {within:g} s") from None
    finally:
        exchange.stop()


_PASSING = (408, 425, 429)
"""Refusals that the endpoint itself calls passing: too slow, too early, too many."""

_FRAMING = 8
"""How much longer than its body an answer may be: a chunk of one byte takes six."""

_HEAD = 64 * 1024
_PIECE = 16 * 1024


class _Exchange:
    """One request and its answer, made in a thread of its own."""

    def __init__(self, url: SplitResult, deadline: float, limit: int) -> None:
        self.host = url.netloc
        self._url = url
        self._deadline = deadline
        self._limit = limit
        self._line: socket.socket | None = None

    def stop(self) -> None:
        """End it, if it has not ended, so that its thread is free again; from another thread."""
        if self._line is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)  # not the one of TLS, which takes part in reading

    def run(self, body: str, headers: dict[str, str]) -> Json:
        """Carry it out; raises TimeoutError when the time is over."""
        try:
            with closing(self._connected()) as line:
                connection = self._connection()
                connection.sock = _Line(line, self._deadline, self._limit * _FRAMING + _HEAD)
                connection.request(
                    "POST",
                    (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else ""),
                    body.encode(),
                    {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"} | headers,
                )
                with connection.getresponse() as response:
                    return self._read(response)
        except TimeoutError:
            raise
        except _TooMuch:
            raise self._too_large() from None
        except http.client.IncompleteRead:
            raise self._broken_off() from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise PostFailed("UNAVAILABLE", f"{self.host} cannot be reached: {reason}") from None
        except http.client.HTTPException as error:
            raise PostFailed("UNAVAILABLE", f"{self.host} speaks no HTTP: {type(error).__name__}") from None

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, self._url.port, context=_tls())
        return http.client.HTTPConnection(host, self._url.port)

    def _connected(self) -> socket.socket:
        """Connect to the first address of the host that answers; each has its share of the time that is left."""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        addresses = socket.getaddrinfo(self._url.hostname, port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(addresses):
            line = self._line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(_left(self._deadline) / (len(addresses) - number))
                line.connect(address)
                return self._secured(line) if self._url.scheme == "https" else line
            except OSError as error:
                line.close()
                failure = error
        raise failure

    def _secured(self, line: socket.socket) -> socket.socket:
        line.settimeout(_left(self._deadline))
        secured = self._line = _tls().wrap_socket(
            line, server_hostname=self._url.hostname, do_handshake_on_connect=False
        )
        try:
            secured.do_handshake()
        except OSError:
            secured.close()
            raise
        return secured

    def _read(self, response: http.client.HTTPResponse) -> Json:
        self._require_success(response.status)
        if (coding := response.headers.get("Content-Encoding", "identity")).lower() != "identity":
            raise PostFailed(
                "INVALID", f"the answer of {self.host} is encoded as {coding[:40]!r}, which was not asked for"
            )
        if (response.length or 0) > self._limit:
            raise self._too_large()
        body = response.read(self._limit + 1)
        if len(body) > self._limit:
            raise self._too_large()
        if response.length:
            raise self._broken_off()
        return self._parsed(body)

    def _require_success(self, status: int) -> None:
        if status >= 500 or status in _PASSING:
            raise PostFailed("UNAVAILABLE", f"{self.host} answered {status}")
        if status >= 400:
            raise PostFailed("REFUSED", f"{self.host} answered {status}")
        if status >= 300:
            raise PostFailed("REFUSED", f"{self.host} answered {status}, but redirects are not followed")
        if status != 200:
            raise PostFailed("INVALID", f"{self.host} answered {status} instead of 200")

    def _parsed(self, body: bytes) -> Json:
        try:
            return parse(body.decode(), limit=self._limit, field="answer")
        except UnicodeDecodeError:
            raise PostFailed("INVALID", f"the answer of {self.host} is not UTF-8") from None
        except InvalidJson as error:
            raise PostFailed("INVALID", f"the answer of {self.host} is not taken: {error.message}") from None

    def _too_large(self) -> PostFailed:
        return PostFailed("TOO_LARGE", f"the answer of {self.host} has more than {self._limit:,} bytes")

    def _broken_off(self) -> PostFailed:
        return PostFailed("UNAVAILABLE", f"{self.host} broke off its answer")


class _TooMuch(Exception):
    """More has come than an answer within its limit can take, however it is cut into chunks."""


class _Line:
    """What `http.client` needs of a socket: sending and receiving, both of which end with the deadline."""

    def __init__(self, line: socket.socket, deadline: float, allowed: int) -> None:
        self._socket = line
        self._deadline = deadline
        self._allowed = allowed

    def sendall(self, data: bytes) -> None:
        """Send in pieces, because over TLS each piece has the whole timeout of the socket."""
        for begin in range(0, len(data), _PIECE):
            self._socket.settimeout(_left(self._deadline))
            self._socket.sendall(data[begin : begin + _PIECE])

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Open what comes for reading."""
        return io.BufferedReader(_Incoming(self._socket, self._deadline, self._allowed))

    def close(self) -> None:
        """Do nothing: `http.client` closes as soon as it has the head, but the rest is yet to come."""


class _Incoming(io.RawIOBase):
    """The bytes of an answer, not one more than are allowed."""

    def __init__(self, line: socket.socket, deadline: float, allowed: int) -> None:
        self._socket = line
        self._deadline = deadline
        self._allowed = allowed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Take what has come, as soon as anything has."""
        self._socket.settimeout(_left(self._deadline))
        count = self._socket.recv_into(buffer)
        self._allowed -= count
        if self._allowed < 0:
            raise _TooMuch
        return count


def _left(deadline: float) -> float:
    """Seconds until a deadline; raises TimeoutError when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@functools.cache
def _tls() -> ssl.SSLContext:
    """The certificates that this machine trusts; SSL_CERT_FILE and SSL_CERT_DIR name others."""
    return ssl.create_default_context()
