"""What most benchmarks share: one Heddle with its worker, the bare workflows' worker, and one worker for the tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.ground import Ground, publish


@dataclass(frozen=True)
class Stage:
    """Everything that runs while loads are measured."""

    ground: Ground
    database: str  # the url of the Heddle's database
    target: str  # where its server answers

    @classmethod
    def on(cls, ground: Ground) -> Stage:
        """Start it."""
        database = ground.database("heddle")
        target = ground.server("server", database)
        ground.worker("worker", database)
        ground.bare_workflows()
        ground.tasks()
        return cls(ground, database, target)

    def publish(self, definition: dict[str, Any], dialect: str = "graph") -> str:
        """Publish a definition; gives the version's id."""
        return publish(self.target, definition, dialect)
