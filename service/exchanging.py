"""Exchange one HTTP request for its answer, within bounds of time and size that hold whatever the other side does.

Only the address that was named is asked: no redirect is followed, no proxy of the environment is used. A name is
resolved once, and the addresses that come of that are the ones connected to. Time is counted as a whole, so that an
answer which drips in byte by byte has no more of it than one that never comes, and a connection is cut off as soon as
more comes than is allowed.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

Kind = Literal["UNREACHABLE", "TIMEOUT", "FORBIDDEN", "INVALID", "TOO_LARGE"]


class ExchangeFailed(Exception):
    """There was no answer that could be taken.

    `kind` tells why: UNREACHABLE and TIMEOUT may pass by themselves, FORBIDDEN is for the settings to change, INVALID
    and TOO_LARGE are the answer's fault. The message names host and port, never the path, which may be nobody else's
    business.
    """

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `url` is https or http with a host, and has no user in it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of headers are in lower case, and those that came several times are joined."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Tell whether it is the answer that was hoped for; then its body is whole."""
        return 200 <= self.status < 300


Forbids = Callable[[str], str]
"""Says why an address may not be connected to, or nothing."""


def _nothing(address: str) -> str:
    return ""


async def exchange(
    request: Request,
    *,
    within: float,
    limit: int,
    threads: Executor,
    refusal: int = 0,
    forbids: Forbids = _nothing,
) -> Answer:
    """Send a request and give the answer to it, whatever its status; raise `ExchangeFailed` if there is none.

    It takes at most `within` seconds, waiting for one of the `threads` and for the name to be resolved included. The
    body of a success has at most `limit` bytes; of another answer no more than the first `refusal` bytes are read.
    """
    work = _Exchange(request, time.monotonic() + within, limit, refusal, forbids)
    running = asyncio.get_running_loop().run_in_executor(threads, work.run)
    try:
        async with asyncio.timeout(within):
            return await running
    except TimeoutError:
        raise ExchangeFailed("TIMEOUT", f"{work.host} did not answer within {within:g} s") from None
    finally:
        work.stop()


_FRAMING = 8
"""How much longer than its body an answer may be: a chunk of one byte takes six."""

_SOON = 2.0
"""Seconds in which the words beside a refusal have to come: the refusal itself is there already."""

_HEAD = 64 * 1024
_PIECE = 16 * 1024


class _Exchange:
    """One request and its answer, made in a thread of its own."""

    def __init__(self, request: Request, deadline: float, limit: int, refusal: int, forbids: Forbids) -> None:
        self._request = request
        self._url: SplitResult = urlsplit(request.url)
        self.host = self._url.netloc
        self._deadline = deadline
        self._limit = limit
        self._refusal = refusal
        self._forbids = forbids
        self._line: socket.socket | None = None

    def stop(self) -> None:
        """End it, if it has not ended, so that its thread is free again; from another thread."""
        if self._line is not None:
            with suppress(OSError):
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)  # not the one of TLS, which takes part in reading

    def run(self) -> Answer:
        """Carry it out; raises TimeoutError when the time is over."""
        try:
            with closing(self._connected()) as line:
                connection = self._connection()
                framed = connection.sock = _Line(line, self._deadline, self._limit * _FRAMING + _HEAD)
                connection.request(
                    self._request.method,
                    (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else ""),
                    self._request.body,
                    {**self._request.headers, "Connection": "close"},
                )
                with connection.getresponse() as response:
                    return self._read(response, framed)
        except TimeoutError:
            raise
        except _TooMuch:
            raise self._too_large() from None
        except http.client.IncompleteRead:
            raise self._broken_off() from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise ExchangeFailed("UNREACHABLE", f"{self.host} cannot be reached: {reason}") from None
        except http.client.HTTPException as error:
            raise ExchangeFailed("UNREACHABLE", f"{self.host} speaks no HTTP: {type(error).__name__}") from None

    def _connection(self) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, self._url.port, context=_tls())
        return http.client.HTTPConnection(host, self._url.port)

    def _connected(self) -> socket.socket:
        """Connect to the first address of the host that answers; each has its share of the time that is left."""
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        found = socket.getaddrinfo(self._url.hostname, port, type=socket.SOCK_STREAM)
        addresses = [one for one in found if not self._forbids(str(one[4][0]))]
        if not addresses:
            why = self._forbids(str(found[0][4][0]))
            raise ExchangeFailed("FORBIDDEN", f"{self.host} is not asked: {why}")
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

    def _read(self, response: http.client.HTTPResponse, line: _Line) -> Answer:
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        answer = Answer(response.status, headers, b"")
        if not answer.is_success:
            return Answer(response.status, headers, self._beginning(response, line))
        if (coding := headers.get("content-encoding", "identity")).lower() != "identity":
            raise ExchangeFailed(
                "INVALID", f"the answer of {self.host} is encoded as {coding[:40]!r}, which was not asked for"
            )
        if (response.length or 0) > self._limit:
            raise self._too_large()
        body = response.read(self._limit + 1)
        if len(body) > self._limit:
            raise self._too_large()
        if response.length:
            raise self._broken_off()
        return Answer(response.status, headers, body)

    def _beginning(self, response: http.client.HTTPResponse, line: _Line) -> bytes:
        """Read the first bytes of what was said beside a refusal, as far as they come soon."""
        if not self._refusal:
            return b""
        line.hurry(_SOON)
        try:
            return response.read(self._refusal)
        except (OSError, http.client.HTTPException, _TooMuch):  # the status is what counts
            return b""

    def _too_large(self) -> ExchangeFailed:
        return ExchangeFailed("TOO_LARGE", f"the answer of {self.host} has more than {self._limit:,} bytes")

    def _broken_off(self) -> ExchangeFailed:
        return ExchangeFailed("UNREACHABLE", f"{self.host} broke off its answer")


class _TooMuch(Exception):
    """More has come than an answer within its limit can take, however it is cut into chunks."""


class _Line:
    """What `http.client` needs of a socket: sending and receiving, both of which end with the deadline."""

    def __init__(self, line: socket.socket, deadline: float, allowed: int) -> None:
        self._socket = line
        self._deadline = deadline
        self._incoming = _Incoming(line, deadline, allowed)

    def sendall(self, data: bytes) -> None:
        """Send in pieces, because over TLS each piece has the whole timeout of the socket."""
        for begin in range(0, len(data), _PIECE):
            self._socket.settimeout(_left(self._deadline))
            self._socket.sendall(data[begin : begin + _PIECE])

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Open what comes for reading."""
        return io.BufferedReader(self._incoming)

    def hurry(self, seconds: float) -> None:
        """Receive no longer than so many seconds from now."""
        self._incoming.hurry(seconds)

    def close(self) -> None:
        """Do nothing: `http.client` closes as soon as it has the head, but the rest is yet to come."""


class _Incoming(io.RawIOBase):
    """The bytes of an answer, not one more than are allowed."""

    def __init__(self, line: socket.socket, deadline: float, allowed: int) -> None:
        self._socket = line
        self._deadline = deadline
        self._allowed = allowed

    def hurry(self, seconds: float) -> None:
        self._deadline = min(self._deadline, time.monotonic() + seconds)

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
