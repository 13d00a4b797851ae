from __future__ import annotations

import pytest

from service.domain.errors import WrongState
from service.domain.lifecycle import EXECUTION, LIFECYCLES, STEP_RUN, TEMPLATE, VERSION, check

# The tables once more, as the requirements state them: what may follow what.
FOLLOWS = {
    "template": {"DRAFT": "ACTIVE ARCHIVED", "ACTIVE": "ACTIVE DRAFT ARCHIVED", "ARCHIVED": "DRAFT ACTIVE"},
    "version": {"DRAFT": "DRAFT PUBLISHED", "PUBLISHED": "PUBLISHED DEPRECATED", "DEPRECATED": ""},
    "execution": {
        "CREATED": "STARTED FAILED_TO_START COMPLETED FAILED CANCELLED",
        "STARTED": "COMPLETED FAILED CANCELLED",
        "FAILED_TO_START": "",
        "COMPLETED": "",
        "FAILED": "CREATED COMPLETED",
        "CANCELLED": "",
    },
    "step run": {
        "PENDING": "RUNNING WAITING COMPLETED FAILED DISABLED SKIPPED CANCELLED",
        "RUNNING": "WAITING COMPLETED FAILED DISABLED CANCELLED",
        "WAITING": "COMPLETED FAILED DISABLED SKIPPED CANCELLED",
        "DISABLED": "PENDING RUNNING WAITING COMPLETED FAILED SKIPPED CANCELLED",
        "COMPLETED": "",
        "FAILED": "",
        "SKIPPED": "",
        "CANCELLED": "",
    },
}

MOVES = [
    (life, current, target, target in FOLLOWS[life.noun][current].split())
    for life in LIFECYCLES
    for current in life.states
    for target in life.states
]


@pytest.mark.parametrize(("life", "current", "target", "expected"), MOVES)
def test_a_state_follows_another_as_the_requirements_say(life, current, target, expected):
    assert life.allows(current, target) is expected


@pytest.mark.parametrize("life", LIFECYCLES, ids=lambda life: life.noun)
def test_the_tables_have_the_states_of_the_requirements(life):
    assert set(life.states) == set(FOLLOWS[life.noun])
    assert life.states[0] == life.first


@pytest.mark.parametrize(
    ("life", "allowed"),
    [
        (
            TEMPLATE,
            {"ActivateVersion": "DRAFT ACTIVE", "UnarchiveTemplate": "ARCHIVED"},
        ),
        (VERSION, {"UpdateVersion": "DRAFT", "PublishVersion": "DRAFT", "ActivateVersion": "PUBLISHED"}),
        (EXECUTION, {"CancelExecution": "CREATED STARTED"}),
        (STEP_RUN, {"UpdateStep": "RUNNING WAITING DISABLED"}),
    ],
)
def test_check_refuses_an_event_in_every_other_state(life, allowed):
    for event, states in allowed.items():
        for state in life.states:
            if state in states.split():
                check(life, state, event, wish="try", reason="INTERNAL")
            else:
                with pytest.raises(WrongState, match=f"cannot try: it is {state}"):
                    check(life, state, event, wish="try", reason="INTERNAL")
