-- The catalogue of service requests, one document a workspace, and which versions a published version runs as children.

CREATE TABLE catalogues (
    workspace    text        NOT NULL COLLATE "C",
    -- [{key, name, task_groups: [{key, name, tasks: [{key, name}]}]}]; read and written as a whole.
    types        text        NOT NULL,
    revision     bigint      NOT NULL DEFAULT 1,
    create_time  timestamptz NOT NULL,
    update_time  timestamptz NOT NULL,
    CONSTRAINT catalogues_one_a_workspace PRIMARY KEY (workspace)
);

-- Written when the parent is published. As long as the parent is there its children cannot be deleted.
CREATE TABLE version_children (
    workspace         text NOT NULL COLLATE "C",
    version_id        text NOT NULL COLLATE "C",
    child_version_id  text NOT NULL COLLATE "C",
    PRIMARY KEY (workspace, version_id, child_version_id),
    CONSTRAINT version_children_parent FOREIGN KEY (workspace, version_id) REFERENCES versions ON DELETE CASCADE,
    CONSTRAINT version_children_child FOREIGN KEY (workspace, child_version_id) REFERENCES versions
);
CREATE INDEX version_children_by_child ON version_children (workspace, child_version_id);
