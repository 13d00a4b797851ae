"""The plan: one immutable graph of steps and transitions, the only thing the engine reads.

A definition compiles to a plan; the same definition gives the same plan and the same digest. A plan is stored when its
version is published, and every execution of the version runs that stored plan, so a later compiler never changes what
runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from service.definition.walking import Dominators

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict of them."""

FORMAT = 1
"""Raised when a plan of the present code could not be read by the code before."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the graph.

    `settings` holds what the step's type needs, checked and in canonical form (see `dialects/graph.py`);
    `default_status` is a step run status, one of PENDING, RUNNING, COMPLETED, DISABLED and FAILED.
    """

    id: str
    type: str
    name: str
    output_schema: Json = None  # None: any output is accepted
    default_status: str | None = None  # None: the step starts running
    settings: dict[str, Json] = field(default_factory=dict)
    is_internal: bool = False  # it only leads from one step to the next, and histories leave it out


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge of the graph; `condition` is a JSONata expression."""

    id: str
    source: str
    target: str
    condition: str | None = None  # None: taken without asking
    is_default: bool = False
    on_arrival: str | None = None  # the step run status that the target starts with; None: the target decides
    label: str | None = None
    on: str | None = None  # the outcome, error code or error category with which it is taken; None: with any other
    input: Json = None  # what the target's input gains when a token comes this way: a JSON template


@dataclass(frozen=True, slots=True)
class Compensation:
    """What makes up for a completed step when the execution is given up.

    `step` stands outside the graph; without an input of its own it gets what `engine.compensating` says.
    """

    of: str  # the id of the step
    step: Step
    condition: str | None = None  # None: always


@dataclass(frozen=True, slots=True)
class CancellationTrigger:
    """An event that cancels the execution. `settings` are those of an `event.wait` without a timeout."""

    settings: dict[str, Json]
    reason: str = ""
    compensates: bool = True


@dataclass(frozen=True, slots=True)
class StepGroup:
    """Steps that belong together for the eye, in their order."""

    id: str
    name: str
    step_ids: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Steps and transitions in the order of the definition, with the graph questions that the engine asks."""

    name: str
    steps: tuple[Step, ...]
    transitions: tuple[Transition, ...]
    input_schema: Json = None  # None: any input is accepted
    output_expression: str | None = None  # None: the execution's output is null
    groups: tuple[StepGroup, ...] = ()  # in the order of the definition
    compensations: tuple[Compensation, ...] = ()  # in the order of the definition
    compensates_failure: bool = False  # compensations run after a failure, too
    cancellation_triggers: tuple[CancellationTrigger, ...] = ()
    format: int = FORMAT

    @cached_property
    def step(self) -> dict[str, Step]:
        """Each step by its id, those outside the graph included."""
        return {step.id: step for step in (*self.steps, *(one.step for one in self.compensations))}

    @cached_property
    def compensation(self) -> dict[str, Compensation]:
        """Each compensation by the id of its step."""
        return {one.step.id: one for one in self.compensations}

    @cached_property
    def transition(self) -> dict[str, Transition]:
        """Each transition by its id."""
        return {transition.id: transition for transition in self.transitions}

    @cached_property
    def start(self) -> Step:
        """The one step of type `start`."""
        return next(step for step in self.steps if step.type == "start")

    @cached_property
    def outgoing(self) -> dict[str, tuple[Transition, ...]]:
        """The transitions that leave each step, in the order of the definition."""
        return self._by_end(lambda transition: transition.source)

    @cached_property
    def incoming(self) -> dict[str, tuple[Transition, ...]]:
        """The transitions that enter each step, in the order of the definition."""
        return self._by_end(lambda transition: transition.target)

    def _by_end(self, end: Callable[[Transition], str]) -> dict[str, tuple[Transition, ...]]:
        found: dict[str, list[Transition]] = {step.id: [] for step in self.steps}
        for transition in self.transitions:
            found[end(transition)].append(transition)
        return {step_id: tuple(transitions) for step_id, transitions in found.items()}

    @cached_property
    def feeders(self) -> dict[str, dict[str, frozenset[str]]]:
        """For each join, by incoming transition: the steps from which a token could still arrive on it.

        A token that would have to pass the join itself first does not count.
        """
        return {
            step.id: {t.id: self._upstream(t.source, without=step.id) for t in self.incoming[step.id]}
            for step in self.steps
            if step.type == "gateway.parallel_join"
        }

    @cached_property
    def forward(self) -> dict[str, list[str]]:
        """The steps that follow each step, without those to which a loop leads back.

        A transition leads back when one can only come to its source by way of its target.
        """
        following = {step_id: [t.target for t in transitions] for step_id, transitions in self.outgoing.items()}
        passed = Dominators(self.start.id, following)
        return {id: [next for next in targets if not passed.before(next, id)] for id, targets in following.items()}

    def _upstream(self, step_id: str, *, without: str) -> frozenset[str]:
        found = {step_id} - {without}
        border = list(found)
        while border:
            for transition in self.incoming[border.pop()]:
                if transition.source not in found and transition.source != without:
                    found.add(transition.source)
                    border.append(transition.source)
        return frozenset(found)

    @cached_property
    def children(self) -> tuple[str, ...]:
        """The versions that its sub-workflows run, each once."""
        named = (step.settings["version"] for step in self.steps if step.type == "sys.sub_workflow")
        return tuple(dict.fromkeys(named))

    @cached_property
    def has_moving_keys(self) -> bool:
        """Tell whether some wait's key is made of data that may change while it waits."""
        return any(step.settings.get("keyMoves") for step in self.steps)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Write the plan as canonical JSON: sorted keys, no spaces, absent parts left out."""
        document = {
            "format": self.format,
            "name": self.name,
            "steps": [_present(step) for step in self.steps],
            "transitions": [_present(transition) for transition in self.transitions],
            "input_schema": self.input_schema,
            "output_expression": self.output_expression,
        }
        # Left out when there are none, as they were before plans had any.
        if self.groups:
            document["groups"] = [asdict(group) for group in self.groups]
        if self.compensations:
            document["compensations"] = [{**asdict(one), "step": _present(one.step)} for one in self.compensations]
        if self.compensates_failure:
            document["compensates_failure"] = True
        if self.cancellation_triggers:
            document["cancellation_triggers"] = [asdict(trigger) for trigger in self.cancellation_triggers]
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read what `to_json` wrote."""
        document = json.loads(text)
        return cls(
            name=document["name"],
            steps=tuple(Step(**step) for step in document["steps"]),
            transitions=tuple(Transition(**transition) for transition in document["transitions"]),
            input_schema=document["input_schema"],
            output_expression=document["output_expression"],
            groups=tuple(
                StepGroup(group["id"], group["name"], tuple(group["step_ids"])) for group in document.get("groups", ())
            ),
            compensations=tuple(
                Compensation(**{**one, "step": Step(**one["step"])}) for one in document.get("compensations", ())
            ),
            compensates_failure=document.get("compensates_failure", False),
            cancellation_triggers=tuple(
                CancellationTrigger(**trigger) for trigger in document.get("cancellation_triggers", ())
            ),
            format=document["format"],
        )


def _present(part: Step | Transition) -> dict[str, Json]:
    values = {name: getattr(part, name) for name in part.__slots__}
    defaults = {field.name: field.default for field in fields(part)}
    return {name: value for name, value in values.items() if value is not defaults[name] and value != {}}
