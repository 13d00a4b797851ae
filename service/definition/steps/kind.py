"""What the checks and the compiler know of a step type."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from service.definition.rules import Finding
from service.definition.steps.written import Expression
from service.domain.json_text import Json

Settings = dict[str, Json]
"""A step as its author wrote it, or what of it stands in the plan."""


def _no_settings(step: Settings) -> Settings:
    return {}


def _nothing(step: Settings, pointer: str) -> Iterable[Finding]:
    return ()


def _nothing_asked(step: Settings, pointer: str) -> Iterable[Expression]:
    return ()


def _nobody_named(step: Settings, pointer: str) -> Iterable[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One step type: everything that differs between step types before they run.

    `properties` are JSON Schemas of the properties that a step of the type has besides those of every step. `compile`
    makes the settings of the plan, and is only asked when no check found an error. `check` finds what a schema cannot
    say; it gets the step's JSON pointer and tolerates any shape. `templates` names the properties in which `{% … %}`
    may stand, `schemas` those that hold a JSON Schema; `expressions` lists the expressions that stand elsewhere, and
    `steps_named` the other steps that are named outside of expressions, each with its pointer.
    """

    name: str
    properties: Mapping[str, Json] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    compile: Callable[[Settings], Settings] = _no_settings
    check: Callable[[Settings, str], Iterable[Finding]] = _nothing
    expressions: Callable[[Settings, str], Iterable[Expression]] = _nothing_asked
    steps_named: Callable[[Settings, str], Iterable[tuple[str, str]]] = _nobody_named
    is_supported: bool = True
    is_human: bool = False
    is_special: bool = False  # start, end and gateways: they take no time and are nobody's work
    splits: bool = False  # several transitions may leave it
    decides: bool = False  # the transitions that leave it have conditions
    ends: bool = False  # nothing comes after it
    catches: bool = True  # transitions that leave it may be for an outcome or an error
