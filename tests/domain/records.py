"""Records with defaults, so that a test states only what matters to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.link import Link
from service.domain.template import Template
from service.domain.version import Version

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def a_template(**changes: Any) -> Template:
    template = Template.created(workspace="default", id="t1", key="orders", name="Orders", description="", now=NOW)
    return replace(template, **changes)


def a_version(**changes: Any) -> Version:
    version = Version.drafted(
        workspace="default",
        id="v1",
        template_id="t1",
        number=1,
        label="1.0.0",
        note="",
        dialect="graph",
        definition="{}",
        now=NOW,
    )
    return replace(version, **changes)


def a_link(**changes: Any) -> Link:
    link = Link.created(workspace="default", id="l1", entity_type="PRODUCT", entity_id="p-1", template_id="t1", now=NOW)
    return replace(link, **changes)
