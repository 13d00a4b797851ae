"""How long a call may still take."""

from __future__ import annotations

from service.rpc.call import Call

LONGEST = 30.0
"""Seconds that a call without a deadline waits for something outside."""

MARGIN = 0.2
"""Seconds that are kept for the answer's way back."""


def seconds_left(call: Call) -> float:
    """Give the seconds that a call may spend waiting."""
    remaining = call.context.time_remaining()
    return LONGEST if remaining is None else max(0.1, min(LONGEST, remaining - MARGIN))
