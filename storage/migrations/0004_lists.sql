-- Lists of executions: whatever they are narrowed by, a page is read off the end of one index. Status and phase stand
-- in the indexes before the id, so that rare ones are found without going through the others; one index descent for each
-- of the few pairs that there are gives the newest of all (storage/execution_lists.py).

-- What has ended does nothing; so the pairs are few.
ALTER TABLE executions ADD CONSTRAINT executions_ended_does_nothing
    CHECK (status IN ('CREATED', 'STARTED') OR phase = 'NONE');

DROP INDEX executions_by_template, executions_by_version, executions_by_entity, executions_by_correlation,
    executions_by_root;
CREATE INDEX executions_by_status ON executions (workspace, status, phase, id);
CREATE INDEX executions_by_template ON executions (workspace, template_id, status, phase, id);
CREATE INDEX executions_by_version ON executions (workspace, version_id, status, phase, id);
CREATE INDEX executions_by_entity ON executions (workspace, entity_type, entity_id, status, phase, id)
    WHERE entity_type <> '';
CREATE INDEX executions_by_correlation ON executions (workspace, correlation_id, status, phase, id)
    WHERE correlation_id <> '';
-- Only what is below a root: the root itself is found by its id.
CREATE INDEX executions_by_root ON executions (workspace, root_id, status, phase, id) WHERE parent_id IS NOT NULL;
CREATE INDEX executions_of_parent ON executions (workspace, parent_id, status, phase, id) WHERE parent_id IS NOT NULL;

-- The children of one parent in their order, for trees; and those of one step run side by side.
DROP INDEX executions_by_parent;
CREATE INDEX executions_by_parent ON executions (workspace, parent_id, parent_step_id, parent_visit, parent_item, id)
    WHERE parent_id IS NOT NULL;

-- Every start by an entity, as it went: which execution came of it, or why none did. A record outlives its execution.
-- Its id is that of the execution, or would have been.
CREATE TABLE trigger_records (
    workspace    text        NOT NULL COLLATE "C",
    id           text        NOT NULL COLLATE "C",
    source       text        NOT NULL CHECK (source IN ('LINK')),
    -- The link, empty when the entity had none.
    source_id    text        NOT NULL,
    entity_type  text        NOT NULL,
    entity_id    text        NOT NULL,
    request_id   text        NOT NULL,
    outcome      text        NOT NULL CHECK (outcome IN ('STARTED', 'REFUSED')),
    -- Why nothing was started, as the caller was told; both empty when something was.
    reason       text        NOT NULL,
    message      text        NOT NULL,
    -- What was started, or as much as was known of it when it was refused.
    template_id  text        NOT NULL,
    version_id   text        NOT NULL,
    create_time  timestamptz NOT NULL,
    PRIMARY KEY (workspace, entity_type, entity_id, outcome, id)
);
-- A request that is repeated and refused for the same reason again leaves no further record.
CREATE UNIQUE INDEX trigger_records_refused ON trigger_records (workspace, request_id, entity_type, entity_id, reason)
    WHERE outcome = 'REFUSED';
CREATE TRIGGER trigger_records_frozen BEFORE UPDATE ON trigger_records
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The key has to be the newest of its indexes, as 0001 says, and with it what refers to it.
ALTER TABLE step_runs DROP CONSTRAINT step_runs_execution;
ALTER TABLE ledger DROP CONSTRAINT ledger_execution;
ALTER TABLE executions DROP CONSTRAINT executions_parent;
ALTER TABLE executions DROP CONSTRAINT executions_pkey;
ALTER TABLE executions ADD PRIMARY KEY (workspace, id);
ALTER TABLE executions ADD CONSTRAINT executions_parent FOREIGN KEY (workspace, parent_id) REFERENCES executions;
ALTER TABLE ledger ADD CONSTRAINT ledger_execution
    FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE;
ALTER TABLE step_runs ADD CONSTRAINT step_runs_execution
    FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE;
