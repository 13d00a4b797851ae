"""What most benchmarks share: one Heddle with its worker, the bare workflows' worker, and one worker for the tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench import machine
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

    def cpu(self) -> dict[str, float]:
        """The seconds of CPU that each process has taken so far."""
        return machine.cpu({name: process.pid for name, process in self.ground.processes.items()})

    def await_rest(self) -> None:
        """Wait until the processes have worked off what they were given."""
        machine.await_rest(self.cpu)

    def publish(self, definition: dict[str, Any], dialect: str = "graph") -> str:
        """Publish a definition; gives the version's id."""
        return publish(self.target, definition, dialect)
