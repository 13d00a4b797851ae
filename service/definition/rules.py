"""The rules that definitions are checked against: one row each, from which the pages in docs/errors are made.

Rules that system A had keep their ids and codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ERROR", "WARNING"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `meaning` is what is wrong and why it matters, `example` a piece of JSON that breaks it."""

    id: str
    code: str  # the family
    severity: Severity
    meaning: str
    example: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check has to say about a definition; `pointer` leads into the author's own document."""

    severity: Severity
    rule: str
    code: str
    message: str
    pointer: str


def finding(rule_id: str, message: str, pointer: str) -> Finding:
    """Say that a rule is broken, and where."""
    rule = RULES[rule_id]
    return Finding(rule.severity, rule.id, rule.code, message, pointer)


_DOCUMENT = (
    Rule(
        "DOCUMENT_SHAPE",
        "DOCUMENT_INVALID",
        "ERROR",
        "A part of the definition is missing or has the wrong type, so it cannot be read. The message names what was "
        "expected there.",
        '{"id": "t1", "fromStepId": "start"}',
        "Add or correct the part that the pointer leads to. An editor that knows graph.schema.json shows the same "
        "while you write.",
    ),
    Rule(
        "UNKNOWN_PROPERTY",
        "DOCUMENT_INVALID",
        "WARNING",
        "A property has a name that Heddle does not know. It is kept and has no effect. Often it is a typing mistake, "
        "or it stands in the wrong place.",
        '{"id": "pay", "type": "task", "task": "charge", "time_out": "PT1M"}',
        "Correct the name. For data of your own choose a name that begins with `x-`; such names are never reported.",
    ),
    Rule(
        "SIZE_LIMITS",
        "DOCUMENT_INVALID",
        "ERROR",
        "The definition has more than 2,000 steps or 10,000 transitions, or it is nested more than 100 levels deep. "
        "Nothing else is checked then.",
        '{"steps": [ … 2,001 steps … ]}',
        "Split the workflow into several definitions.",
    ),
    Rule(
        "FEATURE_NOT_SUPPORTED",
        "DOCUMENT_INVALID",
        "ERROR",
        "The definition uses a feature that this release does not run. To ignore it would change what the workflow "
        "does, so it is refused.",
        '{"steps": […], "stepTransitions": […], "secrets": ["stripe"]}',
        "Remove the property, and express what it did with steps and transitions.",
    ),
)

_GRAPH = (
    Rule(
        "GRAPH_EXACTLY_ONE_START",
        "GRAPH_INVALID",
        "ERROR",
        "A workflow begins at one place: it has exactly one step of type `start`.",
        '{"steps": [{"id": "a", "type": "human.confirm"}, {"id": "end", "type": "end"}]}',
        "Add a step of type `start`, or remove all but one. To begin with several things at once, let the start lead "
        "to a `gateway.parallel_split`.",
    ),
    Rule(
        "GRAPH_EXACTLY_ONE_END",
        "GRAPH_INVALID",
        "ERROR",
        "A workflow ends at one place: it has exactly one step of type `end`.",
        '{"steps": [{"id": "start", "type": "start"}, {"id": "a", "type": "human.confirm"}]}',
        "Add a step of type `end`, or remove all but one and let the branches meet in a common step before it.",
    ),
    Rule(
        "START_STEP_NO_INCOMING",
        "GRAPH_INVALID",
        "ERROR",
        "A transition leads into the start step. The start is entered once, when the execution begins.",
        '{"id": "t9", "fromStepId": "review", "toStepId": "start"}',
        "Lead the transition to the first step after the start instead.",
    ),
    Rule(
        "START_STEP_SINGLE_OUTGOING",
        "GRAPH_INVALID",
        "ERROR",
        "No transition leaves the start step, so nothing would ever happen.",
        '{"steps": [{"id": "start", "type": "start"}, …], "stepTransitions": []}',
        "Add a transition from the start step to the first step of the workflow.",
    ),
    Rule(
        "END_STEP_SINGLE_INCOMING",
        "GRAPH_INVALID",
        "ERROR",
        "Exactly one transition leads into the end step, so that it is clear when the workflow is done.",
        '[{"fromStepId": "approve", "toStepId": "end"}, {"fromStepId": "reject", "toStepId": "end"}]',
        "Let the branches meet before the end: in a common step after an if/else, or in a `gateway.parallel_join` "
        "after a parallel split.",
    ),
    Rule(
        "END_STEP_NO_OUTGOING",
        "GRAPH_INVALID",
        "ERROR",
        "A transition leaves the end step. Nothing comes after the end.",
        '{"id": "t9", "fromStepId": "end", "toStepId": "archive"}',
        "Put the step before the end, or remove the transition.",
    ),
    Rule(
        "TRANSITIONS_UNIQUE",
        "GRAPH_INVALID",
        "ERROR",
        "Two transitions lead from the same step to the same step. The second adds nothing, or contradicts the first.",
        '[{"id": "t1", "fromStepId": "a", "toStepId": "b"}, {"id": "t2", "fromStepId": "a", "toStepId": "b"}]',
        "Remove one of them. If they had different conditions, join the conditions with `or`.",
    ),
    Rule(
        "NO_SELF_LOOPS",
        "GRAPH_INVALID",
        "ERROR",
        "A transition leads from a step to itself.",
        '{"id": "t3", "fromStepId": "retry", "toStepId": "retry"}',
        "To do a step again, decide so in a gateway after it, and lead one of its branches back. A task that failed is "
        "tried again by its `retry`.",
    ),
    Rule(
        "NO_ISOLATED_STEPS",
        "GRAPH_INVALID",
        "ERROR",
        "A step has no transition at all, so it would never run.",
        '{"id": "forgotten", "type": "human.confirm"}',
        "Connect the step, or remove it.",
    ),
    Rule(
        "ONLY_SPLIT_GATEWAY_CAN_FAN_OUT",
        "GRAPH_INVALID",
        "ERROR",
        "More than one transition leaves a step that is no split. It is not clear whether all of them or one is meant.",
        '[{"fromStepId": "verify", "toStepId": "a"}, {"fromStepId": "verify", "toStepId": "b"}]',
        "Put a gateway after the step: `gateway.parallel_split` for all, `gateway.exclusive_split` for one, "
        "`gateway.inclusive_split` for some.",
    ),
    Rule(
        "TRANSITIONS_CATCH_ONCE",
        "GRAPH_INVALID",
        "ERROR",
        "Two transitions that leave a step are for the same outcome or error, so it is not clear where it leads.",
        '[{"fromStepId": "pay", "toStepId": "a", "on": "NO"}, {"fromStepId": "pay", "toStepId": "b", "on": "NO"}]',
        "Remove one of them, or let it be for another outcome.",
    ),
    Rule(
        "CATCHING_AFTER_WORK",
        "GRAPH_INVALID",
        "ERROR",
        "A transition has `on`, but the step that it leaves gives no outcome and no such error: a start, an end, a "
        "parallel split or join. Of an exclusive or inclusive split only `ERROR` can be caught, since its conditions "
        "may fail.",
        '{"id": "t2", "fromStepId": "start", "toStepId": "verify", "on": "APPROVED"}',
        "Remove `on`, or let the transition leave the step that gives the outcome.",
    ),
    Rule(
        "HANDED_TO_TASKS",
        "GRAPH_INVALID",
        "ERROR",
        "A transition has `input`, but the step that it leads to takes none, so it would be lost.",
        '{"id": "t3", "fromStepId": "pay", "toStepId": "end", "on": "ERROR", "input": {"why": "declined"}}',
        "Lead the transition to a task, or remove `input`.",
    ),
    Rule(
        "JOIN_GATEWAY_MANY_IN_SINGLE_OUT",
        "GRAPH_INVALID",
        "ERROR",
        "A join waits for several branches and goes on as one: at least two transitions lead in and exactly one out.",
        '{"id": "join", "type": "gateway.parallel_join"}',
        "Lead the branches into the join and one transition out of it. A join with one branch can be removed.",
    ),
    Rule(
        "CONDITIONAL_SPLIT_SINGLE_DEFAULT",
        "GRAPH_INVALID",
        "ERROR",
        "An exclusive or inclusive split has exactly one default transition, which is taken when no condition is true.",
        '{"id": "t4", "fromStepId": "if", "toStepId": "b", "condition": {"src": "__context__.vip"}}',
        'Set `"isDefault": true` on exactly one of the transitions that leave the split.',
    ),
    Rule(
        "EXCLUSIVE_SPLIT_TWO_OUTGOING",
        "GRAPH_INVALID",
        "ERROR",
        "Two transitions leave an exclusive split: one with a condition and the default.",
        '{"id": "if", "type": "gateway.exclusive_split"}',
        "For a third way let the default lead to another exclusive split, which asks the next question.",
    ),
    Rule(
        "ONLY_EXCLUSIVE_INCLUSIVE_STEP_HAVE_CONDITION",
        "GRAPH_INVALID",
        "ERROR",
        "A transition has a condition but does not leave an exclusive or inclusive split, so nobody would ask it.",
        '{"id": "t2", "fromStepId": "verify", "toStepId": "file", "condition": {"src": "__context__.vip"}}',
        "Remove the condition, or put a split before it.",
    ),
    Rule(
        "MISSING_BATCH_ITERATOR",
        "GRAPH_INVALID",
        "ERROR",
        "A sub-workflow of mode BATCH runs once for each item of a list, and the list is missing.",
        '{"id": "dsc", "type": "sys.sub_workflow", "mode": "BATCH"}',
        "Add `iterable`, or choose the mode SINGLE.",
    ),
    Rule(
        "TRANSITION_ENDS_EXIST",
        "GRAPH_INVALID",
        "ERROR",
        "A transition names a step that does not exist. Ids are compared exactly, also in upper and lower case.",
        '{"id": "t2", "fromStepId": "verify", "toStepId": "aprove"}',
        "Correct the id. The message names the most similar one.",
    ),
    Rule(
        "CONDITION_REQUIRED",
        "GRAPH_INVALID",
        "ERROR",
        "A transition that leaves an exclusive or inclusive split, and is not the default, needs a condition.",
        '{"id": "t4", "fromStepId": "if", "toStepId": "vip"}',
        'Add a condition such as `{"type": "jsonata", "src": "__context__.vip = true"}`, or make it the default.',
    ),
    Rule(
        "DEFAULT_WITHOUT_CONDITION",
        "GRAPH_INVALID",
        "WARNING",
        "The default transition of a split has a condition. It is never asked: the default is taken when nothing else "
        "is.",
        '{"id": "t5", "fromStepId": "if", "toStepId": "b", "isDefault": true, "condition": {"src": "__context__.b"}}',
        "Remove the condition, or choose another default.",
    ),
    Rule(
        "DEFAULT_ONLY_ON_SPLITS",
        "GRAPH_INVALID",
        "WARNING",
        "A transition is marked as default but does not leave an exclusive or inclusive split. The mark has no effect.",
        '{"id": "t1", "fromStepId": "start", "toStepId": "verify", "isDefault": true}',
        "Remove `isDefault`.",
    ),
    Rule(
        "END_REACHABLE",
        "GRAPH_INVALID",
        "ERROR",
        "No way leads from the start to the end, so no execution could ever complete.",
        '[{"fromStepId": "start", "toStepId": "a"}, {"fromStepId": "b", "toStepId": "end"}]',
        "Follow the transitions from the start, and connect the place where they stop.",
    ),
    Rule(
        "STEPS_REACHABLE",
        "GRAPH_INVALID",
        "ERROR",
        "No way leads from the start to a step, so it would never run. Of steps that only follow each other the first "
        "is reported.",
        '{"id": "t7", "fromStepId": "orphan", "toStepId": "file"}',
        "Lead a transition to the step, or remove it.",
    ),
    Rule(
        "STEPS_REACH_END",
        "GRAPH_INVALID",
        "ERROR",
        "From a step no way leads to the end. An execution that comes there could be over without having reached it, "
        "or would run in circles for ever. Of steps that only follow each other the last is reported.",
        '{"id": "reject", "type": "human.confirm"}',
        "Lead a transition from the step towards the end.",
    ),
    Rule(
        "JOIN_INPUTS_CAN_ARRIVE",
        "GRAPH_INVALID",
        "WARNING",
        "What comes in by this transition has always passed the join before, so the join cannot wait for it and fires "
        "without it.",
        '{"id": "t6", "fromStepId": "after_join", "toStepId": "join"}',
        "Lead the transition to the step before the split, if the branches shall run again.",
    ),
    Rule(
        "LOOPS_WAIT",
        "GRAPH_INVALID",
        "WARNING",
        "A loop consists of gateways only. Nothing in it takes time, so an execution that enters it may never come "
        "out, and fails after 10,000 steps.",
        '[{"fromStepId": "if", "toStepId": "again"}, {"fromStepId": "again", "toStepId": "if"}]',
        "Put a step that waits into the loop: a task, a timer or a human step.",
    ),
)

_IDS = (
    Rule(
        "STEP_IDS_UNIQUE",
        "ID_INVALID",
        "ERROR",
        "Two steps have the same id, so transitions and expressions could mean either.",
        '[{"id": "verify", "type": "task"}, {"id": "verify", "type": "human.confirm"}]',
        "Give each step an id of its own.",
    ),
    Rule(
        "TRANSITION_IDS_UNIQUE",
        "ID_INVALID",
        "ERROR",
        "Two transitions have the same id, so the ledger could not tell which was taken.",
        '[{"id": "t1", "fromStepId": "a", "toStepId": "b"}, {"id": "t1", "fromStepId": "b", "toStepId": "c"}]',
        "Give each transition an id of its own.",
    ),
    Rule(
        "STEP_GROUP_IDS_UNIQUE",
        "ID_INVALID",
        "ERROR",
        "Two step groups have the same id.",
        '[{"id": "g1", "stepIds": ["a"]}, {"id": "g1", "stepIds": ["b"]}]',
        "Give each group an id of its own, or join them.",
    ),
    Rule(
        "IDS_WELL_FORMED",
        "ID_INVALID",
        "ERROR",
        "An id has 1 to 128 characters, none of them a control character, and no spaces at its ends.",
        '{"id": " verify", "type": "human.confirm"}',
        "Choose a plain id. Letters, digits and underscores are best: an id with a hyphen needs back-quotes in "
        "expressions.",
    ),
)

_GROUPS = (
    Rule(
        "NO_GROUP_FOR_SPECIAL_NODES",
        "GROUPING_INVALID",
        "ERROR",
        "Start, end and gateways are no work that somebody does, so they belong to no group.",
        '{"id": "g1", "stepIds": ["start", "verify"]}',
        "Take the step out of the group.",
    ),
    Rule(
        "GROUP_STEP_IDS_EXISTS",
        "GROUPING_INVALID",
        "ERROR",
        "A group lists a step that does not exist.",
        '{"id": "g1", "stepIds": ["verfy"]}',
        "Correct the id. The message names the most similar one.",
    ),
    Rule(
        "STEP_BELONGS_TO_ONLY_ONE_GROUP",
        "GROUPING_INVALID",
        "ERROR",
        "A step is listed twice, by two groups or by one.",
        '[{"id": "g1", "stepIds": ["verify"]}, {"id": "g2", "stepIds": ["verify"]}]',
        "Leave it in one place.",
    ),
    Rule(
        "STEP_GROUP_CANNOT_BE_EMPTY",
        "GROUPING_INVALID",
        "ERROR",
        "A group lists no steps.",
        '{"id": "g1", "name": "Filing", "stepIds": []}',
        "Add steps to the group, or remove it.",
    ),
    Rule(
        "LEGACY_SERVICE_REQUEST_REQUIRES_STEP_GROUPS",
        "GROUPING_INVALID",
        "ERROR",
        "A definition that serves a legacy service request needs step groups, because its tasks come in groups.",
        '{"legacyServiceRequestType": "INDIA_PVT_LTD_INCORPORATION", "steps": [ … ]}',
        "Add `stepGroups`, or remove `legacyServiceRequestType`.",
    ),
    Rule(
        "STEP_GROUP_AGREES",
        "GROUPING_INVALID",
        "ERROR",
        "The `group` of a step and the list in `stepGroups` say different things.",
        '{"id": "verify", "type": "human.confirm", "group": {"groupId": "g2"}}',
        "Name the group that lists the step, or list the step in the group that it names.",
    ),
)

_LEGACY = (
    Rule(
        "LEGACY_SERVICE_REQUEST_TYPE_GROUP_TASK_UNIQUE",
        "LEGACY_CONFIG_INVALID",
        "ERROR",
        "Two steps stand for the same task of the same task group, so the service request could not tell them apart.",
        '[{"id": "a", "legacyServiceRequestTaskKey": "FILE"}, {"id": "b", "legacyServiceRequestTaskKey": "FILE"}]',
        "Give each step a task key of its own within its group.",
    ),
    Rule(
        "LEGACY_SERVICE_REQUEST_TASK_ONLY_ON_HUMAN_STEP",
        "LEGACY_CONFIG_INVALID",
        "ERROR",
        "Tasks of a service request are done by people, so only human steps may stand for one.",
        '{"id": "wait", "type": "timer", "duration": "P1D", "legacyServiceRequestTaskKey": "WAIT"}',
        "Remove `legacyServiceRequestTaskKey`, or choose a human step.",
    ),
    Rule(
        "LEGACY_SERVICE_REQUEST_TYPE_EXISTS",
        "LEGACY_CONFIG_INVALID",
        "ERROR",
        "The definition serves a type of service request that the workspace's catalogue does not have. Where there is "
        "no catalogue, nothing is asked of it.",
        '{"legacyServiceRequestType": "INDIA_PTV_LTD_INCORPORATION"}',
        "Correct the key, or add the type to the catalogue with PutCatalogue.",
    ),
    Rule(
        "LEGACY_SERVICE_REQUEST_TASK_GROUP_EXISTS_IN_TEMPLATE",
        "LEGACY_CONFIG_INVALID",
        "ERROR",
        "A step group stands for a task group that service requests of the definition's type do not have, by the "
        "workspace's catalogue.",
        '{"id": "g1", "stepIds": ["file"], "legacyServiceRequestTaskGroupKey": "FILLING"}',
        "Correct the key, or add the task group to the catalogue with PutCatalogue.",
    ),
    Rule(
        "LEGACY_SERVICE_REQUEST_TASK_EXISTS_IN_TEMPLATE",
        "LEGACY_CONFIG_INVALID",
        "ERROR",
        "A step stands for a task that its task group does not have, by the workspace's catalogue; a step outside of "
        "task groups, for a task that no group of the type has.",
        '{"id": "file", "type": "human.confirm", "legacyServiceRequestTaskKey": "FILE_MAC"}',
        "Correct the key, add the task to the catalogue with PutCatalogue, or list the step in the right group.",
    ),
)

_STEPS = (
    Rule(
        "STEP_TYPE_UNKNOWN",
        "STEP_INVALID",
        "ERROR",
        "A step has a type that Heddle does not know.",
        '{"id": "verify", "type": "human.confirmation"}',
        "Correct the type. The message names the most similar one; docs/definition.md lists them all.",
    ),
    Rule(
        "STEP_TYPE_NOT_SUPPORTED",
        "STEP_INVALID",
        "ERROR",
        "A step has a type that Heddle knows but that this release does not run.",
        '{"id": "paid", "type": "event.wait", "pattern": "invoice.paid"}',
        "Use another type: a `task` can do what needs a machine, a `human.confirm` what needs a person.",
    ),
    Rule(
        "DURATIONS_VALID",
        "STEP_INVALID",
        "ERROR",
        "A duration or an instant cannot be read. A duration is a number of milliseconds or ISO 8601; years and months "
        "are refused, because they differ in length.",
        '{"id": "wait", "type": "timer", "duration": "5 minutes"}',
        'Write `300000` or `"PT5M"`; instants as `"2026-01-31T09:00:00Z"`.',
    ),
    Rule(
        "TIMER_HAS_ONE_TIME",
        "STEP_INVALID",
        "ERROR",
        "A timer waits for a `duration` or `until` an instant: one of them, and not both.",
        '{"id": "wait", "type": "timer"}',
        "Give the timer exactly one of the two.",
    ),
    Rule(
        "HUMAN_TASK_VALID",
        "STEP_INVALID",
        "ERROR",
        "What a human step says of whose work it is, how urgent it is, or when it is escalated, is not as it must be. "
        "A priority is LOW, MEDIUM, HIGH or CRITICAL; a person, a role or a group has 1 to 256 characters; an "
        "escalation needs a time, its own `after` or the step's `dueIn`. What is computed is checked when the step "
        "opens; a wrong value fails the step.",
        '{"id": "approve", "type": "human.confirm", "priority": "urgent"}',
        'Write what the message asks for, such as `"priority": "HIGH"` or `"dueIn": "P3D"`.',
    ),
    Rule(
        "WEB_ADDRESS_VALID",
        "STEP_INVALID",
        "ERROR",
        "The `url` of a `human.url_redirect` is no address of a page. One begins with https:// or http://, names a "
        "host, and has no space, no password and at most 2,048 characters in it. One that is computed is checked when "
        "the step opens; a wrong one fails the step.",
        '{"id": "sign", "type": "human.url_redirect", "url": "example.com/sign"}',
        'Write the whole address, such as `"https://example.com/sign"`, or an expression that gives it: '
        "`\"{% 'https://example.com/sign/' & __context__.caseId %}\"`.",
    ),
    Rule(
        "DOCUMENT_KEYS_UNIQUE",
        "STEP_INVALID",
        "ERROR",
        "Two of the documents that a `human.doc_upload` asks for have the same key, so nobody could say which of them "
        "was handed in.",
        '{"id": "docs", "type": "human.doc_upload", "acceptedDocuments": [{"key": "passport"}, {"key": "passport"}]}',
        "Give each a key of its own, or ask for one with `multiple`.",
    ),
    Rule(
        "HTTP_REQUEST_VALID",
        "STEP_INVALID",
        "ERROR",
        "The request of an `http` step cannot be sent: its method is none, its url is no http or https address or has "
        "a user or a character beyond ASCII in it, or a header has a name or a value that no header may have. What is "
        "computed is checked when the step begins; a request that is wrong then fails the step with "
        "HTTP_REQUEST_INVALID.",
        '{"id": "ask", "type": "http", "url": "https://user:secret@api.example.com/orders"}',
        "Correct what the pointer leads to. Secrets have no place in a definition.",
    ),
    Rule(
        "TASK_DEFINITION_EXISTS",
        "TASK_DEFINITION_INVALID",
        "ERROR",
        "A step names a task definition, or a version of one, that the workspace does not have, so nobody knows who is "
        "to perform it.",
        '{"id": "pay", "type": "task", "taskDefinition": "charge_crad"}',
        "Correct the key, or make the task definition with CreateTaskDefinition.",
    ),
    Rule(
        "TASK_DEFINITION_MISSING",
        "TASK_DEFINITION_INVALID",
        "WARNING",
        "A step names a task definition that the workspace does not have, and may do without. It is run as an activity "
        "of that name, with the settings of the step alone, also when the task definition is made after the version "
        "was published.",
        '{"id": "pay", "type": "task", "taskDefinition": {"key": "charge_card", "optional": true}}',
        "Make the task definition before you publish, or name the activity with `task`.",
    ),
    Rule(
        "COMPENSATION_BY_MACHINE",
        "TASK_DEFINITION_INVALID",
        "ERROR",
        "A compensation names a task definition of type MANUAL. Compensations run by themselves, one after another, "
        "and nobody is asked in between.",
        '{"id": "pay", "type": "task", "task": "charge", "compensation": {"taskDefinition": "call_the_customer"}}',
        "Name an AUTOMATED task definition or an activity, which may tell a person what is to be done.",
    ),
    Rule(
        "WAITS_CAN_END",
        "STEP_INVALID",
        "WARNING",
        "A human step has a schema that nothing matches, so nobody can ever complete it.",
        '{"id": "verify", "type": "human.confirm", "outputSchema": {"type": "string", "const": 5}}',
        "Correct the schema.",
    ),
)

_SUB_WORKFLOWS = (
    Rule(
        "ITEMS_ONLY_IN_BATCH",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "Something is asked of an item where there is none. Only a sub-workflow of mode BATCH has items, and they are "
        "there for what is asked for each of them: the mappings, the name and the subject of the children, and data "
        "sources of the scope `per-item`.",
        '{"id": "child", "type": "sys.sub_workflow", "mode": "SINGLE", "childWorkflowName": {"src": "__each__.name"}}',
        "Choose the mode BATCH and give it an `iterable`, or read of `__context__` and `__steps__` instead.",
    ),
    Rule(
        "DATA_SOURCE_ALIASES_UNIQUE",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "Two data sources of a step have the same alias, so expressions could mean either.",
        '{"dataSources": [{"alias": "people", …}, {"alias": "people", …}]}',
        "Give each data source of the step an alias of its own.",
    ),
    Rule(
        "DATA_SOURCES_EXIST",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "Something is read of a data source that the step does not have, or that is fetched only later: those of the "
        "scope `per-step` come first, then the iterable is asked, then come those of the scope `per-item`.",
        '{"iterable": {"type": "DATASOURCE", "key": "directors"}, "dataSources": []}',
        "Add the data source to `dataSources` of the same step, or correct its alias.",
    ),
    Rule(
        "PATHS_VALID",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "A path of a mapping or a reference cannot be followed. A path is names with dots between. The path of a "
        "mapping must not lead through a value that is no object, nor have the names `__proto__`, `constructor` and "
        "`prototype`.",
        '{"targetPath": "directors[0].id", "value": {"expr": {"src": "__each__.id"}}}',
        "Correct the path. To add to a list use the mode `append`; for anything else that a path cannot say, an "
        "expression.",
    ),
    Rule(
        "MAPPINGS_DISTINCT",
        "SUB_WORKFLOW_INVALID",
        "WARNING",
        "A mapping replaces what another one has set before it, which then has no effect.",
        '[{"targetPath": "company.id", …}, {"targetPath": "company", …}]',
        "Remove one of the two, or let the one that sets the whole come first.",
    ),
    Rule(
        "CHILD_VERSION_EXISTS",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "A sub-workflow names a version that the workspace does not have.",
        '{"type": "sys.sub_workflow", "mode": "SINGLE", "childWorkflowTemplateVersionId": "1.0.0"}',
        "Name the id of a version, as ListVersions tells it; neither its label nor the id of its template.",
    ),
    Rule(
        "CHILD_VERSION_PUBLISHED",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "A sub-workflow names a version that is a draft or deprecated. A draft may still change, and a deprecated "
        "version shall not be used for anything new. The version need not be its template's active one. One that is "
        "deprecated after the parent was published goes on to run as its child.",
        '{"type": "sys.sub_workflow", "mode": "SINGLE", "childWorkflowTemplateVersionId": "<the id of a draft>"}',
        "Publish the child first, or name a newer version of its template.",
    ),
    Rule(
        "CHILD_INPUT_COMPLETE",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "The `inputSchema` of the children requires a property that no mapping sets, so none of them could start.",
        '{"type": "sys.sub_workflow", "mode": "SINGLE", "inputMapping": []}',
        "Add a mapping for the property that the message names.",
    ),
    Rule(
        "CHILD_INPUT_FITS",
        "SUB_WORKFLOW_INVALID",
        "ERROR",
        "A mapping gives the children something that their `inputSchema` never takes: a constant of another kind, a "
        "field that by this definition's own schemas has another type, or a property that they do not know.",
        '{"targetPath": "company.id", "value": {"value": 7}}',
        "Correct the mapping, or the schema that is wrong about it.",
    ),
)

_EXPRESSIONS = (
    Rule(
        "EXPRESSIONS_PARSE",
        "EXPRESSION_INVALID",
        "ERROR",
        "An expression is not valid JSONata, or it uses what Heddle does not run. The message has JSONata's own code "
        "and the place in the expression.",
        '{"condition": {"type": "jsonata", "src": "__steps__.step-1.ok"}}',
        "Correct the expression. Names with a hyphen or a space need back-quotes, as in ``__steps__.`step-1`.ok``.",
    ),
    Rule(
        "EXPRESSION_STEPS_EXIST",
        "EXPRESSION_INVALID",
        "ERROR",
        "An expression or a reference asks for the output of a step that does not exist. It would find nothing, and a "
        "condition would be false, without a word.",
        '{"condition": {"src": "__steps__.aprove.outputData.ok"}}',
        "Correct the id. The message names the most similar one.",
    ),
    Rule(
        "EXPRESSION_NAMES_KNOWN",
        "EXPRESSION_INVALID",
        "WARNING",
        "An expression asks for a name that nobody binds there, so it finds nothing. Bound are `__context__`, "
        "`__steps__`, `__runs__` and `__variables__`, in a sub-workflow also `__datasources__` and `__each__`, and "
        "where an event, an error or a cancellation is meant `__event__`, `__error__` and the like. A `select` is "
        "asked of one value alone, which is `$`.",
        '{"condition": {"src": "context.vip = true"}}',
        "Begin the path with one of the names that are bound, such as `__context__.vip`.",
    ),
    Rule(
        "EXPRESSION_WITHIN_TEXT",
        "EXPRESSION_INVALID",
        "WARNING",
        "A text has `{%` in it but is not wholly one expression, so it is taken as it stands.",
        '{"input": {"greeting": "Dear {% __context__.name %},"}}',
        "Make the whole text one expression, as in `{% 'Dear ' & __context__.name & ',' %}`.",
    ),
)

_SCHEMAS = (
    Rule(
        "SCHEMAS_VALID",
        "SCHEMA_INVALID",
        "ERROR",
        "An `inputSchema`, `outputSchema` or `formSchema` is no valid JSON Schema, or it exceeds a limit. References "
        "may only lead to other parts of the same schema.",
        '{"outputSchema": {"type": "objekt"}}',
        "Correct the schema where the pointer leads. The draft is 2020-12 unless `$schema` names another.",
    ),
)

_ORCHESTRATOR = (
    Rule(
        "STEP_INCOMPLETE",
        "ORCHESTRATOR_INVALID",
        "ERROR",
        "A step, or a part of one, lacks what its type needs. The message names the property.",
        '{"stepId": "wait", "type": "EVENT_WAIT", "transitions": {"default": "ship"}}',
        "Add the property that the message names.",
    ),
    Rule(
        "NEXT_STEP_EXISTS",
        "ORCHESTRATOR_INVALID",
        "ERROR",
        "A transition, a handler of a failure or of a timeout names a step that there is none of.",
        '{"stepId": "pay", "taskId": "charge_card", "transitions": {"default": "shipp"}}',
        "Correct the id. The message names the most similar one. To end the workflow leave the property out.",
    ),
    Rule(
        "BRANCH_LEFT",
        "ORCHESTRATOR_INVALID",
        "ERROR",
        "A transition leads out of a branch of a `PARALLEL` step, or into one from outside. The other branches would "
        "wait for it for ever, or begin without them.",
        '{"type": "PARALLEL", "branches": [{"steps": [{"stepId": "a", "transitions": {"default": "end_of_all"}}]}, …]}',
        "Let the branch end: a step without transitions ends it. What comes after all branches stands in the "
        "transitions of the `PARALLEL` step.",
    ),
    Rule(
        "DECISION_NEEDS_DEFAULT",
        "ORCHESTRATOR_INVALID",
        "ERROR",
        "A `DECISION` says not where to go when none of its conditions holds, so an execution could not go on.",
        '{"stepId": "large", "type": "DECISION", "choices": [{"condition": "workflow.input.n > 9", "nextStep": "a"}]}',
        "Add `default`, the id of a step. If that case is a fault, lead it to a task that reports it.",
    ),
    Rule(
        "DEFAULT_MISSING",
        "ORCHESTRATOR_INVALID",
        "WARNING",
        "A task says where some outcomes and errors lead, but not where it leads otherwise. When it is completed with "
        "another outcome, or with none, it fails with OUTCOME_NOT_HANDLED.",
        '{"stepId": "pay", "taskId": "charge_card", "transitions": {"DECLINED": "ask_again"}}',
        "Add `default`, the id of the step that comes next.",
    ),
    Rule(
        "COMPENSATED_STEP_EXISTS",
        "ORCHESTRATOR_INVALID",
        "ERROR",
        "A compensation step makes up for a step that there is none of, so it would never run.",
        '{"stepId": "refund", "compensationFor": "payy", "taskId": "refund_card"}',
        "Correct the id in `compensationFor`. The message names the most similar one.",
    ),
    Rule(
        "NOT_TRANSLATED",
        "ORCHESTRATOR_INVALID",
        "ERROR",
        "Something cannot be translated into the native dialect, and to ignore it would change what the workflow does.",
        '{"stepId": "both", "type": "PARALLEL", "branches": [], "onFailure": {"handlerStepId": "report"}}',
        "Express it with what the message names, or with other steps.",
    ),
)

RULES: dict[str, Rule] = {
    rule.id: rule
    for rule in (
        *_DOCUMENT,
        *_GRAPH,
        *_IDS,
        *_GROUPS,
        *_LEGACY,
        *_STEPS,
        *_SUB_WORKFLOWS,
        *_EXPRESSIONS,
        *_SCHEMAS,
        *_ORCHESTRATOR,
    )
}
"""Every rule by its id, family by family."""
