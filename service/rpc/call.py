"""What a method knows of a call beside its request."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import grpc

from service.domain import fields, ids

DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True, slots=True)
class Call:
    """One call under way: in which workspace, of which rpc, and since when."""

    workspace: str
    method: str
    now: datetime
    context: grpc.ServicerContext

    @classmethod
    def of(cls, method: str, context: grpc.ServicerContext) -> Call:
        """Read what the caller says of itself."""
        workspace = DEFAULT_WORKSPACE
        for key, value in context.invocation_metadata() or ():
            if key == "heddle-workspace":
                workspace = fields.workspace(value if isinstance(value, str) else value.decode(errors="replace"))
        return cls(workspace, method, datetime.now(UTC), context)

    def new_id(self) -> str:
        """Make an id for what this call creates."""
        return ids.uuid7(self.now, secrets.randbits(62))
