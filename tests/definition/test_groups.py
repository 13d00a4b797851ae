"""Groups in the plan: in the order of the definition, their steps in the order that they say."""

from __future__ import annotations

import hashlib

import pytest

from service.definition.compiling import examine
from service.definition.plan import Plan, StepGroup
from tests.definition.definitions import VERIFICATION, chain, definition, step


def groups_of(document):
    examination = examine("graph", document)
    assert examination.findings == ()
    assert Plan.from_json(examination.plan.to_json()) == examination.plan
    return examination.plan.groups


def test_groups_have_their_names_and_steps():
    assert groups_of(VERIFICATION) == (StepGroup("g1", "Verification", ("verify",)),)


@pytest.mark.parametrize(
    ("orders", "ids"),
    [
        ({}, "cab"),
        ({"a": 2, "b": 1, "c": 3}, "bac"),
        ({"a": 0.5, "b": 0}, "bac"),
        ({"a": 1, "b": 1, "c": 1}, "cab"),
        ({"b": -1}, "bca"),
    ],
)
def test_steps_stand_in_their_order_and_otherwise_as_they_are_listed(orders, ids):
    steps = [
        step(id, "human.confirm", **({"group": {"groupId": "g", "order": orders[id]}} if id in orders else {}))
        for id in "abc"
    ]

    (group,) = groups_of(chain(*steps, stepGroups=[{"id": "g", "stepIds": ["c", "a", "b"]}]))

    assert group == StepGroup("g", "g", tuple(ids))


def test_a_plan_without_groups_is_written_as_it_always_was():
    plan = examine("graph", definition("start > a; a > end")).plan

    text = plan.to_json()

    assert '"groups"' not in text
    assert plan.digest == hashlib.sha256(text.encode()).hexdigest()
    assert plan.digest == "4b19222159a07389f634486e0988280b8933996c2e5f8acebf3255514aff0698"


def test_a_plan_knows_which_ways_lead_back():
    plan = examine(
        "graph", definition("start > q; q > check; check > if; if > q?, fix?, file!; fix > check; file > end")
    )

    assert plan.plan is None  # an exclusive split has two ways
    plan = examine(
        "graph", definition("start > q; q > check; check > some; some > q?, fix?, file!; fix > check; file > end")
    )
    assert plan.plan.forward == {
        "start": ["q"],
        "q": ["check"],
        "check": ["some"],
        "some": ["fix", "file"],
        "fix": [],
        "file": ["end"],
        "end": [],
    }
