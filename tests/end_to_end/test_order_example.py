"""The example of an order, run as its README says."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.api import Api
from tests.end_to_end.examples import ROOT, run

README = (ROOT / "examples/order/README.md").read_text()
COMMAND, SHOWN = re.findall(r"^```(?:bash|text)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[1:3]


@pytest.fixture
def heddle(own_heddle):
    return own_heddle()


def test_the_example_prints_what_its_readme_shows_however_often(heddle):
    for _ in range(2):
        done = run(COMMAND, heddle)

        assert done.stdout == SHOWN
        assert done.returncode == 0

    api = Api(heddle.channel, "default")
    (template,) = api.call("ListTemplates").templates
    assert len(api.call("ListVersions", template_id=template.id).versions) == 1
