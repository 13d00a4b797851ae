-- States of executions that are too large to travel through Temporal: it gets their digests, the worker finds them here.
CREATE TABLE state_parts (
    workspace    text NOT NULL COLLATE "C",
    execution_id text NOT NULL COLLATE "C",
    digest       text NOT NULL COLLATE "C",
    body         text NOT NULL,
    PRIMARY KEY (workspace, execution_id, digest),
    CONSTRAINT state_parts_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE
);
CREATE TRIGGER state_parts_frozen BEFORE UPDATE ON state_parts FOR EACH ROW EXECUTE FUNCTION refuse_change();
