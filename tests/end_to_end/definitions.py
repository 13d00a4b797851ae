"""Definitions of the scenarios, in the words of the `graph` dialect."""

from __future__ import annotations

from typing import Any

PREFIXES = {
    "xs": "gateway.exclusive_split",
    "is": "gateway.inclusive_split",
    "ps": "gateway.parallel_split",
    "pj": "gateway.parallel_join",
    "start": "start",
    "end": "end",
    "timer": "timer",
    "task": "task",
}


def definition(picture: str, name: str = "Test", **steps: dict[str, Any]) -> dict[str, Any]:
    """Read `a > b; a > c on <outcome>; xs > d if <condition>, e; ...` as a definition; keywords add to steps by id.

    A step's type follows from its id (`ps2`, `task_a`); any other step is human.
    """
    found: dict[str, dict[str, Any]] = {}
    transitions: list[dict[str, Any]] = []
    for line in filter(None, (line.strip() for line in picture.split(";"))):
        source, _, targets = (part.strip() for part in line.partition(">"))
        for target in targets.split(","):
            rest, _, on = (part.strip() for part in target.partition(" on "))
            id, _, condition = (part.strip() for part in rest.partition(" if "))
            for step in (source, id):
                found.setdefault(step, _step(step, steps.get(step, {})))
            transition = {"id": f"t{len(transitions) + 1}", "fromStepId": source, "toStepId": id}
            if on:
                transition["on"] = on
            elif condition:
                transition["condition"] = {"type": "jsonata", "src": condition}
            elif source.startswith(("xs", "is")):
                transition["isDefault"] = True
            transitions.append(transition)
    return {"id": "test", "name": name, "steps": list(found.values()), "stepTransitions": transitions}


def _step(id: str, more: dict[str, Any]) -> dict[str, Any]:
    type = PREFIXES.get(id.rstrip("0123456789").split("_")[0], "human.confirm")
    return {"id": id, "type": type, "name": id, **more}


VERIFY = definition(
    "start > verify; verify > end",
    name="Customer Verification",
    verify={
        "outputSchema": {
            "type": "object",
            "properties": {"verified": {"type": "boolean"}},
            "required": ["verified"],
        }
    },
)

REVIEW_LOOP = definition(
    "start > questionnaire; questionnaire > approve; approve > xs; "
    "xs > questionnaire if __steps__.approve.outputData.issueFound = true, file; file > end",
    name="Incorporation with review loop",
)

PARALLEL = definition("start > ps; ps > a, b, c; a > pj; b > pj; c > pj; pj > d; d > end", name="Parallel")

INCLUSIVE = definition(
    "start > is; is > a if __context__.a, b if __context__.b, c; a > pj; b > pj; c > pj; pj > d; d > end",
    name="Inclusive",
)
