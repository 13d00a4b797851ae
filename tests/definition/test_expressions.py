from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import jsonata
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.definition import expressions
from service.definition.expressions import UNDEFINED, ExpressionError, check, evaluate, render, truth

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
VECTORS = json.loads((Path(__file__).parent / "expression_vectors.json").read_text())
SCOPE = VECTORS["scope"]


def value(source, scope=SCOPE):
    return evaluate(source, scope, NOW).value


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["expr"])
def test_expressions_give_what_the_table_says(case):
    try:
        found = value(case["expr"])
    except ExpressionError as error:
        found = {"error": error.code}
    else:
        found = {"undefined": True} if found is UNDEFINED else {"value": found}

    assert found == {key: case[key] for key in case if key in ("value", "undefined", "error")}


@pytest.mark.parametrize(
    ("source", "code", "position"),
    [
        ("__steps__.step-1.ok", "S0213", 16),
        ("1 +", "S0207", 3),
        ("x and $eval('1')", "FUNCTION_REFUSED", 6),
        ("'" + "x" * 4095 + "'", "TOO_LONG", None),
        ("'\ud800'", "INVALID_TEXT", 1),
        ("a" + ".a" * 200, "TOO_COMPLEX", None),
    ],
)
def test_a_problem_has_a_code_and_a_place(source, code, position):
    problem = check(source)

    assert (problem.code, problem.position) == (code, position) or (position is None and problem.code == code)


def test_a_sound_expression_has_no_problem():
    assert check("$sum(__context__.items.price) > 100") is None


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("__steps__.verify.outputData.verified = true", {"__steps__.verify.outputData.verified": True}),
        ("__context__.missing or __context__.status = 'x'", {"__context__.status": "approved"}),
        ("$$.__context__.customerId & $.__each__.id", {"__context__.customerId": "123", "__each__.id": "d1"}),
        ("__steps__.`step-1`.ok", {"__steps__.`step-1`.ok": True}),
        ("__context__.directors[hasDsc].id", {"__context__.directors": SCOPE["__context__"]["directors"]}),
        ("__context__.directors.id", {"__context__.directors.id": ["d1", "d2", "d3"]}),
        ("$now() > '2026'", {}),
        ("**.email", {}),
    ],
)
def test_an_evaluation_tells_what_it_read(source, reads):
    assert evaluate(source, SCOPE, NOW).reads == reads


def test_of_a_large_value_only_the_size_is_told():
    scope = {"__context__": {"text": "é" * 1024}}

    assert evaluate("$length(__context__.text)", scope, NOW).reads == {"__context__.text": {"$size": 2050}}


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (UNDEFINED, False),
        (None, False),
        (0, False),
        (0.1, True),
        ("", False),
        ("false", True),
        ([], False),
        ([0], False),
        ([[0], [1]], True),
        ({}, False),
        ({"a": None}, True),
    ],
)
def test_truth_is_that_of_boolean(given_value, expected):
    assert truth(given_value) is expected
    if given_value is not UNDEFINED:
        assert value("$boolean(x)", {"x": given_value}) is expected


class Lazy(Mapping):
    """A mapping that counts what it is asked for."""

    def __init__(self, **values):
        self.values_by_name = values
        self.asked = []

    def __getitem__(self, name):
        self.asked.append(name)
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self):
        return len(self.values_by_name)


def test_only_what_an_expression_names_is_asked_for():
    steps = Lazy(a=Lazy(x=1, y=2), b={"x": 3})

    assert value("__steps__.a.x + 1", {"__steps__": steps, "__context__": Lazy()}) == 2
    assert set(steps.asked) == {"a"}
    assert set(steps.values_by_name["a"].asked) == {"x"}


def test_any_mapping_may_be_read_whole():
    scope = {"__steps__": Lazy(a=Lazy(x=1), b={"deep": [Lazy(y=2)]})}

    assert value("__steps__", scope) == {"a": {"x": 1}, "b": {"deep": [{"y": 2}]}}
    assert value("$string(__steps__.b)", scope) == '{"deep":[{"y":2}]}'
    assert value("$count($keys(__steps__))", scope) == 2


def test_whole_numbers_pass_unharmed_where_nothing_is_computed():
    scope = {"__context__": {"id": 2**53 + 1, "whole": 2.0, "list": [2**53 + 1]}}

    assert value("__context__", scope) == {"id": 2**53 + 1, "whole": 2, "list": [2**53 + 1]}
    assert isinstance(value("__context__.whole", scope), int)


@pytest.mark.parametrize("number", [2**63, float("nan"), float("inf")])
def test_a_number_that_cannot_be_computed_with_is_refused(number):
    with pytest.raises(ExpressionError) as error:
        value("[x]", {"x": number})

    assert error.value.code == "VALUE_UNUSABLE"


def test_a_result_that_is_too_large_is_refused():
    with pytest.raises(ExpressionError) as error:
        value("x", {"x": "y" * 1024 * 1024})

    assert error.value.code == "VALUE_TOO_LARGE"
    assert error.value.message == "the result has 1,048,578 bytes, more than 1,048,576"


def test_a_template_is_filled():
    template = {
        "id": "{% __context__.customerId %}",
        "count": " {% $count(__context__.directors) %} ",
        "gone": "{% __context__.missing %}",
        "list": ["{% __context__.missing %}", "{% __each__ %}", 1, None],
        "text": "costs {% nothing %}",
    }

    assert render(template, SCOPE, NOW) == {
        "id": "123",
        "count": 3,
        "list": [None, {"id": "d1", "name": "A"}, 1, None],
        "text": "costs {% nothing %}",
    }
    assert render("{% __context__.missing %}", SCOPE, NOW) is None


def test_the_expressions_of_a_template_are_found():
    template = {"a/b": ["x", "{% 1 %}"], "c": {"d~": "{%2%}"}}

    assert list(expressions.template_expressions(template, "/input")) == [("/input/a~1b/1", "1"), ("/input/c/d~0", "2")]


def test_the_steps_that_an_expression_asks_for_are_found():
    source = "__steps__.a.x > $$.__steps__.`b-1`.y and $count(__steps__) > __steps__.a.z"

    assert expressions.step_references(source) == ("a", "b-1")
    assert expressions.step_references("__steps__.") == ()


def test_threads_share_expressions():
    failures = []

    def work():
        try:
            for number in range(200):
                assert value(f"$map([1..9], function($x) {{ $x * {number % 20} }})[0]") == number % 20
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []


NAMES = st.sampled_from(["a", "b", "c", "`d-e`"])
HEADS = st.sampled_from(["", "$.", "$$.", "a.", "b.", "a.b."])
LITERALS = st.sampled_from(["1", "2.5", "'x'", "true", "null", "[]", "[1, 2]", "{'a': 1}", "[[1], [2]]"])
PATHS = st.builds(str.__add__, HEADS, NAMES)


def compound(part):
    many = st.lists(part, min_size=1, max_size=3)
    return st.one_of(
        st.builds("({} {} {})".format, part, st.sampled_from(["&", "+", "=", "and", "or", "in", "<", "!="]), part),
        st.builds("{}[{}]".format, PATHS, part),
        st.builds("{}.({})".format, PATHS, part),
        st.builds("{}.{{'k': {}, 'l': {}}}".format, PATHS, part, part),
        st.builds("{}.[{}]".format, PATHS, part),
        st.builds("{}.$string({})".format, PATHS, part),
        st.builds("({} ? {} : {})".format, part, part, part),
        st.builds("({} ?? {})".format, PATHS, part),
        st.builds("($v := {}; {}; [$v, $v.a])".format, part, part),
        st.builds("$map({}, function($v, $i) {{ {} & $i }})".format, PATHS, part),
        st.builds("$filter({}, function($v) {{ $v.a = {} }})".format, PATHS, part),
        st.builds("$reduce({}, function($s, $v) {{ [$s, {}] }}, 0)".format, PATHS, part),
        st.builds("({} ~> $append({}))".format, part, part),
        st.builds("{}{{'k': {}}}".format, PATHS, part),
        st.builds("{}^({})".format, PATHS, part),
        st.builds("{}({})".format, st.sampled_from(["$string", "$count", "$keys", "$exists", "$boolean"]), part),
        st.sampled_from(["$", "$$", "*", "**", "$keys()", "a.$keys()", "$string()", "b.*", "a.**"]),
        many.map(lambda parts: f"[{', '.join(parts)}]"),
        many.map(lambda parts: "{" + ", ".join(f"'k{n}': {part}" for n, part in enumerate(parts)) + "}"),
    )


SOURCES = st.recursive(st.one_of(PATHS, PATHS, LITERALS), compound, max_leaves=8)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "x", "y"])),
    lambda part: st.one_of(
        st.lists(part, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "c", "d-e"]), part, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(SOURCES, st.dictionaries(st.sampled_from(["a", "b", "c", "d-e"]), VALUES, max_size=4))
def test_meters_and_narrowing_change_no_result(source, scope):
    assume(check(source) is None)
    engine = jsonata.Jsonata(source)
    engine.set_output_convert_nulls(False)
    engine.set_runtime_bounds(1000, 500)
    try:
        expected = engine.evaluate(scope)
    except jsonata.JsonataError as error:
        expected = error.code
    try:
        found = value(source, scope)
    except ExpressionError as error:
        found = error.code

    assert found == (UNDEFINED if expected is jsonata.UNDEFINED else expected)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40), st.text("$.()[]{}:=,;'\"/*%&|~>?@#^ab1\\`", max_size=30))
def test_whatever_stands_in_an_expression_only_its_own_error_comes_out(text, symbols):
    for source in (text, symbols):
        problem = check(source)
        if problem is None:
            with suppress(ExpressionError):
                evaluate(source, SCOPE, NOW)
        else:
            with pytest.raises(ExpressionError):
                evaluate(source, SCOPE, NOW)
