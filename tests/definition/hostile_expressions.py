"""Expressions that try to take the machine, and what becomes of each.

Run as a program it evaluates them all under a memory limit and prints the outcomes as JSON: the code of the error or
"OK", the seconds, and the largest memory in MiB.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

MEMORY = 1 << 30  # bytes of address space
STACK = 2 << 20  # bytes; threads of other systems have less than Linux gives
SCOPE = {"__context__": {"text": "x" * 1000, "list": [{"id": n, "tags": ["a", "b"]} for n in range(2000)]}}

STRINGS = {
    "reduce": ('$reduce([1..40], function($a, $b) { $a & $a }, "x")', "VALUE_TOO_LARGE"),
    "recursion": ('($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f("xxxx", 30))', "VALUE_TOO_LARGE"),
    "y combinator": ('(function($f, $s) { $f($f, $s) })(function($f, $s) { $f($f, $s & $s) }, "x")', "VALUE_TOO_LARGE"),
    "variables": ('($a := "xxxxxxxx"; ' + "$a := $a & $a; " * 60 + "$length($a))", "VALUE_TOO_LARGE"),
    "composition": ("($f := function($s) { $s & $s }; " + "$f := $f ~> $f; " * 20 + '$f("x"))', "VALUE_TOO_LARGE"),
    "function in an object": (
        '($o := {"f": function($s) { $s & $s }}; $x := "xxxxxxxxxxxx"; $x' + " ~> $o.f" * 26 + ")",
        "VALUE_TOO_LARGE",
    ),
    "join": ('$reduce([1..40], function($a, $b) { $join([$a, $a]) }, "x")', "VALUE_TOO_LARGE"),
    "join with a long separator": ('$join([1..50000].("x"), $pad("", 250, "y"))', "VALUE_TOO_LARGE"),
    "replace": ('$reduce([1..40], function($a, $b) { $replace($a, "x", "xx") }, "x")', "ARGUMENT_TOO_LARGE"),
    "replace by groups": (
        '$reduce([1..40], function($a, $b) { $replace($a, /(.+)/, "$1$1") }, "x")',
        "ARGUMENT_TOO_LARGE",
    ),
    "escapes of escapes": ("$string([" * 30 + '"\\"\\\\"' + "])" * 30, "VALUE_TOO_LARGE"),
    "base64 of base64": ('"xxxxxxxxxxxx"' + " ~> $base64encode()" * 60, "VALUE_TOO_LARGE"),
    "pad": ('$pad("x", 2000000000)', "ARGUMENT_TOO_LARGE"),
    "pad to the left": ('$pad("x", -2147483648)', "ARGUMENT_TOO_LARGE"),
    "a wide date": ('$fromMillis(0, "[M,999999999]")', "ARGUMENT_TOO_LARGE"),
    "a wide date of now": ('$now("[Y,*-999999999]")', "ARGUMENT_TOO_LARGE"),
    "Roman numerals": ('$formatInteger(1e9, "I")', "ARGUMENT_TOO_LARGE"),
    "computed Roman numerals": ('$formatInteger(1e9, "" & "I")', "ARGUMENT_TOO_LARGE"),
}
LISTS = {
    "a long range": ("[1..1000000000]", "ARGUMENT_TOO_LARGE"),
    "ranges of ranges": ("[1..50000].([1..50000])", "TOO_MUCH_WORK"),
    "loops in loops": (
        "$map([1..1000], function($x) { $map([1..1000], function($y) { $map([1..1000], function($z) { 1 }) }) })",
        "TOO_MUCH_WORK",
    ),
    "append": ("$reduce([1..40], function($a, $b) { $append($a, $a) }, [1, 2])", "TOO_MUCH_WORK"),
    "flat doubling": ("$reduce([1..40], function($a, $b) { [$a, $a] }, [1, 2])", "TOO_MUCH_WORK"),
    "deep doubling": ("$string($reduce([1..40], function($a, $b) { [[$a], [$a]] }, [1, 2]))", "TOO_MUCH_WORK"),
    "doubling objects": ('$reduce([1..40], function($a, $b) { {"a": $a, "b": $a} }, {})', "TOO_MUCH_WORK"),
    "doubling paths": ('{"a": 1}' + '.{"a": $, "b": $}' * 60, "TOO_MUCH_WORK"),
    "doubling by names": ('{"a": 1, "b": 1}' + '.{"a": [a, b], "b": [a, b]}' * 60, "TOO_MUCH_WORK"),
    "doubling by a transformation": ('{"x": 1}' + ' ~> |$|{"a": $, "b": $}|' * 40, "TOO_MUCH_WORK"),
    "depth": ('$reduce([1..9999], function($a, $b) { {"a": $a} }, 1)', "VALUE_TOO_DEEP"),
    "comparing what is doubled": ("($a := [1]; " + "$a := [[$a], [$a]]; " * 60 + "$a = $a)", "TOO_MUCH_WORK"),
    "a list through itself": ("($a := [1..300]; $count($a.$a.$a.$a))", "TOO_MUCH_WORK"),
    "copies of everything": ("[1..20000].($$)", "TOO_MUCH_WORK"),
    "copies in a wide list": ("[" + ", ".join(["$$"] * 800) + "]", "TOO_MUCH_WORK"),
    "everything for each": ("__context__.list.{'all': $$}", "TOO_MUCH_WORK"),
    "filters in filters": (
        "__context__.list[id in $$.__context__.list[id in $$.__context__.list.id].id]",
        "TOO_MUCH_WORK",
    ),
    "a join of all with all": (
        "$map(__context__.list, function($x) { $count(__context__.list[id = $x.id]) })",
        "TOO_MUCH_WORK",
    ),
    "sums in a filter": ("__context__.list[$sum($$.__context__.list.id) > 0]", "TOO_MUCH_WORK"),
    "sorting by sums": ("__context__.list^($sum($$.__context__.list.id))", "TOO_MUCH_WORK"),
    "descendants of descendants": ("**.**.**", "EXPRESSION_TOO_COMPLEX"),
    "descendants for descendants": ("**[$count($$.**) > 0]", "TOO_MUCH_WORK"),
    "distinct": ("$distinct([1..9000])", "ARGUMENT_TOO_LARGE"),
    "distinct in a loop": ("[1..1000].$distinct($$.__context__.list.id)", "TOO_MUCH_WORK"),
    "spread": ('$spread([1..9000].{"a": 1})', "ARGUMENT_TOO_LARGE"),
    "keys": ("$keys([1..9000].{$string($): 1})", "ARGUMENT_TOO_LARGE"),
}
TIME = {
    "endless": ("($f := function() { $f() }; $f())", "TOO_DEEP"),
    "endless sum": ("($f := function() { 1 + $f() }; $f())", "TOO_DEEP"),
    "endless by replace": ('($f := function($n) { $replace("a", /a/, $f) }; $f(1))', "TOO_DEEP"),
    "endless by match": ('($f := function($n) { $match("a", $f) }; $f(1))', "TOO_DEEP"),
    "endless by sort": ("($f := function($a, $b) { $sort([1, 2], $f) }; $f(1, 2))", "TOO_DEEP"),
    "two that call each other": (
        "($e := function($n) { $o($n - 1) }; $o := function($n) { $e($n - 1) }; $e(1000))",
        "TOO_DEEP",
    ),
    "backtracking": ('$contains($pad("", 9000, "a"), /(a+)+$b/)', "OK"),
    "looking around": ('$contains("aaaa", /(?=(a+)+b)c/)', "FUNCTION_REFUSED"),
    "looking back": ('$contains("aaaa", /(a*)*\\1b/)', "FUNCTION_REFUSED"),
    "a large regular expression": ('$contains("a", /((((a{100}){100}){100}){100})/)', "EXPRESSION_TOO_COMPLEX"),
    "a costly regular expression": ('[1..90000].$contains("a", /\\p{L}{100}\\p{N}/)', "TOO_MUCH_WORK"),
    "a regular expression kept": ('($r := /\\p{L}{100}/; [1..90000].$contains("a", $r))', "FUNCTION_REFUSED"),
    "hidden growth": ("($f := $string; $f($f($f('\"'))))", "FUNCTION_REFUSED"),
    "parentheses": ("(" * 1500 + "1" + ")" * 1500, "PARSE_DEPTH"),
    "minus signs": ("-" * 900 + "1", "TOO_COMPLEX"),
    "a long sum": ("1" + "+1" * 1900, "TOO_COMPLEX"),
    "a long path": ("a" + ".a" * 1900, "TOO_COMPLEX"),
    "many indexes": ("a" + "[0]" * 1300, "TOO_COMPLEX"),
    "too long": ("1" + " " * 5000, "TOO_LONG"),
}
CASES = {**STRINGS, **LISTS, **TIME}


def outcome(source: str) -> str:
    from service.definition.expressions import ExpressionError, evaluate

    try:
        evaluate(source, SCOPE, datetime(2026, 1, 1, tzinfo=UTC))
    except ExpressionError as error:
        return error.code
    return "OK"


def main() -> None:
    outcomes: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name, (source, _) in CASES.items():
        start = time.perf_counter()
        outcomes[name] = outcome(source)
        seconds[name] = time.perf_counter() - start
    memory = _most_memory() // 1024
    print(json.dumps({"outcomes": outcomes, "seconds": seconds, "memory": memory}))


def _most_memory() -> int:
    """The most memory that this process held, in KiB; Linux counts what its parent held too in `getrusage`."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.path.insert(0, ".")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    threading.stack_size(STACK)
    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
