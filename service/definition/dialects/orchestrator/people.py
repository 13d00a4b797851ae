"""What a person is to do, who, and by when."""

from __future__ import annotations

from service.definition.conditions import roots
from service.definition.conditions.translating import Refusal, text
from service.definition.dialects.orchestrator import settings
from service.definition.dialects.orchestrator.draft import Origin
from service.definition.dialects.orchestrator.parts import Part
from service.definition.dialects.orchestrator.settings import Fields, Settings
from service.domain.json_text import Json

_ASSIGNMENT: dict[str, tuple[str, bool]] = {
    "assignee": ("assignee", False),
    "assigneeRole": ("roles", True),
    "assigneeRoles": ("roles", True),
    "roles": ("roles", True),
    "assigneeGroup": ("groups", True),
    "assigneeGroups": ("groups", True),
    "candidateGroups": ("groups", True),
    "groups": ("groups", True),
}
"""How it is written whose work it is, and what the native dialect calls it; whether there it is a list."""

_WORDS = (("title", ("title", "name")), ("instructions", ("instructions", "description")), ("priority", ("priority",)))
"""Texts by what the native dialect calls them, and the properties of which the first is taken."""

_TASK = (*_ASSIGNMENT, "taskForm", "form", "priority", "dueIn", "instructions", "title", "name", "description")


def human(step: Part) -> tuple[str, Settings, Fields]:
    """Translate what a HUMAN_TASK asks for: the native type, its settings, and where they come from."""
    wanted = step.part("taskDefinition") or Part({}, step.pointer, step.notes)
    wanted.look_over(_TASK, "the taskDefinition of a HUMAN_TASK")
    found: Settings = {}
    origins: Fields = {}
    for read in (_words, _assignment):
        read(wanted, found, origins)
    _times(step, wanted, found, origins)
    name = wanted.first("taskForm", "form")
    if name is None:
        return "human.confirm", found, origins
    form = _form(wanted.value(name))
    origins["formSchema"] = Origin(wanted.at(name), is_same="formUi" not in form)
    return "human.form", found | form, origins


def _words(wanted: Part, found: Settings, origins: Fields) -> None:
    for native, names in _WORDS:
        name = wanted.first(*names)
        written = wanted.text(name) if name is not None else None
        if name is None or written is None:
            continue
        if native == "priority" and "${" not in written:
            written = written.upper()
        origins[native] = Origin(wanted.at(name))
        try:
            found[native] = text(written, roots.STEP)
        except Refusal as refusal:
            wanted.notes.refused(wanted.at(name), refusal)


def _assignment(wanted: Part, found: Settings, origins: Fields) -> None:
    assignment: Settings = {}
    for name, (native, is_list) in _ASSIGNMENT.items():
        if wanted.has(name):
            value = settings.texts(wanted, name, roots.STEP)
            listed = value if isinstance(value, list) else [value]
            assignment[native] = [*assignment.get(native, ()), *listed] if is_list else value
            origins[f"assignment/{native}"] = Origin(wanted.at(name))
    if assignment:
        found["assignment"] = assignment


def _times(step: Part, wanted: Part, found: Settings, origins: Fields) -> None:
    for where, name in ((wanted, "dueIn"), (step, "timeout")):
        if "dueIn" not in found and (limit := settings.duration(where, name, roots.STEP)) is not None:
            found["dueIn"] = limit
            origins["dueIn"] = Origin(where.at(name))
    escalation = step.part("escalation")
    if escalation is not None:
        escalation.look_over(("after", "nextStepId"), "an escalation")
        after = settings.duration(escalation, "after", roots.STEP)
        found["escalation"] = {} if after is None else {"after": after}
        origins["escalation"] = Origin(escalation.pointer, is_same=True)


def _form(wanted: Json) -> Settings:
    """Make the settings of a form: of a JSON Schema, of a list of fields, or of the name of a form."""
    fields = wanted.get("fields") if isinstance(wanted, dict) else wanted
    if isinstance(fields, list):
        return {"formSchema": _schema(fields), "formUi": wanted}
    if isinstance(wanted, dict):
        return {"formSchema": wanted}
    return {"formSchema": {"type": "object"}, "formUi": {"form": wanted}}


_TYPES = {
    "string": "string", "text": "string", "textarea": "string", "date": "string", "datetime": "string",
    "number": "number", "integer": "integer", "boolean": "boolean", "checkbox": "boolean", "object": "object",
    "array": "array",
}  # fmt: skip


def _schema(fields: list[Json]) -> Settings:
    """Make the JSON Schema of a form that is written as a list of fields."""
    properties: Settings = {}
    required = []
    for field in fields:
        names = (field.get(key) for key in ("name", "id", "key")) if isinstance(field, dict) else ()
        name = next((name for name in names if isinstance(name, str)), None)
        if name is not None:
            kind = _TYPES.get(str(field.get("type")).lower())
            properties[name] = {"type": kind} if kind else {}
            required += [name] if field.get("required") is True else []
    return {"type": "object", "properties": properties, "required": required}
