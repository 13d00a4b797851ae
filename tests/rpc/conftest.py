"""A server in the tests' own process, on the session's database; Temporal is away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from service.launching import TemporalAway
from service.rpc.server import Server
from storage import database
from tests.end_to_end.api import Api


class NoTemporal:
    """A gateway that reaches nobody."""

    def start(self, *_: Any) -> None:
        raise TemporalAway("Temporal is away")

    observe = start_and_observe = terminate = start


def a_server() -> Server:
    return Server("127.0.0.1:0", NoTemporal())


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    database.connect(database_url)
    server = a_server()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


@pytest.fixture
def api(channel: grpc.Channel, workspace: str) -> Api:
    """A caller in a workspace of the test's own."""
    return Api(channel, workspace)


@pytest.fixture
def other(channel: grpc.Channel, workspace: str) -> Api:
    """A caller in another workspace."""
    return Api(channel, f"{workspace}-b")
