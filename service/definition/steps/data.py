"""Steps that work on data alone, and the step that gives the execution up."""

from __future__ import annotations

from service.definition.steps.kind import Kind, Settings

SET = Kind(
    name="data.set",
    properties={
        "values": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$"},
            "description": "Variables to set, which expressions read as `__variables__`: values, or {% jsonata %}. "
            "They are the output, too.",
            "examples": [{"total": "{% $sum(__context__.items.price) %}"}],
        },
    },
    templates=("values",),
    compile=lambda step: {"values": step["values"]} if step.get("values") else {},
)


def _fail(step: Settings) -> Settings:
    return {"code": step["code"], **({"message": step["message"]} if step.get("message") else {})}


FAIL = Kind(
    name="fail",
    properties={
        "code": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_.-]{1,100}$",
            "description": "The code of the error with which the execution fails.",
        },
        "message": {"type": "string", "maxLength": 1000, "description": "What people read."},
    },
    required=("code",),
    compile=_fail,
    ends=True,
)
