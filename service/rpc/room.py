"""How much an answer may hold: a client takes 4 MiB, and a call whose answer is larger ends in an error for it."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message

ROOM = 2 * 1024 * 1024
"""Bytes of a list in one answer."""

WHOLE = 4 * 1024 * 1024 - 64 * 1024
"""Bytes of one answer, but for what stands around its parts."""


def room(*beside: Message) -> int:
    """Tell how many bytes of a list go into an answer that tells these, too."""
    return min(ROOM, WHOLE - sum(message.ByteSize() for message in beside))


def fitting(messages: Iterable[Message], room: int = ROOM) -> int:
    """Count how many messages there is room for, from the first one on, which always goes in."""
    count = 0
    for message in messages:
        room -= message.ByteSize()
        if room < 0 < count:
            break
        count += 1
    return count
