"""Etags: a caller says which edition of a record it has read, and nothing changes when that is no longer the one."""

from __future__ import annotations

from service.domain.errors import Conflict
from service.domain.fields import shown


def check(noun: str, record_id: str, *, given: str, present: str) -> None:
    """Refuse a change that was meant for another edition; an empty `given` means any."""
    if given and given != present:
        raise Conflict(
            "ETAG_MISMATCH",
            f'{noun} {record_id} has changed: its etag is "{present}", not {shown(given)}; read it again',
            etag=present,
        )
