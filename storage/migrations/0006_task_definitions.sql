-- Task definitions: what a task is in a workspace, apart from the definitions of workflows that use it. Each change makes
-- another version; a published workflow has what it needs of one in its plan, so nothing refers to them.

CREATE TABLE task_definitions (
    workspace    text        NOT NULL COLLATE "C",
    id           text        NOT NULL COLLATE "C",
    key          text        NOT NULL COLLATE "C",
    -- The newest version.
    version      integer     NOT NULL CHECK (version > 0),
    create_time  timestamptz NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT task_definitions_key_unique UNIQUE (workspace, key)
);

CREATE TABLE task_definition_versions (
    workspace           text        NOT NULL COLLATE "C",
    task_definition_id  text        NOT NULL COLLATE "C",
    version             integer     NOT NULL,
    name                text        NOT NULL,
    description         text        NOT NULL,
    type                text        NOT NULL CHECK (type IN ('AUTOMATED', 'MANUAL', 'INTEGRATION')),
    -- JSON, byte for byte as it was given; null: anything is taken.
    input_schema        text,
    output_schema       text,
    implementation      text        NOT NULL,
    update_time         timestamptz NOT NULL,
    PRIMARY KEY (workspace, task_definition_id, version),
    CONSTRAINT task_definition_versions_of FOREIGN KEY (workspace, task_definition_id)
        REFERENCES task_definitions ON DELETE CASCADE
);
CREATE TRIGGER task_definition_versions_frozen BEFORE UPDATE ON task_definition_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
