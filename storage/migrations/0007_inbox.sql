-- Human tasks: one row for each visit of a human step, written with the step run in one statement; who has claimed them;
-- and what was done with them by whom.

CREATE TABLE human_tasks (
    workspace     text        NOT NULL COLLATE "C",
    execution_id  text        NOT NULL COLLATE "C",
    step_id       text        NOT NULL,
    visit         integer     NOT NULL,
    template_id   text        NOT NULL COLLATE "C",
    version_id    text        NOT NULL COLLATE "C",
    title         text        NOT NULL,
    assignee      text        NOT NULL,
    roles         text[]      NOT NULL,
    groups        text[]      NOT NULL,
    priority      text        NOT NULL CHECK (priority IN ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL')),
    status        text        NOT NULL CHECK (status IN ('OPEN', 'CLAIMED', 'COMPLETED', 'EXPIRED', 'WITHDRAWN')),
    claimed_by    text        NOT NULL DEFAULT '',
    claim_time    timestamptz,
    due_time      timestamptz,
    completed_by  text        NOT NULL DEFAULT '',
    revision      integer     NOT NULL DEFAULT 1,
    -- When it opened, first as text that sorts as time does and then as the ledger number, and so unlike any other's.
    position      text        NOT NULL COLLATE "C",
    create_time   timestamptz NOT NULL,
    update_time   timestamptz NOT NULL,
    end_time      timestamptz,
    PRIMARY KEY (workspace, execution_id, step_id, visit),
    CONSTRAINT human_tasks_claimer CHECK (status <> 'CLAIMED' OR claimed_by <> ''),
    CONSTRAINT human_tasks_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE
);
CREATE INDEX human_tasks_by_status ON human_tasks (workspace, status, position, execution_id);
CREATE INDEX human_tasks_by_template ON human_tasks (workspace, template_id, status, position, execution_id);

-- By whom a task is found: the person that it is assigned to or claimed by, the roles and groups that it is given to. It
-- is no more than an index: a row may stay that holds no longer, and whoever reads it asks the task itself.
CREATE TABLE human_task_audience (
    workspace     text    NOT NULL COLLATE "C",
    kind          text    NOT NULL CHECK (kind IN ('ASSIGNEE', 'CLAIMER', 'ROLE', 'GROUP')),
    name          text    NOT NULL COLLATE "C",
    is_open       boolean NOT NULL,
    position      text    NOT NULL COLLATE "C",
    execution_id  text    NOT NULL COLLATE "C",
    step_id       text    NOT NULL,
    visit         integer NOT NULL,
    PRIMARY KEY (workspace, execution_id, step_id, visit, kind, name),
    CONSTRAINT human_task_audience_task FOREIGN KEY (workspace, execution_id, step_id, visit)
        REFERENCES human_tasks ON DELETE CASCADE
);
CREATE INDEX human_task_audience_by_name ON human_task_audience
    (workspace, kind, name, is_open, position, execution_id);

-- What was done with a task, numbered by the task's revision after it. Actions never change.
CREATE TABLE human_task_actions (
    workspace     text        NOT NULL COLLATE "C",
    execution_id  text        NOT NULL COLLATE "C",
    step_id       text        NOT NULL,
    visit         integer     NOT NULL,
    number        integer     NOT NULL,
    action        text        NOT NULL CHECK (action IN
                      ('OPENED', 'CLAIMED', 'RELEASED', 'REASSIGNED', 'COMPLETED', 'EXPIRED', 'WITHDRAWN')),
    actor         text        NOT NULL,
    detail        text        NOT NULL,
    note          text        NOT NULL,
    time          timestamptz NOT NULL,
    PRIMARY KEY (workspace, execution_id, step_id, visit, number),
    CONSTRAINT human_task_actions_task FOREIGN KEY (workspace, execution_id, step_id, visit)
        REFERENCES human_tasks ON DELETE CASCADE
);
CREATE TRIGGER human_task_actions_frozen BEFORE UPDATE ON human_task_actions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The variables of an execution, as a JSON object, or the mark of a document; null: it has none.
ALTER TABLE executions ADD COLUMN variables text;
