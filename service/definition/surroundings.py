"""What a definition is checked against beside itself: the versions that it names, and the catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Child:
    """A version of the workspace that a definition names as a child."""

    id: str
    template_key: str
    label: str
    status: str
    input_schema: str | None  # JSON; None: it takes any input, or is a draft


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be looked up to check a definition."""

    children: tuple[str, ...] = ()  # the versions that it names, each once
    catalogue: bool = False

    def __bool__(self) -> bool:
        return bool(self.children) or self.catalogue


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was looked up: of the versions named those that there are."""

    children: tuple[Child, ...] = ()
    catalogue: Catalogue | None = None  # None: the workspace has none, or the definition does not need it
