"""Rules about the graph of steps and transitions.

One fault gives one finding: a rule leaves out what another rule tells already, and the rules about ways through the
graph only look at a graph that is connected at all.
"""

from __future__ import annotations

from collections.abc import Iterator

from service.definition.document import Document, Edge, Node
from service.definition.rules import Finding, finding
from service.definition.walking import Dominators, components, reachable


def exactly_one_start(document: Document) -> Iterator[Finding]:
    """A workflow begins at one place."""
    yield from _exactly_one("GRAPH_EXACTLY_ONE_START", "start", document)


def exactly_one_end(document: Document) -> Iterator[Finding]:
    """A workflow ends at one place."""
    yield from _exactly_one("GRAPH_EXACTLY_ONE_END", "end", document)


def start_step_no_incoming(document: Document) -> Iterator[Finding]:
    """Nothing leads back to the start."""
    for node in document.of_type("start"):
        for edge in document.incoming.get(node.id or "", ()):
            message = f'a transition leads from "{edge.source}" into the start step "{node.id}"'
            yield finding("START_STEP_NO_INCOMING", message, edge.pointer)


def start_step_single_outgoing(document: Document) -> Iterator[Finding]:
    """The start leads somewhere; more ways than one are the business of the rule about fanning out."""
    for node in document.of_type("start"):
        if node.id in document.node and not document.outgoing[node.id] and not document.has_loose_sources:
            yield finding(
                "START_STEP_SINGLE_OUTGOING", f'no transition leaves the start step "{node.id}"', node.pointer
            )


def end_step_single_incoming(document: Document) -> Iterator[Finding]:
    """One transition leads to the end."""
    for node in document.of_type("end"):
        count = len(document.incoming.get(node.id or "", ()))
        if node.id is not None and (count > 1 or (count == 0 and not document.has_loose_targets)):
            message = f'{_number(count)} into the end step "{node.id}"; exactly one must'
            yield finding("END_STEP_SINGLE_INCOMING", message, node.pointer)


def end_step_no_outgoing(document: Document) -> Iterator[Finding]:
    """Nothing comes after the end."""
    for node in document.nodes:
        if node.kind is None or not node.kind.ends:
            continue
        for edge in document.outgoing.get(node.id or "", ()):
            message = f'a transition leads from the {node.kind.name} step "{node.id}" to "{edge.target}"'
            yield finding("END_STEP_NO_OUTGOING", message, edge.pointer)


def transitions_unique(document: Document) -> Iterator[Finding]:
    """Two steps are connected once in a direction."""
    first: dict[tuple[str, str, str | None], Edge] = {}
    for edge in document.edges:
        if edge.source is None or edge.target is None:
            continue
        other = first.setdefault((edge.source, edge.target, edge.on), edge)
        if other is not edge:
            message = f'transition "{other.id}" leads from "{edge.source}" to "{edge.target}" already'
            yield finding("TRANSITIONS_UNIQUE", message, edge.pointer)


def no_self_loops(document: Document) -> Iterator[Finding]:
    """No step follows itself directly."""
    for edge in document.edges:
        if edge.source is not None and edge.source == edge.target:
            yield finding("NO_SELF_LOOPS", f'a transition leads from "{edge.source}" to itself', edge.pointer)


def no_isolated_steps(document: Document) -> Iterator[Finding]:
    """Every step is connected."""
    if document.has_loose_sources or document.has_loose_targets:
        return
    ends = {end for edge in document.edges for end in (edge.source, edge.target)}
    for node in document.nodes:
        if node.id is not None and node.id not in ends and not node.is_a("start", "end"):
            yield finding("NO_ISOLATED_STEPS", f'no transition enters or leaves step "{node.id}"', node.pointer)


def only_split_gateway_can_fan_out(document: Document) -> Iterator[Finding]:
    """Several ways out need a gateway that says what they mean."""
    for node in _known(document):
        if node.kind is None or node.kind.splits or node.is_a("end", "fail", "gateway.parallel_join"):
            continue
        if (count := sum(edge.on is None for edge in document.outgoing[node.id or ""])) > 1:
            message = f'{count} transitions leave step "{node.id}", which is a {node.type} and no split'
            yield finding("ONLY_SPLIT_GATEWAY_CAN_FAN_OUT", message, node.pointer)


def transitions_catch_once(document: Document) -> Iterator[Finding]:
    """Of an outcome or an error it is clear where it leads."""
    first: dict[tuple[str | None, str], Edge] = {}
    for edge in document.edges:
        if edge.on is not None and (other := first.setdefault((edge.source, edge.on), edge)) is not edge:
            message = f'transition "{other.id}" is for "{edge.on}" of step "{edge.source}" already'
            yield finding("TRANSITIONS_CATCH_ONCE", message, f"{edge.pointer}/on")


def catching_after_work(document: Document) -> Iterator[Finding]:
    """Outcomes and errors come from steps that do something."""
    for edge, node in _leaving(document):
        if edge.on is not None and node.kind is not None and not (node.kind.catches and not node.kind.ends):
            message = f'nothing comes with "{edge.on}" out of "{node.id}", which is a {node.type}'
            yield finding("CATCHING_AFTER_WORK", message, f"{edge.pointer}/on")
        if edge.on is not None and node.kind is not None and node.kind.decides and edge.on != "ERROR":
            message = f'"{node.id}" is a {node.type}: of it only "ERROR" can be caught'
            yield finding("CATCHING_AFTER_WORK", message, f"{edge.pointer}/on")


def handed_to_tasks(document: Document) -> Iterator[Finding]:
    """What a transition gives is taken by the step behind it."""
    for edge in document.edges:
        node = document.node.get(edge.target or "")
        if edge.data.get("input") and node is not None and node.kind is not None and "input" not in node.kind.templates:
            message = f'"{node.id}" is a {node.type}, which takes no input'
            yield finding("HANDED_TO_TASKS", message, f"{edge.pointer}/input")


def join_gateway_many_in_single_out(document: Document) -> Iterator[Finding]:
    """A join makes one way of several."""
    for node in _known(document):
        if node.is_a("gateway.parallel_join"):
            entering, leaving = len(document.incoming[node.id or ""]), len(document.outgoing[node.id or ""])
            lacks_input = entering < 2 and not document.has_loose_targets
            if lacks_input or leaving > 1 or (leaving == 0 and not document.has_loose_sources):
                message = (
                    f'{_number(entering)} into join "{node.id}" and {leaving} out of it; '
                    "at least two must lead in and exactly one out"
                )
                yield finding("JOIN_GATEWAY_MANY_IN_SINGLE_OUT", message, node.pointer)


def conditional_split_single_default(document: Document) -> Iterator[Finding]:
    """A split that decides has one way for when nothing is true."""
    for node in _known(document):
        if node.kind is None or not node.kind.decides:
            continue
        leaving = [edge for edge in document.outgoing[node.id or ""] if edge.on is None]
        defaults = [edge for edge in leaving if edge.is_default]
        is_told = node.is_a("gateway.exclusive_split") and len(leaving) < 2  # by the next rule
        if len(defaults) > 1 or not (defaults or is_told or document.has_loose_sources):
            count = "none is" if not defaults else f"{len(defaults)} are"
            message = f'exactly one transition that leaves split "{node.id}" must be the default; {count}'
            yield finding("CONDITIONAL_SPLIT_SINGLE_DEFAULT", message, node.pointer)


def exclusive_split_two_outgoing(document: Document) -> Iterator[Finding]:
    """An if has a then and an else."""
    for node in _known(document):
        leaving = [edge for edge in document.outgoing[node.id or ""] if edge.on is None]
        lacks_one = len(leaving) < 2 and not document.has_loose_sources
        if node.is_a("gateway.exclusive_split") and (lacks_one or len(leaving) > 2):
            message = (
                f"{len(leaving)} transition{'s leave' if len(leaving) != 1 else ' leaves'} the exclusive split "
                f'"{node.id}"; it needs one with a condition and the default'
            )
            yield finding("EXCLUSIVE_SPLIT_TWO_OUTGOING", message, node.pointer)


def only_exclusive_inclusive_step_have_condition(document: Document) -> Iterator[Finding]:
    """A condition stands where it is asked."""
    for edge, node in _leaving(document):
        if edge.has_condition and node.kind is not None and not node.kind.decides:
            message = f'the condition is never asked: "{node.id}" is a {node.type}, no exclusive or inclusive split'
            yield finding("ONLY_EXCLUSIVE_INCLUSIVE_STEP_HAVE_CONDITION", message, f"{edge.pointer}/condition")


def missing_batch_iterator(document: Document) -> Iterator[Finding]:
    """A batch has something to iterate over."""
    for node in document.of_type("sys.sub_workflow"):
        if node.data.get("mode") == "BATCH" and not node.data.get("iterable"):
            message = f'step "{node.id}" runs as a BATCH and has no iterable'
            yield finding("MISSING_BATCH_ITERATOR", message, node.pointer)


def transition_ends_exist(document: Document) -> Iterator[Finding]:
    """A transition connects steps that there are; steps without an id may be the ones that are missed."""
    missed = {end for edge in document.edges for end in (edge.source, edge.target)} - {None, *document.node}
    if len(missed) <= sum(node.id is None for node in document.nodes):
        return
    for edge in document.edges:
        for name, id in (("fromStepId", edge.source), ("toStepId", edge.target)):
            if id is not None and id not in document.node:
                guess = document.guess(id, document.node)
                yield finding("TRANSITION_ENDS_EXIST", f'there is no step "{id}"{guess}', f"{edge.pointer}/{name}")


def condition_required(document: Document) -> Iterator[Finding]:
    """A way out of a split that decides has a condition, or is the default."""
    for edge, node in _leaving(document):
        if node.kind is not None and node.kind.decides and not (edge.is_default or edge.has_condition or edge.on):
            message = f'transition "{edge.id}" leaves split "{node.id}" and is not its default, so it needs a condition'
            yield finding("CONDITION_REQUIRED", message, edge.pointer)


def default_without_condition(document: Document) -> Iterator[Finding]:
    """The default is taken without asking."""
    for edge, node in _leaving(document):
        if node.kind is not None and node.kind.decides and edge.is_default and edge.has_condition:
            message = f'the condition of the default transition "{edge.id}" is never asked'
            yield finding("DEFAULT_WITHOUT_CONDITION", message, f"{edge.pointer}/condition")


def default_only_on_splits(document: Document) -> Iterator[Finding]:
    """A default is one among several."""
    for edge, node in _leaving(document):
        if edge.is_default and node.kind is not None and not node.kind.decides:
            message = f'isDefault has no effect: "{node.id}" is a {node.type}, no exclusive or inclusive split'
            yield finding("DEFAULT_ONLY_ON_SPLITS", message, f"{edge.pointer}/isDefault")


def end_reachable(document: Document) -> Iterator[Finding]:
    """A way leads from the start to the end."""
    if not _can_be_walked(document):
        return
    start, end = _ends(document)
    if end not in reachable([start], document.successors):
        message = f'no way leads from the start step "{start}" to the end step "{end}"'
        yield finding("END_REACHABLE", message, document.node[end].pointer)


def steps_reachable(document: Document) -> Iterator[Finding]:
    """Every step can run; of steps that only follow each other the first is told."""
    if not _can_be_walked(document):
        return
    start, end = _ends(document)
    found = reachable([start], document.successors)
    if end not in found:
        found |= reachable([end], document.predecessors)  # of which it is said already that no way leads there
    lost = [id for id in document.node if id not in found and not _is_isolated(document, id)]
    for group in components(lost, document.successors):
        if not any(before not in group for id in group for before in document.predecessors[id]):
            message = f'no way leads from the start to step "{group[0]}"'
            yield finding("STEPS_REACHABLE", message, document.node[group[0]].pointer)


def steps_reach_end(document: Document) -> Iterator[Finding]:
    """Every step that can run leads to the end; of steps that only follow each other the last is told."""
    if not _can_be_walked(document):
        return
    start, end = _ends(document)
    found = reachable([start], document.successors)
    if end not in found:
        return
    fails = [str(node.id) for node in document.of_type("fail")]
    leading = reachable([end, *fails], document.predecessors)
    stuck = [id for id in document.node if id in found and id not in leading]
    for group in components(stuck, document.successors):
        if not any(after not in group for id in group for after in document.successors[id]):
            where = f'from step "{group[0]}"' if len(group) == 1 else f'out of the loop around step "{group[0]}"'
            yield finding("STEPS_REACH_END", f"no way leads {where} to the end", document.node[group[0]].pointer)


def join_inputs_can_arrive(document: Document) -> Iterator[Finding]:
    """A join waits for what has not come from itself."""
    if not _can_be_walked(document):
        return
    start, _ = _ends(document)
    passed = Dominators(start, document.successors)
    for node in document.of_type("gateway.parallel_join"):
        for edge in document.incoming[node.id or ""]:
            if passed.before(str(node.id), str(edge.source)):
                message = f'what comes from "{edge.source}" has always passed join "{node.id}" before'
                yield finding("JOIN_INPUTS_CAN_ARRIVE", message, edge.pointer)


def loops_wait(document: Document) -> Iterator[Finding]:
    """A loop takes time."""
    kinds = ((id, node.kind) for id, node in document.node.items() if node.kind is not None)
    instant = [id for id, kind in kinds if kind.is_special or kind.name == "data.set"]
    for group in components(instant, document.successors):
        if len(group) > 1:
            steps = ", ".join(f'"{id}"' for id in group[:5])
            message = f"the loop of {steps} has no step that waits, so an execution may never come out"
            yield finding("LOOPS_WAIT", message, document.node[group[0]].pointer)


def _exactly_one(rule: str, type: str, document: Document) -> Iterator[Finding]:
    found = document.of_type(type)
    if not found and isinstance(document.data.get("steps"), list):
        yield finding(rule, f"there is no step of type {type}", "/steps")
    for extra in found[1:]:
        yield finding(
            rule, f'"{extra.id}" is a second step of type {type}; "{found[0].id}" is one already', extra.pointer
        )


def _known(document: Document) -> list[Node]:
    """The steps that the graph speaks of: of several with one id the first."""
    return [node for node in document.nodes if node.id is not None and document.node[node.id] is node]


def _leaving(document: Document) -> Iterator[tuple[Edge, Node]]:
    """Each transition with the step that it leaves, if there is one."""
    for edge in document.edges:
        if edge.source in document.node:
            yield edge, document.node[edge.source]


def _can_be_walked(document: Document) -> bool:
    if not document.is_connected:
        return False
    start, end = _ends(document)
    return bool(document.outgoing[start] and document.incoming[end])


def _ends(document: Document) -> tuple[str, str]:
    (start,), (end,) = document.of_type("start"), document.of_type("end")
    return str(start.id), str(end.id)


def _is_isolated(document: Document, id: str) -> bool:
    return not document.incoming[id] and not document.outgoing[id]


def _number(count: int) -> str:
    return "no transition leads" if count == 0 else f"{count} transition{'s lead' if count > 1 else ' leads'}"
