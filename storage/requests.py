"""The memory of changing requests, which makes sending one again harmless; it reaches back for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from storage import models
from storage.database import query, sql

_R = models.Request
_FIND = sql(_R.select(_R.method, _R.digest, _R.answer).where(_R.workspace == "", _R.request_id == ""))
_CLAIM = sql(
    _R.insert(workspace="", request_id="", method="", digest="", answer=b"", create_time="")
    .on_conflict_ignore()
    .returning(_R.request_id)
)
_FINISH = sql(_R.update(answer=b"").where(_R.workspace == "", _R.request_id == ""))


@dataclass(frozen=True, slots=True)
class Request:
    """What is remembered of a request: the rpc, what tells its content, and the answer as it went over the wire."""

    method: str
    digest: str
    answer: bytes


def find(workspace: str, request_id: str) -> Request | None:
    """Get what is remembered under a request id; None when it was never used."""
    rows = query(_FIND, (workspace, request_id), prepared=True)
    return Request(rows[0][0], rows[0][1], bytes(rows[0][2])) if rows else None


def claim(workspace: str, request_id: str, *, method: str, digest: str, now: datetime) -> bool:
    """Take a request id for the open transaction; False when it was used before.

    While another transaction holds the id, this waits for its end.
    """
    return bool(query(_CLAIM, (workspace, request_id, method, digest, b"", now), prepared=True))


def finish(workspace: str, request_id: str, answer: bytes) -> None:
    """Remember the answer to a claimed request."""
    query(_FINISH, (answer, workspace, request_id), prepared=True)


def forget(days: int, limit: int) -> int:
    """Forget some of the requests that are older, the oldest first; gives how many.

    Several may do this at once: each takes others. The rows are deleted by their places, since by their keys
    PostgreSQL may choose to look through all of them.
    """
    rows = query(
        "DELETE FROM requests WHERE ctid = ANY(ARRAY(SELECT ctid FROM requests "
        "WHERE create_time < now() - make_interval(days => %s) ORDER BY create_time LIMIT %s FOR UPDATE SKIP LOCKED)) "
        "RETURNING 1",
        (days, limit),
    )
    return len(rows)
