"""The native dialect: a graph of steps and transitions, as system A writes it, with more step types."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from service.definition import task_definitions
from service.definition.checks import catalogue, children, graph, groups, ids, values, waits
from service.definition.checks import task_definitions as task_definition_checks
from service.definition.document import Document, Edge, Group, Node
from service.definition.plan import CancellationTrigger, Compensation, Plan, Step, StepGroup, Transition
from service.definition.rules import Finding
from service.definition.steps.events import listening
from service.definition.steps.written import expression, source_of
from service.definition.surroundings import Needs, Surroundings
from service.domain.json_text import Json

Check = Callable[[Document], Iterator[Finding]]
CheckWithin = Callable[[Document, Surroundings], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    values.document_shape,
    values.unknown_property,
    values.feature_not_supported,
    graph.exactly_one_start,
    graph.exactly_one_end,
    graph.start_step_no_incoming,
    graph.start_step_single_outgoing,
    graph.end_step_single_incoming,
    graph.end_step_no_outgoing,
    graph.transitions_unique,
    graph.no_self_loops,
    graph.no_isolated_steps,
    graph.only_split_gateway_can_fan_out,
    graph.transitions_catch_once,
    graph.catching_after_work,
    graph.handed_to_tasks,
    graph.join_gateway_many_in_single_out,
    graph.conditional_split_single_default,
    graph.exclusive_split_two_outgoing,
    graph.only_exclusive_inclusive_step_have_condition,
    graph.missing_batch_iterator,
    graph.transition_ends_exist,
    graph.condition_required,
    graph.default_without_condition,
    graph.default_only_on_splits,
    graph.end_reachable,
    graph.steps_reachable,
    graph.steps_reach_end,
    graph.join_inputs_can_arrive,
    graph.loops_wait,
    ids.step_ids_unique,
    ids.transition_ids_unique,
    ids.step_group_ids_unique,
    ids.ids_well_formed,
    groups.no_group_for_special_nodes,
    groups.group_step_ids_exist,
    groups.step_belongs_to_only_one_group,
    groups.step_group_cannot_be_empty,
    groups.step_group_agrees,
    groups.legacy_service_request_requires_step_groups,
    groups.legacy_service_request_type_group_task_unique,
    groups.legacy_service_request_task_only_on_human_step,
    values.step_type_unknown,
    values.step_type_not_supported,
    values.steps_own_rules,
    values.expressions_parse,
    values.expression_steps_exist,
    values.expression_names_known,
    values.expression_within_text,
    values.schemas_valid,
    waits.waits_can_end,
    waits.human_clocks_run,
)
"""One function for each rule, save that `steps_own_rules` has those of the step types."""

CHECKS_WITHIN: tuple[CheckWithin, ...] = (
    children.child_version_exists,
    children.child_version_published,
    children.child_input,
    task_definition_checks.task_definition_exists,
    task_definition_checks.task_definition_missing,
    task_definition_checks.compensation_by_machine,
    catalogue.legacy_service_request_type_exists,
    catalogue.legacy_service_request_task_group_exists_in_template,
    catalogue.legacy_service_request_task_exists_in_template,
)
"""One function for each rule that needs more than the definition; `child_input` has two."""

_STATUS = {
    "NotStarted": "PENDING",
    "InProgress": "RUNNING",
    "Completed": "COMPLETED",
    "Disabled": "DISABLED",
    "Failed": "FAILED",
}


def needs(definition: Json) -> Needs:
    """Say what must be looked up to check and compile a definition."""
    document = Document(definition)
    if any(values.size_limits(document)):
        return Needs()
    return Needs(children.named(document), catalogue.is_needed(document), task_definition_checks.named(document))


def check(definition: Json, surroundings: Surroundings | None = None) -> list[Finding]:
    """Find everything that the rules have to say about a definition; of one that is too large only that.

    Without surroundings the rules that need them say nothing.
    """
    document = Document(definition)
    if too_large := list(values.size_limits(document)):
        return too_large
    findings = [found for rule in CHECKS for found in rule(document)]
    if surroundings is not None:
        findings += [found for within in CHECKS_WITHIN for found in within(document, surroundings)]
    return findings


def compile(definition: Json, surroundings: Surroundings | None = None) -> Plan:
    """Make the plan of a definition in which no check found an error.

    What the definition names elsewhere is put into the plan as it now is, so a later change of it changes no plan.
    """
    document = Document(definition)
    output = expression(definition.get("outputExpression"))
    return Plan(
        name=definition.get("name", definition.get("id", "")),
        steps=tuple(_step(node, surroundings) for node in document.nodes),
        transitions=tuple(_transition(edge) for edge in document.edges),
        input_schema=_schema(definition.get("inputSchema")),
        output_expression=None if output is None else output[1],
        groups=tuple(_group(document, group) for group in document.groups),
        compensations=tuple(_compensation(node, of, surroundings) for node, of in document.compensations),
        compensates_failure=definition.get("compensateOnFailure", False),
        cancellation_triggers=tuple(_trigger(trigger) for _, trigger in document.triggers),
    )


def _compensation(node: Node, of: Node, surroundings: Surroundings | None) -> Compensation:
    assert of.id is not None
    return Compensation(of.id, _step(node, surroundings), source_of(node.data.get("condition")))


def _trigger(written: dict[str, Json]) -> CancellationTrigger:
    return CancellationTrigger(
        settings=listening(written),
        reason=written.get("reason", ""),
        compensates=written.get("shouldCompensate", True),
    )


def _step(node: Node, surroundings: Surroundings | None) -> Step:
    assert node.id is not None
    assert node.kind is not None
    defined = task_definitions.compiled(node.data, surroundings)
    type, settings = defined or (node.kind.name, node.kind.compile(node.data))
    return Step(
        id=node.id,
        type=type,
        name=node.data.get("name", node.id),
        output_schema=_schema(node.data.get("outputSchema")),
        default_status=_status(node.data.get("activationPolicy", {}).get("defaultStatus")),
        settings=settings,
        is_internal=node.data.get("internal", False),
    )


def _transition(edge: Edge) -> Transition:
    data = edge.data
    return Transition(
        id=data["id"],
        source=data["fromStepId"],
        target=data["toStepId"],
        condition=data["condition"]["src"] if edge.has_condition and not edge.is_default else None,
        is_default=edge.is_default,
        on_arrival=_status(data.get("onArrival", {}).get("status")),
        label=data.get("label"),
        on=edge.on,
        input=data.get("input") or None,
    )


def _group(document: Document, group: Group) -> StepGroup:
    """Put the steps of a group in the order that they say, those that say none last; otherwise as they are listed."""
    assert group.id is not None
    step_ids = [id for _, id in group.members]
    step_ids.sort(key=lambda id: document.node[id].data.get("group", {}).get("order", math.inf))
    return StepGroup(group.id, group.data.get("name", group.id), tuple(step_ids))


def _schema(written: Json) -> Json:
    """Write a schema that takes everything as None, and one that takes nothing as an object."""
    if written is False:
        return {"not": {}}
    return None if written is True or written == {} else written


def _status(written: str | None) -> str | None:
    return None if written is None else _STATUS[written]
