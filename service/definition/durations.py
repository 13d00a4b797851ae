"""Durations and instants as authors write them."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime, timedelta
from typing import Any

import isodate

MAX_SECONDS = 100 * 365 * 24 * 3600.0
"""The longest duration: a hundred years."""


def seconds(value: Any) -> float:
    """Read a duration: a number of milliseconds, or ISO 8601 such as "PT5M"; raise ValueError for anything else.

    Years and months are refused, because they differ in length.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _bounded(max(-1, min(value, MAX_SECONDS * 2000)) / 1000, value)
    if isinstance(value, str):
        return _bounded(_parsed(value), value)
    raise ValueError(f"{_shown(value)} is no duration; write milliseconds, or ISO 8601 such as PT5M")


def instant(value: Any) -> datetime:
    """Read an instant in ISO 8601; raise ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{_shown(value)} is no instant; write ISO 8601 such as 2026-01-31T09:00:00Z")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{_shown(value)} is no instant; write ISO 8601 such as 2026-01-31T09:00:00Z") from None


_DURATION = re.compile(
    r"[+-]?P(?=[0-9T])(?:[0-9]+(?:[.,][0-9]+)?[YMWD])*(?:T(?=[0-9])(?:[0-9]+(?:[.,][0-9]+)?[HMS])+)?", re.ASCII
)


def _parsed(text: str) -> float:
    try:
        if not _DURATION.fullmatch(text):
            raise ValueError
        duration = isodate.parse_duration(text)
    except (ValueError, OverflowError, ArithmeticError):
        raise ValueError(f"{_shown(text)} is no duration; write milliseconds, or ISO 8601 such as PT5M") from None
    if not isinstance(duration, timedelta):
        raise ValueError(f"{_shown(text)} has years or months, which differ in length; write days, such as P30D")
    return duration.total_seconds()


def _bounded(found: float, value: Any) -> float:
    if math.isnan(found) or found < 0:
        raise ValueError(f"{_shown(value)} is negative")
    if found > MAX_SECONDS:
        raise ValueError(f"{_shown(value)} is longer than a hundred years")
    return found


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 60 else f"{text[:60]}…"
