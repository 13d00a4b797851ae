from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from service.definition.checks.values import MAX_STEPS, MAX_TRANSITIONS
from service.definition.compiling import examine
from service.definition.expressions import MAX_LENGTH
from service.definition.metering import MAX_CALLS, MAX_RANGE, MAX_WORK
from service.definition.steps.kinds import KINDS
from tests.definition.definitions import chain

GUIDE = (Path(__file__).parent.parent.parent / "docs/definition.md").read_text()
HUMAN_TASKS = (Path(__file__).parent.parent.parent / "docs/human-tasks.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", GUIDE + HUMAN_TASKS, re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.get("name", example.get("id")))
def test_the_examples_of_the_guide_are_sound(example):
    document = example if "steps" in example else chain(example)

    assert examine("graph", document).findings == ()


def test_the_guide_knows_every_step_type():
    assert [name for name in KINDS if f"`{name}`" not in GUIDE] == []


@pytest.mark.parametrize(
    "limit", [MAX_STEPS, MAX_TRANSITIONS, MAX_LENGTH, MAX_RANGE, MAX_CALLS, f"{MAX_WORK // 1024**2} MiB"]
)
def test_the_guide_tells_the_limits(limit):
    assert (f"{limit:,}" if isinstance(limit, int) else limit) in GUIDE
