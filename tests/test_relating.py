"""Parents and children meet without reading what they hold: a batch of thousands stands in its parent's input."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.domain.execution import Siblings
from service.plans import Plans
from service.relating import Relations
from service.spawning import Spawner
from service.temporal.gateway import TemporalGateway
from storage import database, documents, executions, plans
from storage.database import query
from storage.documents import LARGE
from tests.storage.test_execution_lists import add, add_templates, make_rows

LONG = '"' + "x" * LARGE + '"'


@pytest.fixture
def far_away():
    """A gateway to where no Temporal is."""
    gateway = TemporalGateway("127.0.0.1:1", "default", "queue")
    yield gateway
    gateway.close()


@pytest.fixture
def family(database_url, workspace):
    """A parent with a large input that waits for its child, which has ended; their ids."""
    database.connect(database_url)
    add_templates(workspace, 3)
    parent, child = make_rows(workspace, 2, seed=1)
    shelf = documents.Shelf()
    mark = shelf.put(LONG)
    query("INSERT INTO documents VALUES (%s, %s, %s)", (workspace, mark.removeprefix("sha256:"), LONG))
    nothing = {"subject_type": "", "subject_id": "", "parent_step_id": "", "depth": 0}
    parent |= nothing | {"status": "STARTED", "phase": "RUNNING", "parent_id": None, "root_id": parent["id"]}
    child |= nothing | {"status": "COMPLETED", "phase": "NONE", "parent_id": parent["id"], "root_id": parent["id"]}
    child |= {"parent_step_id": "batch", "depth": 1}
    add([parent, child], "parent_step_id", "depth")
    query("UPDATE executions SET input = %s WHERE id = %s", (mark, parent["id"]))
    return parent["id"], child["id"]


@pytest.fixture
def read(monkeypatch):
    """The large values that are read, by their marks."""
    marks = []
    fetch = documents.fetch

    def noted(workspace, texts):
        texts = list(texts)
        marks.extend(text for text in texts if text is not None and text.startswith("sha256:"))
        return fetch(workspace, texts)

    monkeypatch.setattr(documents, "fetch", noted)
    return marks


def test_the_end_of_a_child_is_told_without_reading_what_its_parent_holds(far_away, family, workspace, read):
    Relations(far_away, Plans(plans.get)).pass_on(workspace, family[1])
    assert read == []


def test_children_are_started_without_reading_what_their_parent_holds(far_away, family, workspace, read):
    Spawner(far_away, Plans(plans.get)).spawn(Siblings(workspace, family[0], "batch", 1, 1), [])
    assert read == []


def test_an_execution_without_its_values_is_the_same_otherwise(family, workspace):
    whole = executions.get(workspace, family[0])
    assert whole.input == LONG
    assert executions.without_values(workspace, family[0]) == replace(whole, input="", output=None)
    assert executions.without_values(workspace, "none") is None
