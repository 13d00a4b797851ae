"""Large values: stored once, and gone with the last execution that mentions them."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from service.domain.execution import Execution
from service.launching import create, first_moves
from storage import database, descendants, documents, executions, migrating
from storage.database import query, transaction
from tests.engine.graphs import NOW
from tests.test_recording import PLAN, a_version, an_execution  # noqa: F401 - a_version is a fixture

LARGE = json.dumps({"text": "large " * 1_000})
OTHER = json.dumps({"text": "other " * 1_000})


@pytest.fixture(autouse=True)
def versioned(connected, request):
    return request.getfixturevalue("a_version")


def started(workspace, id, input) -> Execution:
    execution = replace(an_execution(workspace, id), input=input)
    create(execution, PLAN, first_moves(PLAN, json.loads(input), NOW))
    return execution


def delete(workspace, *ids):
    with transaction():
        descendants.delete(workspace, ids)


def bodies(workspace):
    return {body for (body,) in query("SELECT body FROM documents WHERE workspace = %s", (workspace,))}


def test_a_large_value_stands_once_and_goes_with_the_last_that_uses_it(workspace):
    started(workspace, "e1", LARGE)
    started(workspace, "e2", LARGE)
    started(workspace, "e3", OTHER)
    assert bodies(workspace) == {LARGE.replace(": ", ":"), OTHER.replace(": ", ":")} | {LARGE, OTHER}

    delete(workspace, "e1", "e3")
    assert executions.get(workspace, "e2").input == LARGE
    assert LARGE in bodies(workspace)
    assert OTHER not in bodies(workspace)

    delete(workspace, "e2")
    assert bodies(workspace) == set()


def test_whoever_begins_to_use_a_value_keeps_it(workspace):
    """The deletion waits for the one that writes, and then leaves what that one uses."""
    started(workspace, "e1", LARGE)
    deleted = threading.Thread(target=delete, args=(workspace, "e1"))

    with transaction():
        started(workspace, "e2", LARGE)
        deleted.start()
        await_waiting()
    deleted.join()

    assert executions.get(workspace, "e1") is None
    assert executions.get(workspace, "e2").input == LARGE


def test_whoever_comes_to_use_a_value_that_goes_stores_it_anew(workspace):
    started(workspace, "e1", LARGE)
    starting = threading.Thread(target=started, args=(workspace, "e2", LARGE))

    with transaction():
        delete(workspace, "e1")
        starting.start()
        await_waiting()
    starting.join()

    assert executions.get(workspace, "e1") is None
    assert executions.get(workspace, "e2").input == LARGE


def await_waiting():
    """Wait until some statement waits for a lock."""
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        if query("SELECT 1 FROM pg_locks WHERE NOT granted"):
            return
        time.sleep(0.01)
    pytest.fail("nobody waits")


def test_what_was_stored_before_is_found_by_the_migration(workspace, connected):
    started(workspace, "e1", LARGE)
    used = documents.used_by(workspace, ["e1"])
    with transaction():
        query("DELETE FROM document_uses WHERE workspace = %s", (workspace,))
        text = (migrating._FILES / "0012_document_uses.sql").read_text()
        query(text[text.index("INSERT INTO") :].rstrip().rstrip(";") + " ON CONFLICT DO NOTHING")

    assert len(used) == 2
    assert documents.used_by(workspace, ["e1"]) == used
    database.connect(connected)
