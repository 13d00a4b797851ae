"""A server gathers statistics by itself."""

from __future__ import annotations

import time

from tests.end_to_end.definitions import definition


def test_a_server_gathers_statistics_in_the_background(api):
    version = api.publish(definition("start > a; a > end"))
    api.start(version)

    limit = time.monotonic() + 15
    while not (figures := api.call("GetStatistics", version_id=version.id).statistics).counts:
        assert time.monotonic() < limit
        time.sleep(0.1)

    assert figures.counts[0].count == 1
    assert figures.age.ToTimedelta().total_seconds() < 15
