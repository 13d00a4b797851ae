"""The engine's state of one execution: where its tokens are, what is open, what came out of the steps.

A token is in one of three places: on its way along a transition (`tokens`), held at a join (`arrived`), or inside an
open step run (`open`). The state is plain JSON outside this module (`to_json`, `from_json`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace

from service.definition.plan import Json

FORMAT = 1
"""Workers read this format and the one before; raise it when a field changes its meaning."""

OPEN = "OPEN"
"""The status of a state that has not come to its end; the ends are COMPLETED, FAILED and CANCELLED."""

PARKED = frozenset({"PENDING", "DISABLED"})
"""Step run statuses in which a token rests until somebody outside moves it."""


def key(step_id: str, visit: int) -> str:
    """Name a step run within its execution."""
    return f"{step_id}/{visit}"


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A step run that holds a token; `due` is the ISO 8601 instant that it waits for, if it does."""

    step_id: str
    visit: int
    status: str
    attempt: int = 1
    input: Json = None
    due: str | None = None

    @property
    def key(self) -> str:
        """The name of this step run within its execution."""
        return key(self.step_id, self.visit)


@dataclass(frozen=True, slots=True)
class Result:
    """The latest completed visit of a step."""

    visit: int
    attempt: int
    output: Json
    outcome: str = ""


@dataclass(slots=True)
class State:
    """Everything that the engine knows between two observations."""

    format: int = FORMAT
    number: int = 0  # of the last ledger entry
    status: str = OPEN
    input: Json = None
    tokens: list[str] = field(default_factory=list)  # transition ids; "" stands before the start step
    arrived: dict[str, dict[str, int]] = field(default_factory=dict)  # join id → transition id → tokens held
    open: dict[str, OpenRun] = field(default_factory=dict)  # by key, in order of start
    visits: dict[str, int] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    end_reached: bool = False
    moves: int = 0  # steps begun since somebody outside last did something
    size: int = 0  # bytes of JSON in input and results

    def fork(self) -> State:
        """Copy so far as the engine changes things in place; values are shared, since nothing changes them."""
        return replace(
            self,
            tokens=list(self.tokens),
            arrived={join: dict(held) for join, held in self.arrived.items()},
            open=dict(self.open),
            visits=dict(self.visits),
            results=dict(self.results),
        )

    def to_json(self) -> str:
        """Write the state as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> State:
        """Read what `to_json` wrote, in this format or the one before; raises ValueError for another."""
        document = json.loads(text)
        if document["format"] > FORMAT:
            raise ValueError(f"engine state has format {document['format']}, this worker reads up to {FORMAT}")
        document["open"] = {name: OpenRun(**run) for name, run in document["open"].items()}
        document["results"] = {step: Result(**result) for step, result in document["results"].items()}
        return cls(**document)


def json_size(value: Json) -> int:
    """Count the bytes of a value written as JSON."""
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
