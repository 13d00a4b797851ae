"""Running an example as its README says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(command: str, heddle) -> subprocess.CompletedProcess[str]:
    """Run a command of a README against a Heddle."""
    program, *arguments = command.split()
    assert program == ".venv/bin/python"
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"HEDDLE_TARGET": heddle.target, "HEDDLE_TEMPORAL_ADDRESS": heddle.settings.temporal_address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=90,
    )
