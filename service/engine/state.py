"""The engine's state of one execution: where its tokens are, what is open, what came out of the steps.

A token is in one of three places: on its way along a transition (`tokens`), held at a join (`arrived`), or inside an
open step run (`open`). The state is plain JSON outside this module (`to_json`, `from_json`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from service.definition.plan import Json
from service.domain.json_text import compact

FORMAT = 3
"""Workers read this format and the one before; raise it when a field changes its meaning."""

OPEN = "OPEN"
"""The status of a state that has not come to its end; the ends are COMPLETED, FAILED and CANCELLED."""

MAX_STATE = 1024 * 1024
"""Bytes of JSON in an execution's input, its variables, the latest outputs of its steps and what may be compensated."""

MAX_HELD = 8 * 1024 * 1024
"""Bytes of JSON in the inputs of the step runs that are open at a time."""

PARKED = frozenset({"PENDING", "DISABLED"})
"""Step run statuses in which a token rests until somebody outside moves it."""


def key(step_id: str, visit: int) -> str:
    """Name a step run within its execution."""
    return f"{step_id}/{visit}"


@dataclass(frozen=True, slots=True)
class Family:
    """The child executions of a step run, one for each item, counted from 0.

    Items are asked for in order, `again` before `next`; their inputs are made when they are asked for, so that a batch
    of thousands holds no more than what is under way.
    """

    round: int = 0  # the ledger number with which it began: tells its children from those of an earlier try
    items: int | None = None  # None: its data is still being fetched
    data: dict[str, Json] = field(default_factory=dict)  # by alias: what was fetched for the step
    item_data: dict[str, dict[str, Json]] = field(default_factory=dict)  # by item and alias, until the item starts
    again: tuple[int, ...] = ()  # items whose children of an earlier visit did not succeed
    next: int = 0  # the first item that no child was started for
    open: tuple[int, ...] = ()  # items whose children are under way
    early: tuple[int, ...] = ()  # items that ended before the word came that they had started
    succeeded: int = 0
    failed: tuple[int, ...] = ()
    size: int = 0  # bytes of JSON in the outputs so far

    @property
    def has_ended(self) -> bool:
        """Tell whether every item has had its child and every child has ended."""
        return not (self.again or self.open or self.early) and self.next == self.items

    def pending(self, most: int) -> tuple[int, ...]:
        """The next items to start children for, at most so many."""
        fresh = range(self.next, min(self.items or 0, self.next + max(0, most - len(self.again))))
        return (*self.again[:most], *fresh)

    def to_dict(self) -> dict[str, Json]:
        """Give it as a JSON object, without what has its default."""
        blank = Family()
        values = {name: getattr(self, name) for name in self.__slots__}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value != getattr(blank, name)
        }

    @classmethod
    def from_dict(cls, document: dict[str, Json]) -> Family:
        """Read what `to_dict` gave."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A step run that holds a token; `due` is the ISO 8601 instant that it waits for, if it does."""

    step_id: str
    visit: int
    status: str
    attempt: int = 1
    input: Json = None
    due: str | None = None
    children: Family | None = None  # None: the step starts no executions
    wait: dict[str, Json] | None = None  # None: it waits for no event; else see `entries.py`
    task: dict[str, Json] | None = None  # None: it is nobody's work; else see `entries.py`
    handed: dict[str, Json] | None = None  # what the transitions by which it came gave to its input
    via: tuple[str, ...] = ()  # these transitions, of one that ended before it began

    @property
    def key(self) -> str:
        """The name of this step run within its execution."""
        return key(self.step_id, self.visit)

    @property
    def weight(self) -> int:
        """Bytes of JSON in what it was given."""
        return sum(json_size(value) for value in (self.input, self.handed) if value is not None)


@dataclass(frozen=True, slots=True)
class Result:
    """The latest completed visit of a step."""

    visit: int
    attempt: int
    output: Json
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The latest visit of a step that failed and went on all the same, by a transition that catches the error."""

    visit: int
    attempt: int
    error: dict[str, Json]
    input: Json = None


@dataclass(frozen=True, slots=True)
class Undoing:
    """The compensation of an execution that was given up: each part of the plan runs after the one before."""

    parts: tuple[dict[str, Json], ...]  # {id: of the compensation, step_id, visit: what it makes up for}
    next: int = 0  # the first part that has not begun
    failed: tuple[dict[str, Json], ...] = ()  # {id, step_id, visit, error, time?}
    cancellation: dict[str, Json] = field(default_factory=dict)  # what expressions see as `__cancellation__`


@dataclass(frozen=True, slots=True)
class Done:
    """A completed visit of a step that compensations are for."""

    step_id: str
    visit: int
    output: Json
    outcome: str = ""
    parts: int = 1  # how many compensations the step has

    @property
    def size(self) -> int:
        """Bytes of JSON that it takes, now and in the plan of a compensation."""
        return json_size([self.step_id, self.visit, self.output]) + self.parts * (2 * len(self.step_id) + 60)


CONSUMED = 2_000
"""Events that a state remembers as consumed; the record of deliveries remembers them all."""


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
    lost: dict[str, OpenRun] = field(default_factory=dict)  # by key: what ended without a result, for a retry
    variables: dict[str, Json] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)  # by step
    done: list[Done] = field(default_factory=list)  # what compensations are for, in order of completion
    undoing: Undoing | None = None  # None: nothing is being compensated
    undone: bool = False  # it has been compensated
    consumed: dict[str, str] = field(default_factory=dict)  # event id → key of what took it, the newest last
    end_reached: bool = False
    moves: int = 0  # steps begun since somebody outside last did something
    size: int = 0  # bytes of JSON in what `MAX_STATE` limits
    held: int = 0  # bytes of JSON in what `MAX_HELD` limits

    def fork(self) -> State:
        """Copy so far as the engine changes things in place; values are shared, since nothing changes them."""
        return replace(
            self,
            tokens=list(self.tokens),
            arrived={join: dict(held) for join, held in self.arrived.items()},
            open=dict(self.open),
            visits=dict(self.visits),
            results=dict(self.results),
            lost=dict(self.lost),
            variables=dict(self.variables),
            failures=dict(self.failures),
            done=list(self.done),
            consumed=dict(self.consumed),
        )

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will happen; what was given up goes on while it is compensated."""
        return self.status != OPEN and self.undoing is None

    def to_json(self) -> str:
        """Write the state as JSON."""
        document = {name: getattr(self, name) for name in self.__slots__}
        for part in ("open", "lost"):
            document[part] = {name: _run_to_dict(run) for name, run in document[part].items()}
        for part in ("results", "failures"):
            document[part] = {
                step: {name: getattr(one, name) for name in one.__slots__} for step, one in document[part].items()
            }
        document["done"] = [{name: getattr(one, name) for name in one.__slots__} for one in self.done]
        if self.undoing is not None:
            document["undoing"] = {name: getattr(self.undoing, name) for name in self.undoing.__slots__}
        return compact(document)

    @classmethod
    def from_json(cls, text: str) -> State:
        """Read what `to_json` wrote, in this format or the one before; raises ValueError for another."""
        document = json.loads(text)
        if document["format"] > FORMAT:
            raise ValueError(f"engine state has format {document['format']}, this worker reads up to {FORMAT}")
        for part in ("open", "lost"):
            document[part] = {name: _run_from_dict(run) for name, run in document.get(part, {}).items()}
        document["format"] = FORMAT
        document["results"] = {step: Result(**result) for step, result in document["results"].items()}
        document["failures"] = {step: Failure(**one) for step, one in document.get("failures", {}).items()}
        document["done"] = [Done(**one) for one in document.get("done", ())]
        if "held" not in document:
            document["held"] = sum(run.weight for run in document["open"].values())
        if (undoing := document.get("undoing")) is not None:
            parts, failed = tuple(undoing["parts"]), tuple(undoing["failed"])
            document["undoing"] = Undoing(**{**undoing, "parts": parts, "failed": failed})
        return cls(**document)


def _run_to_dict(run: OpenRun) -> dict[str, Json]:
    values = {name: getattr(run, name) for name in run.__slots__}
    if run.children is not None:
        values["children"] = run.children.to_dict()
    else:
        del values["children"]
    for name in ("task", "handed", "via"):
        if not values[name]:
            del values[name]
    return values


def _run_from_dict(document: dict[str, Json]) -> OpenRun:
    children = document.get("children")
    family = None if children is None else Family.from_dict(children)
    return OpenRun(**{**document, "children": family, "via": tuple(document.get("via", ()))})


def json_size(value: Json) -> int:
    """Count the bytes of a value written as JSON."""
    return len(compact(value).encode())
