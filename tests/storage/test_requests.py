"""Forgetting requests that are old, on a real database, and how it is found which they are."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from storage import requests
from storage.database import query, transaction
from tests.storage.test_launches import _scanned

MANY = 50_000


@pytest.fixture
def remembered(own_database):
    """Requests of the last ten days, most of them of the last five, in two workspaces."""
    query(
        "INSERT INTO requests SELECT CASE n %% 2 WHEN 0 THEN 'a' ELSE 'b' END, 'r' || n, 'M', 'd', '', "
        "now() - interval '10 days' + interval '10 days' * sqrt((n - 0.5) / %s) FROM generate_series(1, %s) n",
        (MANY, MANY),
    )


def ages():
    ((number, oldest),) = query("SELECT count(*), extract(epoch FROM now() - min(create_time)) / 86400 FROM requests")
    return number, float(oldest)


def test_what_is_older_is_forgotten_and_what_is_younger_stays(remembered):
    ((young,),) = query("SELECT count(*) FROM requests WHERE create_time >= now() - interval '7 days'")

    portions = []
    while not portions or portions[-1]:
        portions.append(requests.forget(7, 1_000))

    assert max(portions) == 1_000
    assert sum(portions) == MANY - young == 4_500
    number, oldest = ages()
    assert number == young
    assert 6.9 < oldest <= 7
    assert requests.find("b", "r1") is None
    assert requests.find("a", f"r{MANY}") is not None


@pytest.mark.parametrize("known", [False, True], ids=["without statistics", "with statistics"])
def test_the_old_are_found_by_their_time(remembered, monkeypatch, known):
    if known:
        query("ANALYZE requests")

    nodes = _scanned(monkeypatch, lambda: requests.forget(7, 500), requests)

    assert {index for index, _ in nodes} == {"requests_by_time"}
    requests.forget(7, MANY)
    assert sum(pages for _, pages in _scanned(monkeypatch, lambda: requests.forget(7, 500), requests)) < 100


def test_two_servers_forget_each_its_own(remembered):
    with transaction():
        assert requests.forget(7, 500) == 500
        others = []
        other = threading.Thread(target=lambda: others.append(requests.forget(7, 500)))
        other.start()
        other.join(5)  # it does not wait for the end of this transaction

        assert others == [500]
    assert ages()[0] == MANY - 1_000


def test_a_request_that_is_forgotten_may_be_used_again(own_database):
    old = datetime(2020, 1, 1, tzinfo=UTC)
    assert requests.claim("w", "r1", method="M", digest="d", now=old)
    assert requests.forget(1, 10) == 1

    assert requests.claim("w", "r1", method="N", digest="e", now=datetime.now(UTC))
    assert requests.forget(1, 10) == 0
