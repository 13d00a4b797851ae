"""Ways through a graph, which is given by the neighbours of each node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Neighbours = Mapping[str, Sequence[str]]


def reachable(starts: Iterable[str], neighbours: Neighbours) -> set[str]:
    """Find what can be reached from some nodes, these included."""
    found = set(starts)
    border = list(found)
    while border:
        for neighbour in neighbours.get(border.pop(), ()):
            if neighbour not in found:
                found.add(neighbour)
                border.append(neighbour)
    return found


def components(nodes: Iterable[str], neighbours: Neighbours) -> list[list[str]]:
    """Divide some nodes into groups whose members all reach each other by way of these nodes.

    The groups, and the members of each, stand in the order of the nodes.
    """
    order = {node: number for number, node in enumerate(nodes)}
    finished = _finishing_order(order, neighbours)
    backwards: dict[str, list[str]] = {node: [] for node in order}
    for node in order:
        for neighbour in neighbours.get(node, ()):
            if neighbour in order:
                backwards[neighbour].append(node)
    taken: set[str] = set()
    groups = []
    for node in reversed(finished):
        if node not in taken:
            group = _collect(node, backwards, taken)
            groups.append(sorted(group, key=order.__getitem__))
    return sorted(groups, key=lambda group: order[group[0]])


class Dominators:
    """Tells which nodes one has always passed when one comes from a start to another node."""

    def __init__(self, start: str, successors: Neighbours) -> None:
        self._span: dict[str, tuple[int, int]] = {}
        followers: dict[str, list[str]] = {}
        for node, last in _immediate_dominators(start, successors).items():
            followers.setdefault(last, []).append(node)
        stack = [(start, iter(followers.get(start, ())))]
        begun = {start: 0}
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                self._span[node] = begun[node], len(begun)
                stack.pop()
            else:
                begun[following] = len(begun)
                stack.append((following, iter(followers.get(following, ()))))

    def before(self, first: str, node: str) -> bool:
        """Tell whether one has always passed `first` when one comes to `node`; a node comes before itself."""
        if first not in self._span or node not in self._span:
            return False
        begin, end = self._span[first]
        return begin <= self._span[node][0] < end


def _immediate_dominators(start: str, successors: Neighbours) -> dict[str, str]:
    """Find the last node that is always passed before each, the start aside: the algorithm of Lengauer and Tarjan."""
    nodes, parent = _depth_first(start, successors)
    number = {node: position for position, node in enumerate(nodes)}
    semi = list(range(len(nodes)))
    last = [0] * len(nodes)
    forest = _Forest(semi)
    waiting: list[list[int]] = [[] for _ in nodes]
    before: list[list[int]] = [[] for _ in nodes]
    for node in nodes:
        for successor in successors.get(node, ()):
            before[number[successor]].append(number[node])
    for one in range(len(nodes) - 1, 0, -1):
        for other in before[one]:
            semi[one] = min(semi[one], semi[forest.lowest(other)])
        waiting[semi[one]].append(one)
        forest.link(one, parent[one])
        for other in waiting[parent[one]]:
            lowest = forest.lowest(other)
            last[other] = lowest if semi[lowest] < semi[other] else parent[one]
        waiting[parent[one]].clear()
    for one in range(1, len(nodes)):
        if last[one] != semi[one]:
            last[one] = last[last[one]]
    return {nodes[one]: nodes[last[one]] for one in range(1, len(nodes))}


class _Forest:
    """Trees that grow together; `lowest` finds the node with the lowest `semi` on the way up to the root."""

    def __init__(self, semi: list[int]) -> None:
        self._semi = semi
        self._above: list[int | None] = [None] * len(semi)
        self._lowest = list(range(len(semi)))

    def link(self, node: int, above: int) -> None:
        self._above[node] = above

    def lowest(self, node: int) -> int:
        way = []
        while (above := self._above[node]) is not None and self._above[above] is not None:
            way.append(node)
            node = above
        for lower in reversed(way):
            above = self._above[lower]
            assert above is not None
            if self._semi[self._lowest[above]] < self._semi[self._lowest[lower]]:
                self._lowest[lower] = self._lowest[above]
            self._above[lower] = self._above[above]
        return self._lowest[way[0] if way else node]


def _depth_first(start: str, successors: Neighbours) -> tuple[list[str], list[int]]:
    """List the nodes as one meets them going depth first, and for each the position of the one before it."""
    nodes = [start]
    parent = [0]
    number = {start: 0}
    stack = [(0, iter(successors.get(start, ())))]
    while stack:
        position, rest = stack[-1]
        following = next((one for one in rest if one not in number), None)
        if following is None:
            stack.pop()
        else:
            number[following] = len(nodes)
            nodes.append(following)
            parent.append(position)
            stack.append((number[following], iter(successors.get(following, ()))))
    return nodes, parent


def _finishing_order(order: Mapping[str, int], neighbours: Neighbours) -> list[str]:
    """Go depth first, and list each node when everything behind it is done."""
    seen: set[str] = set()
    finished: list[str] = []
    for root in order:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(neighbours.get(root, ())))]
        while stack:
            node, rest = stack[-1]
            following = next((one for one in rest if one in order and one not in seen), None)
            if following is None:
                finished.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(neighbours.get(following, ()))))
    return finished


def _collect(root: str, neighbours: Neighbours, taken: set[str]) -> list[str]:
    taken.add(root)
    group = [root]
    for node in group:
        for neighbour in neighbours[node]:
            if neighbour not in taken:
                taken.add(neighbour)
                group.append(neighbour)
    return group
