"""The lasting thing with a name; its versions hold the definitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from service.domain import fields, lifecycle
from service.domain.errors import WrongState
from service.domain.etag import Edited

MAX_DESCRIPTION = 4_096
"""Characters of a template's description or a version's note."""


@dataclass(frozen=True, slots=True)
class Template(Edited):
    """The record of a template."""

    noun: ClassVar[str] = "template"

    workspace: str
    id: str
    key: str
    name: str
    description: str
    active_version_id: str | None  # None: nothing runs by default
    archived: bool
    revision: int
    create_time: datetime
    update_time: datetime

    @classmethod
    def created(cls, *, workspace: str, id: str, key: str, name: str, description: str, now: datetime) -> Template:
        """Make a template; an empty key is made from the name."""
        fields.name("name", name)
        return cls(
            workspace=workspace,
            id=id,
            # A name without a letter or digit that a key may have, such as one in Chinese, gives way to the id.
            key=fields.slug("key", key) if key else fields.slug_of(name) or f"template-{id[-12:]}",
            name=name,
            description=fields.text("description", description, at_most=MAX_DESCRIPTION),
            active_version_id=None,
            archived=False,
            revision=1,
            create_time=now,
            update_time=now,
        )

    @property
    def state(self) -> str:
        """DRAFT, ACTIVE or ARCHIVED."""
        if self.archived:
            return "ARCHIVED"
        return "ACTIVE" if self.active_version_id else "DRAFT"

    def describe(self, *, name: str | None, description: str | None, now: datetime) -> Template:
        """Change the words on it; None leaves one as it is."""
        return self._changed(
            now,
            name=self.name if name is None else fields.name("name", name),
            description=self.description
            if description is None
            else fields.text("description", description, at_most=MAX_DESCRIPTION),
        )

    def activate(self, version_id: str, now: datetime) -> Template:
        """Run a version by default; the caller has made sure that it is a PUBLISHED one of this template."""
        self._require("ActivateVersion", "activate a version of", "TEMPLATE_ARCHIVED")
        return self if self.active_version_id == version_id else self._changed(now, active_version_id=version_id)

    def deactivate(self, now: datetime) -> Template:
        """Run nothing by default."""
        reason = "TEMPLATE_ARCHIVED" if self.archived else "TEMPLATE_HAS_NO_ACTIVE_VERSION"
        self._require("DeactivateTemplate", "deactivate", reason)
        return self._changed(now, active_version_id=None)

    def archive(self, now: datetime) -> Template:
        """Put it away."""
        self._require("ArchiveTemplate", "archive", "TEMPLATE_ARCHIVED")
        return self._changed(now, archived=True)

    def unarchive(self, now: datetime) -> Template:
        """Take it into use again."""
        self._require("UnarchiveTemplate", "unarchive", "TEMPLATE_NOT_ARCHIVED")
        return self._changed(now, archived=False)

    def refusal(self) -> WrongState | None:
        """Say why nothing can be started by the template alone; None when something can."""
        if self.archived:
            return WrongState("TEMPLATE_ARCHIVED", f"template {self.key} is archived", template_id=self.id)
        if not self.active_version_id:
            return WrongState(
                "TEMPLATE_HAS_NO_ACTIVE_VERSION",
                f"template {self.key} has no active version; activate one, or name the version to start",
                template_id=self.id,
            )
        return None

    def _require(self, event: str, verb: str, reason: str) -> None:
        wish = f"{verb} template {self.key}"
        lifecycle.check(lifecycle.TEMPLATE, self.state, event, wish=wish, reason=reason, template_id=self.id)

    def _changed(self, now: datetime, **changes: object) -> Template:
        return replace(self, revision=self.revision + 1, update_time=now, **changes)  # type: ignore[arg-type]
