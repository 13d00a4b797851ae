"""All step types. A new one is a module beside this one, and a line here."""

from __future__ import annotations

from difflib import get_close_matches

from service.definition.steps.data import FAIL, SET
from service.definition.steps.events import EVENT_WAIT
from service.definition.steps.http import HTTP
from service.definition.steps.human import CONFIRM, DOC_UPLOAD, FORM, URL_REDIRECT
from service.definition.steps.kind import Kind
from service.definition.steps.sub_workflow import SUB_WORKFLOW
from service.definition.steps.task import TASK
from service.definition.steps.timer import TIMER

_LATER = (
    "agent",
    "data.map",
    "data.filter",
    "loop",
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("start", is_special=True, catches=False),
        Kind("end", is_special=True, ends=True),
        CONFIRM,
        FORM,
        URL_REDIRECT,
        DOC_UPLOAD,
        TASK,
        HTTP,
        TIMER,
        EVENT_WAIT,
        SET,
        FAIL,
        Kind("gateway.exclusive_split", is_special=True, splits=True, decides=True),
        Kind("gateway.inclusive_split", is_special=True, splits=True, decides=True),
        Kind("gateway.parallel_split", is_special=True, splits=True, catches=False),
        Kind("gateway.parallel_join", is_special=True, catches=False),
        *(Kind(name, is_supported=False) for name in _LATER),
        SUB_WORKFLOW,
    )
}
"""Each step type by its name."""


COMPENSATORS = ("task", "http")
"""The step types that may make up for others; the first where none is named."""


def alias(name: str) -> str:
    """Write a type as system A's enum does: HUMAN_CONFIRM for human.confirm."""
    return name.upper().replace(".", "_")


def kind_of(written: str) -> Kind | None:
    """Find a step type by its name or alias."""
    return KINDS.get(_BY_ALIAS.get(written, written))


def nearest(written: str) -> str | None:
    """Guess which type was meant."""
    plain = written.lower().replace("-", "_").replace(" ", "_")
    guesses = get_close_matches(plain[:100], KINDS, n=1, cutoff=0.6)
    if not guesses and "." not in plain:
        guesses = [name for name in KINDS if name.split(".")[-1] == plain]
    return guesses[0] if guesses else None


_BY_ALIAS = {alias(name): name for name in KINDS}
