"""The flagship example, run as its README says."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from service.settings import Settings
from tests.end_to_end.api import Api, status
from tests.end_to_end.examples import ROOT, run
from tests.end_to_end.test_readme import matches

README = (ROOT / "examples/dsc/README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
RUNS = [(command.strip(), shown) for (_, command), (kind, shown) in pairwise(BLOCKS) if kind == "text"]
VARIABLES = dict(re.findall(r"\b(HEDDLE_[A-Z_]+)=(\S+)", BLOCKS[0][1]))


@pytest.fixture
def heddle(own_heddle):
    return own_heddle(HEDDLE_DATA_SOURCES=VARIABLES["HEDDLE_DATA_SOURCES"])


def test_the_example_prints_what_its_readme_shows(heddle):
    assert [command for command, _ in RUNS] == [
        ".venv/bin/python -m examples.dsc",
        ".venv/bin/python -m examples.dsc c10",
    ]
    for command, shown in RUNS:
        done = run(command, heddle)

        assert matches(done.stdout, shown), f"{command}\nshould show\n{shown}\nbut shows\n{done.stdout}"
        assert done.returncode == (1 if "c10" in command else 0)


def test_it_may_be_run_again_and_makes_nothing_twice(heddle):
    api = Api(heddle.channel, "default")

    assert [run(RUNS[0][0], heddle).returncode for _ in range(2)] == [0, 0]

    templates = api.call("ListTemplates").templates
    assert sorted(template.key for template in templates) == ["dsc-procurement", "india-incorporation"]
    assert all(len(api.call("ListVersions", template_id=template.id).versions) == 1 for template in templates)


def test_its_children_are_executions_of_their_own_for_the_directors_without_a_certificate(heddle):
    api = Api(heddle.channel, "default")
    run(RUNS[0][0], heddle)

    found = api.call("ListExecutions", page_size=50).executions
    parents = [one for one in found if not one.parent_execution_id]
    children = sorted((one for one in found if one.parent_execution_id), key=lambda one: one.item)

    assert [status(one) for one in found] == ["COMPLETED"] * 3
    assert [(one.name, one.parent_execution_id, one.root_execution_id) for one in children] == [
        ("DSC - Asha Rao", parents[0].id, parents[0].id),
        ("DSC - Chandra Iyer", parents[0].id, parents[0].id),
    ]
    fetched = [entry["data"] for entry in api.ledger(parents[0].id) if entry["type"] == "DATA_FETCHED"]
    assert sorted(entry["alias"] for entry in fetched) == ["contact", "contact", "directors"]


def test_the_settings_that_the_readme_names_are_ones():
    url = {"HEDDLE_DATABASE_URL": "postgresql://heddle@db/heddle"}

    sources = Settings.from_environment(url | VARIABLES).data_sources

    assert sources["COMMENDA_LOGICAL_BACKEND"].queue == "dsc-sources"
    # Where the example looks for Temporal when nobody says.
    assert VARIABLES["HEDDLE_TEMPORAL_PORT"] == "7233"
