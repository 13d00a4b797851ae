from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from service.definition.walking import Dominators, components, reachable

NODES = [str(number) for number in range(8)]
GRAPHS = st.dictionaries(st.sampled_from(NODES), st.lists(st.sampled_from(NODES), max_size=4))


def without(graph, node):
    return {one: [other for other in others if other != node] for one, others in graph.items() if one != node}


@given(GRAPHS)
def test_a_node_is_always_passed_if_nothing_is_reached_without_it(graph):
    passed = Dominators("0", graph)
    everywhere = reachable(["0"], graph)

    for first in NODES:
        around = reachable(["0"], without(graph, first)) if first != "0" else set()
        for node in NODES:
            expected = first in everywhere and node in everywhere and (node == first or node not in around)
            assert passed.before(first, node) == expected


@given(GRAPHS, st.sets(st.sampled_from(NODES)))
def test_nodes_stand_together_if_they_reach_each_other(graph, some):
    inner = {one: [other for other in others if other in some] for one, others in graph.items() if one in some}
    order = sorted(some)

    groups = components(order, graph)

    assert sorted(node for group in groups for node in group) == order
    assert [group[0] for group in groups] == sorted(min(group) for group in groups)
    together = {(one, other) for group in groups for one in group for other in group}
    for one in order:
        for other in order:
            assert ((one, other) in together) == (other in reachable([one], inner) and one in reachable([other], inner))


def test_large_graphs_are_walked_fast():
    size = 2000
    ladder = {str(n): [str(n + 1), str(max(0, n - 1))] for n in range(size)} | {"0": ["1", str(size - 1)]}
    start = time.perf_counter()

    assert Dominators("0", ladder).before("0", str(size))
    assert len(components([str(n) for n in range(size)], ladder)) == 1

    assert time.perf_counter() - start < 1  # 20 ms on a quiet machine
