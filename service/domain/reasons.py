"""Every reason for which a call is refused: what it means, an example of its message, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """What there is to say about one reason; `code` is the canonical gRPC status that goes with it."""

    code: str
    meaning: str
    example: str
    remedy: str


REASONS: dict[str, Reason] = {
    "INVALID_FIELD": Reason(
        "INVALID_ARGUMENT",
        "The value of a field breaks a rule. A BadRequest detail names the field.",
        'key is "Customer Verification": it must be 1 to 63 lower-case letters, digits and hyphens, and not begin with '
        'a hyphen, such as "customer-verification"',
        "Correct the field that the message names.",
    ),
    "INVALID_JSON": Reason(
        "INVALID_ARGUMENT",
        "A field whose name ends in `_json` is not strict JSON, or too large, or not of the kind asked for. NaN, "
        "repeated keys and comments are no JSON; a definition is one object of at most 1,048,576 bytes.",
        "definition_json: not JSON: Expecting value at line 3, column 5",
        "Correct the document at the place that the message names.",
    ),
    "UNKNOWN_DIALECT": Reason(
        "INVALID_ARGUMENT",
        "A definition is said to be written in a format that this server does not know.",
        'dialect is "bpmn": it must be one of graph',
        'Name one of the dialects that the message lists, or leave `dialect` empty for "graph".',
    ),
    "PAGE_TOKEN_INVALID": Reason(
        "INVALID_ARGUMENT",
        "A page token leads to the next page of the very list that gave it: the same rpc, filters and workspace.",
        "page_token was not made by this list: take next_page_token from an answer to the same request",
        "Send the filters of the first page with every page, or begin with an empty token.",
    ),
    "WORKSPACE_INVALID": Reason(
        "INVALID_ARGUMENT",
        "The metadata `heddle-workspace` is not the key of a workspace.",
        'the metadata heddle-workspace is "Acme Corp": it must be 1 to 63 lower-case letters, digits and hyphens, and '
        "not begin with a hyphen",
        "Send the workspace's key, or no such metadata for the workspace `default`.",
    ),
    "INPUT_INVALID": Reason(
        "INVALID_ARGUMENT",
        "The input of an execution does not fit the `inputSchema` of the definition.",
        'input_json does not fit the definition\'s inputSchema: at /customer: "id" is a required property',
        "Send an input that fits the schema.",
    ),
    "OUTPUT_INVALID": Reason(
        "INVALID_ARGUMENT",
        "The output of a step does not fit the step's `outputSchema`, or is larger than a step may give. Nothing has "
        "changed.",
        'cannot complete step verify: its output does not fit its outputSchema: "verified" is a required property',
        "Send an output that fits the schema; store large values elsewhere and send a reference to them.",
    ),
    "TEMPLATE_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such template. A template of another workspace is answered in the same way.",
        'template "0197c5a0-…" does not exist',
        "Check the id or key, and the workspace that the call names.",
    ),
    "TASK_DEFINITION_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such task definition, or the task definition no such version.",
        'task definition "charge_card" does not exist',
        "Check the id, key and version, and the workspace of the call. ListTaskDefinitions tells what there is.",
    ),
    "TASK_DEFINITION_KEY_EXISTS": Reason(
        "ALREADY_EXISTS",
        "Another task definition of the workspace has the key.",
        'a task definition with the key "charge_card" exists already',
        "Choose another key, or make the next version of the one that there is with UpdateTaskDefinition.",
    ),
    "TASK_DEFINITION_INVALID": Reason(
        "INVALID_ARGUMENT",
        "A schema of a task definition is no JSON Schema, or its implementation could not perform the task. A "
        "BadRequest detail tells every place that is wrong. Nothing has changed.",
        "implementation_json cannot be used: at /type: a task of type INTEGRATION is performed by a step of type task "
        "or http",
        "Correct what the message names. An implementation is a step of the dialect `graph` without an id.",
    ),
    "VERSION_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace, or the template named beside it, has no such version.",
        'version "0197c5a0-…" does not exist',
        "Check the id, and the workspace that the call names. A starter version belongs to the same template.",
    ),
    "LINK_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such link, or the entity has none. Nothing was started.",
        '"SERVICE_CATALOG" "US_C_CORP" is not linked to a template',
        "Create a link with CreateLink, or go on without a workflow.",
    ),
    "CATALOGUE_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no catalogue of service requests. Definitions are then checked without one.",
        "the workspace has no catalogue; PutCatalogue gives it one",
        "Put a catalogue if definitions shall be checked against it; otherwise nothing needs to be done.",
    ),
    "EXECUTION_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such execution.",
        'execution "0197c5a0-…" does not exist',
        "Check the id, and the workspace that the call names.",
    ),
    "STEP_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The version that the execution runs has no step of that id.",
        "the execution's version has no step verfy",
        "Check the step id against the version's definition.",
    ),
    "STEP_RUN_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The execution has not made that visit of that step, or the id is not of the form "
        "`<execution id>/<step id>/<visit>`.",
        'step run "0197c5a0-…/verify/2" does not exist',
        "Take the id from ListStepRuns.",
    ),
    "HUMAN_TASK_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such human task. Its id is that of its step run, `<execution id>/<step id>/<visit>`.",
        'there is no human task "0197c5a0-…/approve/2"',
        "Take the id from ListHumanTasks.",
    ),
    "HUMAN_TASK_CLAIMED": Reason(
        "FAILED_PRECONDITION",
        "Somebody else has claimed the task; the metadata `claimed_by` says who. Nothing has changed.",
        'cannot claim human task 0197c5a0-…/approve/1 for "ben": "ann" has claimed it',
        "Leave it to whoever has it. ReassignHumanTask takes it away from them.",
    ),
    "HUMAN_TASK_ASSIGNED": Reason(
        "FAILED_PRECONDITION",
        "The task is assigned to another person by name; the metadata `assignee` says to whom. Nothing has changed.",
        'cannot claim human task 0197c5a0-…/approve/1 for "ben": it is assigned to "ann"; ReassignHumanTask gives it '
        "to another",
        "Leave it to the assignee, or give it to another with ReassignHumanTask.",
    ),
    "HUMAN_TASK_NOT_CLAIMED": Reason(
        "FAILED_PRECONDITION",
        "A task is to be given back that nobody has claimed.",
        'cannot release human task 0197c5a0-…/approve/1 for "ann": nobody has claimed it',
        "Nothing is to be done: it is open to everybody who may do it.",
    ),
    "HUMAN_TASK_ENDED": Reason(
        "FAILED_PRECONDITION",
        "The task is not to be done any more: it was completed, its time ran out, or it was taken away.",
        'cannot claim human task 0197c5a0-…/approve/1 for "ben": it is COMPLETED by "ann"',
        "Take it off the list; GetHumanTask says what became of it.",
    ),
    "ACTIVE_VERSION_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The template has no version whose stages could be told: none is active, or the template is archived.",
        'template "us-c-corp" has no active version, so it has no stages',
        "Activate a version, or unarchive the template. Executions under way keep their stages: GetExecutionStages.",
    ),
    "TEMPLATE_KEY_EXISTS": Reason(
        "ALREADY_EXISTS",
        "Another template of the workspace has the key. Where no key was given, it was made from the name.",
        'a template with the key "customer-verification" exists already',
        "Give the template another key, or use the one that exists.",
    ),
    "VERSION_LABEL_EXISTS": Reason(
        "ALREADY_EXISTS",
        "Another version of the template has the label.",
        'the template has a version "1.0.0" already',
        "Give the version another label.",
    ),
    "LINK_ENTITY_EXISTS": Reason(
        "ALREADY_EXISTS",
        "An entity is linked to one template at most, and this one is linked already.",
        'SERVICE_CATALOG "US_C_CORP" is linked to a template already',
        "Move the link that exists with UpdateLink, or delete it first.",
    ),
    "REQUEST_ID_REUSED": Reason(
        "ALREADY_EXISTS",
        "The request id was used before in this workspace, for another rpc or with other fields. Nothing has changed.",
        'request_id "order-17" was used before for another request',
        "Make a new request id for each new request; send the very same fields only to repeat one.",
    ),
    "SUBJECT_IN_USE": Reason(
        "ALREADY_EXISTS",
        "Another execution is open for the subject. A subject has one open execution at a time, so that callers may "
        "name the execution by it.",
        'another execution for SERVICE_REQUEST "sr-1" is open; a subject has one open execution at a time',
        "Read the open execution with GetExecution by its subject; end it first, or start without a subject.",
    ),
    "ETAG_MISMATCH": Reason(
        "ABORTED",
        "Somebody has changed the thing since the etag was read. Nothing has changed by this call.",
        'version 0197c5a0-… has changed: its etag is "4", not "3"; read it again',
        "Read the thing again, decide anew, and send its present etag with a new request id.",
    ),
    "CONCURRENT_CHANGE": Reason(
        "ABORTED",
        "Other calls were changing the same thing, and this one gave way. Nothing has changed by this call.",
        "another call is changing the same thing; try again",
        "Send the same request again after a short pause.",
    ),
    "VERSION_NOT_DRAFT": Reason(
        "FAILED_PRECONDITION",
        "Only drafts are edited and published; what was published never changes.",
        "cannot edit version 1.0.0: it is PUBLISHED",
        "Create the next version, with this one as `starter_version_id`.",
    ),
    "VERSION_NOT_PUBLISHED": Reason(
        "FAILED_PRECONDITION",
        "Only a PUBLISHED version is activated, deprecated or started.",
        "cannot activate version 1.0.0: it is DRAFT",
        "Publish the version first; in place of a DEPRECATED one take a newer version.",
    ),
    "VERSION_ACTIVE": Reason(
        "FAILED_PRECONDITION",
        "The version is its template's active one, which is neither deprecated nor deleted.",
        "cannot deprecate version 1.0.0: it is its template's active version; activate another or deactivate the "
        "template first",
        "Call ActivateVersion for another version, or DeactivateTemplate.",
    ),
    "VERSION_IN_USE": Reason(
        "FAILED_PRECONDITION",
        "Executions run or ran the version, or a published version runs it as a child; it stays for their sake.",
        "cannot delete version 1.0.0: it has executions",
        "Deprecate the version instead.",
    ),
    "DEFINITION_INVALID": Reason(
        "FAILED_PRECONDITION",
        "The definition has errors, so it cannot be published. A DefinitionFindings detail has the findings.",
        "cannot publish version 1.0.0: GRAPH_EXACTLY_ONE_END: … and 2 more",
        "Mend every finding of severity ERROR; ValidateVersion and GetVersion tell all of them.",
    ),
    "TEMPLATE_ARCHIVED": Reason(
        "FAILED_PRECONDITION",
        "The template is put away: nothing is started from it or activated in it.",
        "cannot archive template customer-verification: it is ARCHIVED",
        "Call UnarchiveTemplate, if the template is to be used again.",
    ),
    "TEMPLATE_NOT_ARCHIVED": Reason(
        "FAILED_PRECONDITION",
        "The template is in use, so there is nothing to unarchive.",
        "cannot unarchive template customer-verification: it is ACTIVE",
        "Go on: the template can be used as it is.",
    ),
    "TEMPLATE_HAS_NO_ACTIVE_VERSION": Reason(
        "FAILED_PRECONDITION",
        "Nothing says which version of the template to run. Nothing was started.",
        "template customer-verification has no active version",
        "Activate a PUBLISHED version, or name the version to start.",
    ),
    "TEMPLATE_IN_USE": Reason(
        "FAILED_PRECONDITION",
        "Executions run or ran a version of the template, or published versions of other templates run one as a child; "
        "it stays for their sake.",
        "cannot delete template customer-verification: it has executions",
        "Archive the template instead.",
    ),
    "EXECUTION_ENDED": Reason(
        "FAILED_PRECONDITION",
        "The execution has ended, and nothing more happens to it.",
        "cannot cancel the execution: it is COMPLETED",
        "Read the execution; start a new one where more is to be done.",
    ),
    "STEP_NOT_WAITING": Reason(
        "FAILED_PRECONDITION",
        "The step does not wait for a completion: it has not started, is parked, completes by itself, or was completed "
        "with another output or outcome.",
        "cannot complete step verify: it has not started",
        "Read the step runs; set a parked one free with UpdateStep first.",
    ),
    "STEP_STATUS_REFUSED": Reason(
        "FAILED_PRECONDITION",
        "The present status of the step run does not allow the one asked for; docs/state-tables.md has what may "
        "follow what.",
        "cannot move step verify, visit 1, from RUNNING to PENDING; allowed: DISABLED",
        "Ask for one of the statuses that the message lists.",
    ),
    "OUTCOME_NOT_ALLOWED": Reason(
        "INVALID_ARGUMENT",
        "No transition of the step is for the outcome, so it would lead nowhere. Nothing has changed.",
        "step review was completed with the outcome 'MAYBE'; allowed: APPROVED, REJECTED",
        "Complete the step with one of the outcomes that the message lists.",
    ),
    "VARIABLES_INVALID": Reason(
        "INVALID_ARGUMENT",
        "The variables are too large, or hold what cannot be stored, such as the character U+0000. None was set.",
        "the variables are not JSON: a string holds the character U+0000",
        "Set less, or keep large values elsewhere and set where they are.",
    ),
    "REVISION_CONFLICT": Reason(
        "ABORTED",
        "Somebody else has changed the execution since the revision was read. Nothing has changed.",
        "execution 0197c5a0-… has revision 8, not 7",
        "Read the execution again, decide anew, and send the request with the present revision.",
    ),
    "EXECUTION_COMPENSATED": Reason(
        "FAILED_PRECONDITION",
        "What the execution had done has been made up for, or is being, so it cannot go on from there.",
        "cannot retry the execution: what it had completed has been compensated; start another one",
        "Start another execution.",
    ),
    "EXECUTION_NOT_ENDED": Reason(
        "FAILED_PRECONDITION",
        "The execution goes on, or one below it does; only what has ended is deleted. Nothing has changed.",
        "cannot delete execution 0197c5a0-…: execution 0197c5a1-… below it is STARTED",
        "Wait for the end, or cancel the execution, which cancels those below it, and delete it then.",
    ),
    "EXECUTION_NEEDED": Reason(
        "FAILED_PRECONDITION",
        "The execution was started by another one, which has not ended, or has failed and may be retried. It goes by "
        "what its children did, so they stay. Nothing has changed.",
        "cannot delete execution 0197c5a1-…: its parent 0197c5a0-… is STARTED",
        "Delete the parent once it has ended; what is below it goes with it.",
    ),
    "EXECUTION_NOT_FAILED": Reason(
        "FAILED_PRECONDITION",
        "RetryExecution takes up an execution that has FAILED; what is under way, completed or was cancelled is not "
        "retried.",
        "cannot retry the execution: it is COMPLETED; only one that FAILED goes on",
        "Read the execution's status. To run a completed or cancelled one again, start another.",
    ),
    "EVENT_PAYLOAD_INVALID": Reason(
        "INVALID_ARGUMENT",
        "The payload of an event does not match the schema that the EventDefinition of its name has. Nothing was "
        "published.",
        'the payload does not match the definition of order.paid events: "orderId" is a required property (at /)',
        "Publish a payload that fits, or change the definition with UpdateEventDefinition.",
    ),
    "EVENT_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such event, or the event's time to live is over.",
        'event "payment-17" does not exist, or has expired',
        "Check the id and the workspace; publish with a longer time_to_live what is needed longer.",
    ),
    "EVENT_DEFINITION_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such event definition. Events without one can be published all the same.",
        'event definition "order.paid" does not exist',
        "Check the id or name, and the workspace that the call names.",
    ),
    "TRIGGER_NOT_FOUND": Reason(
        "NOT_FOUND",
        "The workspace has no such trigger. Triggers of a definition go when another version is activated.",
        'trigger "0197c5a0-…" does not exist',
        "Check the id, and the workspace that the call names; ListTriggers shows those that there are.",
    ),
    "EVENT_ID_REUSED": Reason(
        "ALREADY_EXISTS",
        "An event with this id was published before, and its content is another one. Nothing was published.",
        'event "payment-17" was published before with another content',
        "Give every event an id of its own; to publish the same event again, send exactly the same.",
    ),
    "EVENT_DEFINITION_EXISTS": Reason(
        "ALREADY_EXISTS",
        "The workspace has a definition for the events of that name.",
        'events "order.paid" are defined already',
        "Change the definition that there is with UpdateEventDefinition.",
    ),
    "TRIGGER_OF_DEFINITION": Reason(
        "FAILED_PRECONDITION",
        "The trigger is written in a version's definition. It is there as long as that version is the active one.",
        'cannot change trigger "0197c5a0-…": it is written in the definition of the active version',
        "Publish and activate a version whose definition has the trigger as you want it; `enabled` can be changed.",
    ),
    "EVENT_NOT_AWAITED": Reason(
        "FAILED_PRECONDITION",
        "The reason of a delivery: when the event came to the execution, the wait was over, by another event, a "
        "timeout or a cancellation.",
        "step wait_for_payment does not wait for an event any more",
        "Nothing. The execution's ledger says what ended the wait.",
    ),
    "EVENT_CONDITION_FALSE": Reason(
        "FAILED_PRECONDITION",
        "The reason of a delivery: the event's name matches, but the condition of the wait is not true for it.",
        "the condition of step wait_for_payment is not true for event payment-17",
        "Nothing, when the event is meant for another execution; otherwise compare the event with the condition.",
    ),
    "EVENT_CONDITION_FAILED": Reason(
        "FAILED_PRECONDITION",
        "The reason of a delivery: the condition of the wait could not be evaluated. The event is not taken in, "
        "and the wait goes on.",
        "the condition of step wait_for_payment failed on event payment-17: T2010: both sides of > must be "
        "numbers or strings",
        "Correct the condition, or the event's payload.",
    ),
    "EVENT_ALREADY_CONSUMED": Reason(
        "FAILED_PRECONDITION",
        "The reason of a delivery: another wait of the same execution took the event in. An execution takes an "
        "event once.",
        "event payment-17 was taken in by another wait of the execution",
        "Nothing. To wake several waits of an execution, publish several events.",
    ),
    "TRIGGER_DISABLED": Reason(
        "FAILED_PRECONDITION",
        "The reason of a trigger record: the trigger matches the event, but is not enabled.",
        "the trigger is disabled",
        "Enable it with UpdateTrigger for the events to come.",
    ),
    "TRIGGER_CONDITION_FALSE": Reason(
        "FAILED_PRECONDITION",
        "The reason of a trigger record: the trigger's condition is not true for the event.",
        "the condition is not true for the event",
        "Nothing, when that is meant; otherwise compare the event with the condition.",
    ),
    "TRIGGER_CONDITION_FAILED": Reason(
        "FAILED_PRECONDITION",
        "The reason of a trigger record: the trigger's condition could not be evaluated on the event. Other "
        "triggers are not touched by that.",
        "the condition failed: T2010: both sides of > must be numbers or strings",
        "Correct the condition with UpdateTrigger, or the event's payload.",
    ),
    "TRIGGER_MAPPING_FAILED": Reason(
        "FAILED_PRECONDITION",
        "The reason of a trigger record: the input mapping or the correlation key could not be evaluated, or did "
        "not give an object or a text.",
        "the correlation key gave nothing",
        "Correct the mapping or the key with UpdateTrigger, or the event's payload.",
    ),
    "TRIGGER_NOTHING_TO_CANCEL": Reason(
        "FAILED_PRECONDITION",
        "The reason of a trigger record: the trigger cancels executions, and none of the template is open that "
        "has the correlation id.",
        'no open execution of the template has the correlation id "ORD-1"',
        "Nothing, when that is meant; otherwise compare the correlation ids.",
    ),
    "TRIGGER_TOO_DEEP": Reason(
        "FAILED_PRECONDITION",
        "The reason of a trigger record: the event came of an execution that an event started, and so on, ten "
        "times. The chain ends here, for it is most likely a circle.",
        "10 triggers lead to this event, and no more may follow on each other",
        "Let the workflows not start each other in a circle, or break it by a condition.",
    ),
    "LAUNCH_BACKLOG_FULL": Reason(
        "RESOURCE_EXHAUSTED",
        "Too many executions wait for Temporal to take them over. Nothing was started.",
        "20,000 executions wait for their start; try again later",
        "Send the same request again later; look after Temporal if this lasts.",
    ),
    "TOO_MANY_WATCHERS": Reason(
        "RESOURCE_EXHAUSTED",
        "This server follows as many executions as it can at a time.",
        "this server has 32 watchers already; try again later",
        "Watch fewer executions at a time, or read them with GetExecution.",
    ),
    "DATABASE_UNAVAILABLE": Reason(
        "UNAVAILABLE",
        "The database cannot be reached, or has no connection free. Whether the call had its effect is not known.",
        "the database is not available; try again",
        "Send the same request again: its request id makes sure that it has its effect once.",
    ),
    "TEMPORAL_UNAVAILABLE": Reason(
        "UNAVAILABLE",
        "Temporal, or every worker, cannot be reached. Whether the call had its effect is not known.",
        "Temporal is not available; try again",
        "Send the same request again: its request id makes sure that it has its effect once.",
    ),
    "SERVER_STOPPING": Reason(
        "UNAVAILABLE",
        "The server that streamed an execution is being stopped.",
        "this server is stopping; watch on from the last number received",
        "Call WatchExecution again with the last number received as after_number; another server answers.",
    ),
    "DEADLINE_EXCEEDED": Reason(
        "DEADLINE_EXCEEDED",
        "The call took longer than it may. Whether it had its effect is not known.",
        "the database took longer than 15 seconds",
        "Send the same request again, with a later deadline.",
    ),
    "INTERNAL": Reason(
        "INTERNAL",
        "A fault of the service. The service's log has all about it under the incident that the message names.",
        "internal error; incident 3f0c9a51",
        "Report the incident to whoever runs the service.",
    ),
}
