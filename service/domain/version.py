"""One edition of a template's definition: a draft that changes until it is published, and never after."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import fields, lifecycle
from service.domain.errors import WrongState
from service.domain.etag import Edited
from service.domain.template import MAX_DESCRIPTION

MAX_DEFINITION = 1024 * 1024
"""Bytes of a definition."""


@dataclass(frozen=True, slots=True)
class Version(Edited):
    """The record of a version. Lists leave `definition` empty."""

    noun: ClassVar[str] = "version"

    workspace: str
    id: str
    template_id: str
    number: int
    label: str
    note: str
    status: str
    dialect: str
    definition: str
    digest: str
    plan_digest: str | None  # None: a draft
    revision: int
    create_time: datetime
    update_time: datetime
    publish_time: datetime | None  # None: a draft
    deprecate_time: datetime | None  # None: not deprecated

    @classmethod
    def drafted(
        cls,
        *,
        workspace: str,
        id: str,
        template_id: str,
        number: int,
        label: str,
        note: str,
        dialect: str,
        definition: str,
        now: datetime,
    ) -> Version:
        """Make a draft."""
        return cls(
            workspace=workspace,
            id=id,
            template_id=template_id,
            number=number,
            label=fields.label("label", label),
            note=fields.text("note", note, at_most=MAX_DESCRIPTION),
            status="DRAFT",
            dialect=dialect,
            definition=definition,
            digest=_digest(definition),
            plan_digest=None,
            revision=1,
            create_time=now,
            update_time=now,
            publish_time=None,
            deprecate_time=None,
        )

    def edit(
        self,
        *,
        label: str | None,
        note: str | None,
        dialect: str | None,
        definition: str | None,
        now: datetime,
    ) -> Version:
        """Change a draft; None leaves a field as it is."""
        self._require("UpdateVersion", "edit", "VERSION_NOT_DRAFT")
        definition = self.definition if definition is None else definition
        return self._changed(
            now,
            label=self.label if label is None else fields.label("label", label),
            note=self.note if note is None else fields.text("note", note, at_most=MAX_DESCRIPTION),
            dialect=self.dialect if dialect is None else dialect,
            definition=definition,
            digest=_digest(definition),
        )

    def publish(self, plan_digest: str, now: datetime) -> Version:
        """Freeze a draft; the caller has stored the plan that it compiles to."""
        self.require_draft()
        return self._changed(now, status="PUBLISHED", plan_digest=plan_digest, publish_time=now)

    def require_draft(self) -> None:
        """Refuse what is published already."""
        self._require("PublishVersion", "publish", "VERSION_NOT_DRAFT")

    def require_published(self, verb: str = "activate") -> Version:
        """Refuse to activate or start what is not published, or no longer recommended."""
        self._require("ActivateVersion", verb, "VERSION_NOT_PUBLISHED")
        return self

    def deprecate(self, now: datetime, *, active: bool) -> Version:
        """Mark it as no longer recommended; `active` says whether its template runs it by default."""
        self._require("DeprecateVersion", "deprecate", "VERSION_NOT_PUBLISHED")
        self.require_inactive("deprecate", active=active)
        return self._changed(now, status="DEPRECATED", deprecate_time=now)

    def require_inactive(self, verb: str, *, active: bool) -> None:
        """Refuse what must not happen to a template's active version."""
        if active:
            raise WrongState(
                "VERSION_ACTIVE",
                f"cannot {verb} version {self.label}: it is its template's active version; "
                "activate another or deactivate the template first",
                version_id=self.id,
                template_id=self.template_id,
            )

    def _require(self, event: str, verb: str, reason: str) -> None:
        wish = f"{verb} version {self.label}"
        lifecycle.check(lifecycle.VERSION, self.status, event, wish=wish, reason=reason, version_id=self.id)

    def _changed(self, now: datetime, **changes: object) -> Version:
        return replace(self, revision=self.revision + 1, update_time=now, **changes)  # type: ignore[arg-type]


def _digest(definition: str) -> str:
    return hashlib.sha256(definition.encode()).hexdigest()
