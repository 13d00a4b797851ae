"""Ids: UUIDs of version 7, which sort by the time of their making."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def uuid7(now: datetime, randomness: int) -> str:
    """Make an id from an instant, down to the microsecond, and at least 62 random bits."""
    milliseconds, microseconds = divmod((now - _EPOCH) // _MICROSECOND, 1000)
    fraction = microseconds * 4096 // 1000
    number = (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | (randomness & (1 << 62) - 1)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def first_at(time: datetime) -> str:
    """Give the lowest id that can be made at an instant; all that were made before it are lower."""
    return uuid7(max(time, _EPOCH), 0)
