"""Pages of lists: a token says where the last page ended, and belongs to the list that gave it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from google.protobuf.message import Message

from service.domain.errors import Invalid
from service.rpc.call import Call
from service.rpc.room import fitting

DEFAULT_SIZE = 50
MAX_SIZE = 200

_SEAL = 8  # bytes

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Page:
    """The page that a request asks for: at most `size` items after the position `after`, which is empty at first."""

    size: int
    after: str
    _list: bytes

    @classmethod
    def asked(cls, request: Any, call: Call) -> Page:
        """Read a request; what else it says beside size and token tells its list from others."""
        return cls(_size(request.page_size), *_opened(request, call))

    @property
    def limit(self) -> int:
        """How many items to fetch: one more than the page has, to see whether another follows."""
        return self.size + 1

    def within(self, most: int) -> Page:
        """The same page with fewer items, where an answer has no room for all that it may have."""
        return replace(self, size=min(self.size, most)) if most else self

    def cut(self, items: Sequence[T], position: Callable[[T], str], *, rest: str = "") -> tuple[Sequence[T], str]:
        """Split what was fetched into the page's items and the token of the next page, empty when there is none.

        `rest` is the position from which there may be more though fewer items than asked for were found.
        """
        if len(items) <= self.size:
            return items, self._token_of(rest) if rest else ""
        return items[: self.size], self._token_of(position(items[self.size - 1]))

    def filled(
        self, items: Sequence[T], message: Callable[[T], M], position: Callable[[T], str], *, rest: str = ""
    ) -> tuple[list[M], str]:
        """Likewise, with the messages that tell the items: as many as an answer has room for."""
        messages = [message(item) for item in items]
        kept, token = self.within(fitting(messages)).cut(items, position, rest=rest)
        return messages[: len(kept)], token

    def lost(self) -> Invalid:
        """Say that the item at which the page before ended is gone, and with it the place to go on."""
        return _refused("leads on behind something that has been deleted: begin with an empty token")

    def _token_of(self, position: str) -> str:
        return _token(_seal(self._list, position.encode()) + position.encode())


def _size(asked: int) -> int:
    if asked < 0:
        raise Invalid("INVALID_FIELD", f"page_size is {asked}: it must not be negative", field="page_size")
    return min(asked, MAX_SIZE) or DEFAULT_SIZE


def _opened(request: Any, call: Call) -> tuple[str, bytes]:
    token = request.page_token
    query = type(request)()
    query.CopyFrom(request)
    query.ClearField("page_size")
    query.ClearField("page_token")
    of_list = f"{call.workspace}\n{call.method}\n".encode() + query.SerializeToString(deterministic=True)
    if not token:
        return "", of_list
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        seal, position = raw[:_SEAL], raw[_SEAL:]
        if seal == _seal(of_list, position) and token == _token(raw):
            return position.decode(), of_list
    except ValueError:
        pass
    raise _refused("was not made by this list: take next_page_token from an answer to the same request")


def _refused(why: str) -> Invalid:
    return Invalid("PAGE_TOKEN_INVALID", f"page_token {why}", field="page_token")


def _token(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _seal(of_list: bytes, position: bytes) -> bytes:
    # No secret: a forged token can only name another place in the caller's own list.
    return hashlib.sha256(of_list + b"\n" + position).digest()[:_SEAL]
