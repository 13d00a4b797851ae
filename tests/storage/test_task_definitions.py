"""Task definitions with their versions on a real database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage import task_definitions
from storage.database import Violation, query, transaction
from tests.definition.definitions import task_definition
from tests.domain.records import LATER


@pytest.fixture(autouse=True)
def _connected(connected): ...


@pytest.fixture
def stored(workspace):
    """A task definition with two versions; gives both."""
    first = replace(task_definition("pay"), workspace=workspace)
    second = first.next(LATER, description="Changed")
    with transaction():
        task_definitions.add(first)
        task_definitions.advance(second)
    return first, second


def test_every_version_comes_back_as_it_was_stored(workspace, stored):
    first, second = stored

    assert task_definitions.get(workspace, first.id) == task_definitions.by_key(workspace, "pay") == second
    assert task_definitions.by_key(workspace, "pay", 1) == first
    assert task_definitions.versions(workspace, first.id, before=0, limit=9) == [second, first]
    assert task_definitions.versions(workspace, first.id, before=2, limit=9) == [first]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([("pay", 0)], [2]),
        ([("pay", 1)], [1]),
        ([("pay", 1), ("pay", 0), ("pay", 2), ("pay", 3), ("nobody", 0)], [2, 1]),
        ([("nobody", 0)], []),
    ],
)
def test_those_that_are_named_are_found_newest_first(workspace, stored, names, found):
    assert [one.version for one in task_definitions.named(workspace, names)] == found


def test_nothing_is_found_from_another_workspace(workspace, stored):
    assert task_definitions.named(f"{workspace}-b", [("pay", 0)]) == []


def test_a_version_never_changes(workspace, stored):
    with pytest.raises(Violation):
        query("UPDATE task_definition_versions SET name = 'x' WHERE workspace = %s", (workspace,))
