"""When a failed attempt is made again: the one reading of a retry policy, for tasks and for data sources.

A policy is {maxAttempts, initialInterval, backoffMultiplier, maxInterval, retryableErrors?, nonRetryableErrors?}, its
intervals in seconds; an error is {code, message, category?, retriable?}.
"""

from __future__ import annotations

from service.definition.plan import Json


def is_meant(policy: dict[str, Json], error: dict[str, Json]) -> bool:
    """Tell whether a policy names an error, by its code or category, as one to try again."""
    return bool({error["code"], error.get("category")} & set(policy.get("retryableErrors", ())))


def may_retry(policy: dict[str, Json], attempt: int, error: dict[str, Json]) -> bool:
    """Tell whether another attempt follows this one, which is counted from 1 and ended with this error."""
    names = {error["code"], error.get("category")}
    if not error.get("retriable", True) or attempt >= policy["maxAttempts"]:
        return False
    if names & set(policy.get("nonRetryableErrors", ())):
        return False
    retryable = policy.get("retryableErrors")
    return retryable is None or bool(names & set(retryable))


def pause(policy: dict[str, Json], attempt: int) -> float:
    """Seconds between an attempt and the next: growing by the multiplier, up to the longest interval."""
    try:
        grown = policy["initialInterval"] * policy["backoffMultiplier"] ** (attempt - 1)
    except OverflowError:
        return float(policy["maxInterval"])
    return float(min(grown, policy["maxInterval"]))
