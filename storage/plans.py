"""Plans: each stands once in its workspace, by its digest, and never changes."""

from __future__ import annotations

from storage import models
from storage.database import query, run, sql

_P = models.Plan
_BODY = sql(_P.select(_P.body).where(_P.workspace == "", _P.digest == ""))


class PlanMissing(Exception):
    """What names this plan is in the database, so it should be too."""


def add(workspace: str, digest: str, body: str) -> None:
    """Store a plan, unless it is there already."""
    run(_P.insert(workspace=workspace, digest=digest, body=body).on_conflict_ignore())


def get(workspace: str, digest: str) -> str:
    """Get the JSON of a plan that a version or an execution names."""
    rows = query(_BODY, (workspace, digest))
    if not rows:
        raise PlanMissing(f"workspace {workspace} has no plan {digest}")
    return str(rows[0][0])
