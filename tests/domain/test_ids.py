from __future__ import annotations

import uuid
from datetime import timedelta

from service.domain.ids import uuid7
from tests.domain.records import NOW


def test_an_id_is_a_uuid_of_version_7():
    made = uuid.UUID(uuid7(NOW, 2**70 - 1))

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_sort_by_the_microsecond_of_their_making():
    ids = [uuid7(NOW + timedelta(microseconds=n), 2**62 - n) for n in range(3000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 3000
