from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.definition.expressions import ExpressionError, check, evaluate
from tests.definition.hostile_expressions import CASES

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def hostile_run():
    """What became of all hostile expressions in one process with little memory and a small stack."""
    program = "tests/definition/hostile_expressions.py"
    done = subprocess.run([sys.executable, program], check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"the process died: {done.returncode} {done.stderr[-500:]}"
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_expression_ends_with_an_error(hostile_run, name):
    assert hostile_run["outcomes"][name] == CASES[name][1]


def test_hostile_expressions_take_little_memory(hostile_run):
    assert hostile_run["memory"] < 200  # MiB; 70 in practice


def test_no_hostile_expression_reaches_the_bound_in_time(hostile_run):
    assert "TIMEOUT" not in hostile_run["outcomes"].values()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("$map([1..100001], $string)", "[a..b] gives at most 100,000 numbers"),
        ("[1..99999].($)[$ > 5]", "the expression handles more than 4 MiB of values"),
        ("($f := function($n) { $f($n) }; $f(1))", "functions call each other more than 32 deep"),
        (
            "$toMillis('2026-01-02T03:04')",
            "$toMillis needs a zone, because machines differ in theirs: 2026-01-02T03:04Z",
        ),
    ],
)
def test_a_stopped_expression_says_what_was_too_much(source, message):
    with pytest.raises(ExpressionError) as error:
        evaluate(source, {}, datetime(2026, 1, 1, tzinfo=UTC))

    assert error.value.message == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("$eval('1')", "$eval is not available: it would run an expression that nobody has checked"),
        ("$f := $join", "$join can only be called here; write function($x) { $join($x) }"),
        ("$pad(?, 5)", "$pad cannot be applied in part; write function($x) { $pad($x, …) }"),
        ("a.(%.b & $x)", "`%` cannot stand together with variables, `$$` or functions of your own"),
        ("a.**.b.**.c.**", "`**` stands more than 2 times in the expression"),
    ],
)
def test_a_refusal_says_what_to_write_instead(source, message):
    assert check(source).message == message


def test_a_parameter_may_have_the_name_of_a_function():
    source = "$replace('hat', /(h)(at)/, function($match) { $uppercase($match.match) })"

    assert evaluate(source, {}, datetime(2026, 1, 1, tzinfo=UTC)).value == "HAT"
