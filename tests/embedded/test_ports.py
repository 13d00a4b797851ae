import socket

import pytest

from service.embedded import ports
from service.embedded.problem import Problem


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as server:
        yield server.getsockname()[1]


def test_the_preferred_port_is_kept_while_it_is_free():
    port = ports.free()

    assert ports.free(port) == port


def test_a_taken_port_is_passed_over(taken):
    assert ports.free(taken) != taken


def test_a_port_that_its_owner_would_share_counts_as_taken(taken):
    assert not ports.is_free("127.0.0.1", taken)


def test_the_refusal_names_the_port_and_the_setting(taken):
    with pytest.raises(Problem) as refusal:
        ports.require_free("127.0.0.1", taken, setting="HEDDLE_LISTEN", example="127.0.0.1:50052")

    assert f"port {taken} is in use" in str(refusal.value)
    assert "HEDDLE_LISTEN=127.0.0.1:50052" in str(refusal.value)
