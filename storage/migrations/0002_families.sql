-- Families of executions: which step run of its parent an execution belongs to, what is still to be done about parents
-- and children, and the runs that a retry adds. Subjects, of which one execution at a time may be open.

ALTER TABLE executions
    ADD COLUMN parent_step_id text    NOT NULL DEFAULT '',
    ADD COLUMN parent_visit   integer NOT NULL DEFAULT 0,
    -- The ledger number of the parent with which the step run, or its present try, began.
    ADD COLUMN parent_round   bigint  NOT NULL DEFAULT 0,
    ADD COLUMN parent_item    integer NOT NULL DEFAULT 0,
    ADD COLUMN depth          integer NOT NULL DEFAULT 0,
    -- How often it was retried: each retry is a workflow of its own.
    ADD COLUMN retries        integer NOT NULL DEFAULT 0,
    -- When some server is to tell the parent that this child has ended; null: nobody has to.
    ADD COLUMN report_after   timestamptz,
    -- When some server is to cancel this child, whose parent does not want it any more; null: nobody has to.
    ADD COLUMN cancel_after   timestamptz;

DROP INDEX executions_by_parent;
CREATE INDEX executions_by_parent ON executions (workspace, parent_id, parent_step_id, parent_item) WHERE parent_id IS NOT NULL;
CREATE INDEX executions_to_report ON executions (report_after) WHERE report_after IS NOT NULL;
CREATE INDEX executions_to_cancel ON executions (cancel_after) WHERE cancel_after IS NOT NULL;

-- Where several are open for one subject already, the newest keeps it.
UPDATE executions AS old SET subject_type = '', subject_id = ''
    WHERE subject_type <> '' AND status IN ('CREATED', 'STARTED') AND EXISTS
        (SELECT 1 FROM executions AS new WHERE new.workspace = old.workspace AND new.subject_type = old.subject_type
         AND new.subject_id = old.subject_id AND new.status IN ('CREATED', 'STARTED') AND new.id > old.id);
CREATE UNIQUE INDEX executions_subject_open ON executions (workspace, subject_type, subject_id)
    WHERE subject_type <> '' AND status IN ('CREATED', 'STARTED');
CREATE INDEX executions_by_subject ON executions (workspace, subject_type, subject_id, id) WHERE subject_type <> '';

-- How many child executions a step run starts; null: none by its nature, or it does not know yet.
ALTER TABLE step_runs ADD COLUMN children integer;
