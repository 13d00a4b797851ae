"""Task definitions: whether one can be used, and what the plan gets of a step that names one.

The implementation of a task definition is a step of the dialect `graph` without an id: {"type": "task", …},
{"type": "http", …} or {"type": "human.form", …}. Its expressions know one name, `__input__`: what the step gives the
task. So a task definition never depends on the definition that uses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from service.definition import expressions, schemas
from service.definition.rules import Finding
from service.definition.schemas import Violation
from service.definition.steps.http import HTTP
from service.definition.steps.human import CONFIRM, DOC_UPLOAD, FORM, URL_REDIRECT
from service.definition.steps.kind import Kind, Settings
from service.definition.steps.task import TASK, Named, definition_named
from service.definition.steps.written import expression
from service.definition.surroundings import Surroundings
from service.domain.task_definition import TaskDefinition

INPUT = "__input__"
"""The name that the expressions of an implementation know: what the step gives the task."""

OWN_SETTINGS = ("timeout", "retry", "heartbeat", "taskQueue")
"""What a step may say itself; it goes before what the task definition says."""

_KINDS: dict[str, tuple[Kind, ...]] = {
    "AUTOMATED": (TASK, HTTP),
    "INTEGRATION": (TASK, HTTP),
    "MANUAL": (CONFIRM, FORM, URL_REDIRECT, DOC_UPLOAD),
}
"""Who may perform a task of each type."""

_CLOCK = re.compile(r"\$(now|millis)\b")


def implementation_text(definition: TaskDefinition) -> str:
    """Give the implementation of a task definition as JSON text.

    One that says none is performed by the activity of its name, or by a person who fills in what it is to give.
    """
    if definition.implementation:
        return definition.implementation
    schema = None if definition.output_schema is None else json.loads(definition.output_schema)
    stands_for_none: Settings = {"type": TASK.name, "task": definition.key}
    if definition.type == "MANUAL":
        is_form = isinstance(schema, dict)  # a form's schema is an object
        stands_for_none = {"type": FORM.name, "formSchema": schema} if is_form else {"type": CONFIRM.name}
    return json.dumps(stands_for_none, ensure_ascii=False)


def problems(type: str, implementation: Settings) -> list[Violation]:
    """Tell what is wrong with an implementation for tasks of a type; pointers lead into it."""
    kinds = {kind.name: kind for kind in _KINDS[type]}
    kind = kinds.get(implementation["type"]) if isinstance(implementation.get("type"), str) else None
    if kind is None:
        return [Violation("/type", f"a task of type {type} is performed by a step of type {' or '.join(kinds)}")]
    shape = {"properties": dict(kind.properties), "required": list(kind.required)}
    found = schemas.violations(shape, implementation, is_trusted=True)
    found += (_as_violation(problem) for problem in kind.check(implementation, ""))
    found += _expression_problems(kind, implementation)
    found += _foreign(kind, implementation)
    for name in kind.schemas:
        if isinstance(schema := implementation.get(name), dict | bool):
            found += (Violation(f"/{name}{wrong.pointer}", wrong.message) for wrong in schemas.check_schema(schema))
    return list(dict.fromkeys(found))


def find(named: Named, surroundings: Surroundings) -> TaskDefinition | None:
    """Find the task definition that a step names; None when the workspace has none."""
    for definition in surroundings.task_definitions:
        if definition.key == named.key and named.version in (0, definition.version):
            return definition
    return None


def compiled(step: Settings, surroundings: Surroundings | None) -> tuple[str, Settings] | None:
    """Make of a step that names a task definition its type and settings in the plan; None if it names none.

    Without surroundings, or without the definition, it is the activity of that name.
    """
    named = definition_named(step)
    if named is None:
        return None
    definition = find(named, surroundings) if surroundings is not None else None
    if definition is None:
        return TASK.name, TASK.compile(step)
    implementation = json.loads(implementation_text(definition))
    kind = next(kind for kind in _KINDS[definition.type] if kind.name == implementation["type"])
    settings = kind.compile(implementation | {name: step[name] for name in OWN_SETTINGS if name in step})
    settings["definition"] = {"id": definition.id, "key": definition.key, "version": definition.version}
    if step.get("input") is not None:
        settings["input"] = step["input"]
    for name, schema in (("inputSchema", definition.input_schema), ("outputSchema", definition.output_schema)):
        if schema is not None:
            settings[name] = json.loads(schema)
    return kind.name, settings


def _as_violation(found: Finding) -> Violation:
    return Violation(found.pointer, found.message)


def _foreign(kind: Kind, implementation: Settings) -> Iterator[Violation]:
    """Find what means nothing in an implementation, and what only a step of a definition can say."""
    for name in implementation:
        place = f"/{name.replace('~', '~0').replace('/', '~1')}"
        if kind is TASK and name in ("input", "taskDefinition"):
            yield Violation(place, f"{name} is for the step that uses the task definition to say")
        elif name != "type" and name not in kind.properties and not name.startswith("x-"):
            yield Violation(place, f"it is not known here; a {kind.name} has {', '.join(kind.properties)}")


def _expression_problems(kind: Kind, implementation: Settings) -> Iterator[Violation]:
    for pointer, source in _expressions(kind, implementation):
        if (problem := expressions.check(source)) is not None:
            yield Violation(pointer, f"{problem.code}: {problem.message}")
        elif _CLOCK.search(source):
            yield Violation(pointer, "it asks for the time; let the step give that in the input of the task")
        for name in dict.fromkeys(path[0] for path in expressions.paths(source) if path):
            if name != INPUT:
                yield Violation(pointer, f'nothing has the name "{name[:60]}" here; {INPUT} is what the task is given')


def _expressions(kind: Kind, implementation: Settings) -> Iterator[tuple[str, str]]:
    for name in kind.templates:
        written = implementation.get(name)
        if (found := expression(written)) is not None:
            yield f"/{name}{found[0]}", found[1]
        else:
            yield from expressions.template_expressions(written, f"/{name}")
