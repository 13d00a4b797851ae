"""The example of an order, run as its README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.api import Api

ROOT = Path(__file__).parents[2]
README = (ROOT / "examples/order/README.md").read_text()
COMMAND, SHOWN = re.findall(r"^```(?:bash|text)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1:3]


@pytest.fixture
def heddle(own_heddle):
    return own_heddle()


def run(heddle) -> subprocess.CompletedProcess[str]:
    program, *arguments = COMMAND.split()
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


def test_the_example_prints_what_its_readme_shows_however_often(heddle):
    for _ in range(2):
        done = run(heddle)

        assert done.stdout == SHOWN
        assert done.returncode == 0

    api = Api(heddle.channel, "default")
    (template,) = api.call("ListTemplates").templates
    assert len(api.call("ListVersions", template_id=template.id).versions) == 1
