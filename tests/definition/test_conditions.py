"""The expressions of the dialect `orchestrator`, by a table: what each gives, or where and why it is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.definition import expressions
from service.definition.conditions import roots, translating
from service.definition.conditions.translating import Refusal

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TABLE = json.loads((Path(__file__).parent / "conditions.json").read_text())
SCOPES = {
    "step": roots.STEP,
    "choice": roots.CHOICE,
    "event": roots.EVENT,
    "trigger": roots.TRIGGER,
    "after pay": roots.after("pay"),
    "failure": roots.FAILURE,
    "compensation": roots.COMPENSATION,
}
TRANSLATE = {
    "condition": translating.condition,
    "value": translating.expression,
    "text": translating.text,
    "payload_path": lambda source, scope: translating.payload_path(source),
}


def outcome(case):
    """Say what an expression gives, in the words of the table."""
    try:
        found = TRANSLATE[case["as"]](case["source"], SCOPES[case["in"]])
    except Refusal as refusal:
        return {"refused": [refusal.position, refusal.message]}
    if case["as"] == "payload_path":
        return {"value": list(found)}
    if case["as"] == "text":
        return {"value": expressions.render(found, TABLE["scope"], NOW), "jsonata": found}
    value = expressions.evaluate(found, TABLE["scope"], NOW).value
    if case["as"] == "condition":
        value = expressions.truth(value)
    return {"undefined": True} if value is expressions.UNDEFINED else {"value": value, "jsonata": found}


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: f"{case['as']} {case['source'][:60]}")
def test_expressions_mean_what_the_table_says(case):
    found = outcome(case)

    if "refused" in case:
        position, part = case["refused"]
        assert "refused" in found
        assert found["refused"][0] == position
        assert part in found["refused"][1]
    else:
        assert found.get("undefined") == case.get("undefined"), found
        assert json.dumps(found.get("value")) == json.dumps(case.get("value"))
        assert case.get("jsonata", found.get("jsonata")) == found.get("jsonata")


def test_the_table_is_as_large_as_it_says():
    assert len(TABLE["cases"]) >= 150


WORDS = """
    workflow.input.a event.payload.id $.payload.x data.b error.message task.output.x status true null undefined 1 2.5
    'a' "b" === !== == != = < <= > >= && || ?? ! ? : + - * / % ( ) [ ] [0] ['x'] . , ${ } exists( isEmpty( contains(
    length .length => := reduce ; ` \\ { } /
"""
OPERATORS = "=== !== == != < <= > >= && || ?? + - *"
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(WORDS.split()), max_size=14).map(" ".join),
    st.lists(st.sampled_from(WORDS.split()), max_size=9).map("".join),
)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.sampled_from(sorted(SCOPES)), st.sampled_from(sorted(TRANSLATE)))
@example("(" * 4000, "step", "condition")
@example("!" * 4000 + "1", "step", "value")
@example("(" * 1500 + "1" + ")" * 1500, "step", "value")
@example("a" + ".a" * 1900, "event", "payload_path")
@example("workflow.input" + ".a" * 1000, "step", "value")
@example("workflow.input.a" + "[0]" * 1000, "step", "value")
@example("${" * 2000, "step", "text")
@example("'${" * 600, "step", "value")
@example("'${" * 30 + "1" + "}'" * 30, "step", "value")
@example("1 ? " * 1000 + "1" + " : 2" * 1000, "step", "value")
@example("'\ud800'", "step", "value")
@example("\ud800", "step", "text")
@example("'\\ud800'", "step", "value")
@example("'\\0'", "step", "value")
@example("workflow.input['\u2028']", "step", "value")
@example("\u0661\u0662", "step", "value")
@example("workflow.input.items[\u0661]", "step", "value")
def test_whatever_comes_is_translated_or_refused_with_a_place(source, place, kind):
    refused = None
    try:
        found = TRANSLATE[kind](source, SCOPES[place])
    except Refusal as refusal:
        refused = refusal

    if refused is not None:
        assert 0 <= refused.position <= len(source)
        assert refused.message.encode()
        return
    if kind == "text":
        sources = [source for _, source in expressions.template_expressions(found)]
    else:
        sources = [found] if kind != "payload_path" else []
    assert all(expressions.check(source) is None for source in sources)


OPERANDS = st.sampled_from(
    [f"workflow.input.{name}" for name in ("name", "five", "zero", "blank", "nul", "yes", "no", "none", "missing")]
    + ["1", "0", "'5'", "''", "'abc'", "true", "null", "undefined"]
)
EXPRESSIONS = st.recursive(
    OPERANDS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS.split()), inner).map(lambda parts: f"({' '.join(parts)})"),
        st.tuples(inner, inner, inner).map(lambda parts: "({} ? {} : {})".format(*parts)),
        inner.map(lambda part: f"!{part}"),
        inner.map(lambda part: f"isEmpty({part})"),
        inner.map(lambda part: f"contains({part}, {part})"),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS)
def test_what_is_translated_never_fails_and_its_negation_is_its_opposite(source):
    plain, negated = (translating.condition(text, roots.STEP) for text in (source, f"!({source})"))

    truths = [expressions.truth(expressions.evaluate(text, TABLE["scope"], NOW).value) for text in (plain, negated)]

    assert truths[0] is not truths[1]
    assert truths[0] is bool(
        expressions.evaluate(translating.expression(f"!!({source})", roots.STEP), TABLE["scope"], NOW).value
    )
