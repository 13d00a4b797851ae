"""Ports on this machine: finding free ones, and saying so when a wanted one is taken."""

import random
import socket

from service.embedded.problem import Problem

# Below what Linux and macOS hand out for outgoing connections, so that none of those takes a port between the moment
# it is found free and the moment a server binds it.
_RANGE = range(20_000, 32_000)


def free(preferred: int | None = None) -> int:
    """Find a free port, the preferred one if it is free."""
    if preferred is not None and is_free("127.0.0.1", preferred):
        return preferred
    for port in random.sample(_RANGE, 200):
        if is_free("127.0.0.1", port):
            return port
    raise Problem("no free port was found between 20000 and 32000 on 127.0.0.1")


def require_free(host: str, port: int, *, setting: str, example: str) -> None:
    """Refuse to go on when another program has the port, naming the setting that changes it."""
    if not is_free(host, port):
        raise Problem(
            f"port {port} is in use by another program on {host}.\n"
            f"Stop that program, or choose another port: {setting}={example}"
        )


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port whose last connections are still winding down counts as free. A port that a gRPC server
        # shares with SO_REUSEPORT counts as taken, because this socket does not ask to share.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
