"""The table of reasons, the enum of the protos, and the places that raise agree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from heddle.v1.error_reason_pb2 import ErrorReason
from service.domain import errors
from service.domain.reasons import REASONS

ROOT = Path(__file__).parents[2]
CAUSES = {name: cause.code for name, cause in vars(errors).items() if hasattr(cause, "code")}
PROTO = (ROOT / "protos/heddle/v1/error_reason.proto").read_text()


def raised() -> list[tuple[str, str, str]]:
    """Every `Cause("REASON", …)` in the service and the storage: where, class, reason."""
    found = []
    for path in [*(ROOT / "service").rglob("*.py"), *(ROOT / "storage").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(reason)), *_]) if name in CAUSES:
                    found.append((f"{path.relative_to(ROOT)}:{node.lineno}", name, reason))
    return found


def test_the_enum_has_every_reason_of_the_table_and_no_other():
    names = {name.removeprefix("ERROR_REASON_") for name in ErrorReason.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}

    assert names == set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_the_enum_says_the_status_of_the_table(reason):
    comment = PROTO[: PROTO.index(f"ERROR_REASON_{reason} =")].rsplit(";\n", 1)[1]

    assert f"// {REASONS[reason].code}: " in comment


@pytest.mark.parametrize(("where", "cause", "reason"), raised())
def test_a_reason_is_raised_by_the_cause_of_its_status(where, cause, reason):
    assert REASONS[reason].code == CAUSES[cause], where


def test_every_reason_says_what_it_means_and_what_to_do():
    for reason in REASONS.values():
        assert reason.meaning.endswith(".")
        assert reason.remedy.endswith(".")
        assert reason.example
