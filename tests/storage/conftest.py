from __future__ import annotations

from collections.abc import Callable

import pytest

from storage import database


@pytest.fixture
def connected(database_url: str) -> str:
    """Connect the handle to the session's database; gives its url."""
    database.connect(database_url)
    return database_url


@pytest.fixture
def own_database(fresh_database: Callable[[], str]) -> str:
    """Connect the handle to a database of the test's own; gives its url."""
    url = fresh_database()
    database.connect(url)
    return url
