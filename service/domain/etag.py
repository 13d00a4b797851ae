"""Etags: a caller says which edition of a record it has read, and nothing changes when that is no longer the one."""

from __future__ import annotations

from typing import ClassVar, Self

from service.domain.errors import Conflict
from service.domain.fields import shown


class Edited:
    """A record whose editions are counted by `revision`; every change of it makes the next one."""

    __slots__ = ()

    noun: ClassVar[str]
    id: str
    revision: int

    @property
    def etag(self) -> str:
        """What stands for this edition of the record."""
        return str(self.revision)

    def require_etag(self, given: str) -> Self:
        """Refuse a change that was meant for another edition; an empty etag means any."""
        if given and given != self.etag:
            raise Conflict(
                "ETAG_MISMATCH",
                f'{self.noun} {self.id} has changed: its etag is "{self.etag}", not {shown(given)}; read it again',
                etag=self.etag,
            )
        return self
