"""Random definitions of the dialect `orchestrator`: loops, branches within branches, outcomes, handlers, conditions."""

from __future__ import annotations

from random import Random
from typing import Any

TYPES = ["TASK", "TASK", "HUMAN_TASK", "EVENT_WAIT", "DECISION", "DELAYED_TASK", "PARALLEL"]
CONDITION = "event.payload.k === workflow.input.k"


def random_definition(seed: int) -> dict[str, Any]:
    """Make a definition; many are not sound, because a step cannot be reached, or nothing ends."""
    random = Random(seed)
    return {"name": "Random", "steps": _steps(random, "s", random.randint(1, 5), depth=0)}


def _steps(random: Random, prefix: str, count: int, *, depth: int) -> list[dict[str, Any]]:
    ids = [f"{prefix}{number}" for number in range(count)]
    return [_step(random, ids, number, depth) for number in range(count)]


def _step(random: Random, ids: list[str], number: int, depth: int) -> dict[str, Any]:
    id, later = ids[number], ids[number + 1 :]
    default = later[0] if later and random.random() < 0.8 else None
    type = random.choice(TYPES if depth < 2 else TYPES[:-1])
    step: dict[str, Any] = {"stepId": id, "type": type, "transitions": {"default": default}}
    if type in ("TASK", "DELAYED_TASK"):
        step |= {"taskId": "t"} | ({"delay": 5} if type == "DELAYED_TASK" else {})
        if random.random() < 0.4:
            step["transitions"]["X"] = random.choice([random.choice(ids), None])
        if random.random() < 0.3:
            step["transitions"]["conditions"] = _choices(random, ids, "task.output.n > {}")
        if random.random() < 0.4:
            step["onFailure"] = {"handlerStepId": random.choice(ids)}
    elif type == "HUMAN_TASK":
        step["taskDefinition"] = {"assigneeRole": "clerk"}
        if random.random() < 0.6:
            step["transitions"] = {"YES": default or random.choice(ids), "NO": random.choice(ids)}
    elif type == "EVENT_WAIT":
        step |= {"eventPattern": "a.b", "eventCondition": CONDITION}
        if random.random() < 0.5:
            step["eventTimeout"] = {"duration": 5, "timeoutHandlerStepId": random.choice(ids)}
    elif type == "DECISION":
        del step["transitions"]
        step |= {"choices": _choices(random, ids, "workflow.state.variables.v === {}"), "default": default}
    else:
        branches = random.randint(2, 3)
        step["branches"] = [
            {"steps": _steps(random, f"{id}_{branch}", random.randint(1, 3), depth=depth + 1)}
            for branch in range(branches)
        ]
    return step


def _choices(random: Random, ids: list[str], condition: str) -> list[dict[str, str]]:
    return [
        {"condition": condition.format(number), "nextStep": random.choice(ids)}
        for number in range(random.randint(1, 2))
    ]
