"""Heddle's own processes: the server and the worker."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from service.embedded.processes import Process, Program

_NAMES = {"serve": "server", "work": "worker", "migrate": "migration"}


def start(command: Literal["serve", "work", "migrate"], *, environment: Mapping[str, str], log: Path) -> Process:
    """Start one of the commands as a process with this environment."""
    return Process(
        Program(
            name=_NAMES[command],
            command=(sys.executable, "-m", "service", command),
            log=log,
            environment=environment,
            # Longer than they give themselves to finish what is under way.
            grace=30,
        )
    )


def target(listen: str) -> str:
    """Where a caller on this machine reaches a server that listens there."""
    return re.sub(r"^(0\.0\.0\.0|\[::\]):", "127.0.0.1:", listen)
