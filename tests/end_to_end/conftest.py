"""A caller of the session's Heddle."""

from __future__ import annotations

import pytest

from tests.end_to_end.api import Api


@pytest.fixture
def api(heddle, workspace):
    return Api(heddle.channel, workspace)
