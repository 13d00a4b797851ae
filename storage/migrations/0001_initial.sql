-- The registry (templates, versions, plans, links), the executions with their step runs and ledger, and the memory of
-- changing requests. Every row carries its workspace, and every reference is (workspace, id), so that no row can point
-- into another workspace. Ids are text: UUIDv7 where Heddle makes them, which sort by creation time.

CREATE TABLE templates (
    workspace          text        NOT NULL COLLATE "C",
    id                 text        NOT NULL COLLATE "C",
    key                text        NOT NULL COLLATE "C",
    name               text        NOT NULL,
    description        text        NOT NULL,
    active_version_id  text        COLLATE "C",
    archived           boolean     NOT NULL DEFAULT false,
    -- The number of the newest version ever made, so that a deleted one's number is never given again.
    last_number        integer     NOT NULL DEFAULT 0,
    revision           bigint      NOT NULL DEFAULT 1,
    create_time        timestamptz NOT NULL,
    update_time        timestamptz NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT templates_key_unique UNIQUE (workspace, key)
);

CREATE TABLE plans (
    workspace text NOT NULL COLLATE "C",
    digest    text NOT NULL COLLATE "C",
    body      text NOT NULL,
    PRIMARY KEY (workspace, digest)
);

CREATE TABLE versions (
    workspace       text        NOT NULL COLLATE "C",
    id              text        NOT NULL COLLATE "C",
    template_id     text        NOT NULL COLLATE "C",
    number          integer     NOT NULL,
    label           text        NOT NULL,
    note            text        NOT NULL,
    status          text        NOT NULL CHECK (status IN ('DRAFT', 'PUBLISHED', 'DEPRECATED')),
    dialect         text        NOT NULL,
    definition      text        NOT NULL,
    digest          text        NOT NULL,
    plan_digest     text        COLLATE "C",
    revision        bigint      NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL,
    update_time     timestamptz NOT NULL,
    publish_time    timestamptz,
    deprecate_time  timestamptz,
    PRIMARY KEY (workspace, id),
    CONSTRAINT versions_number_unique UNIQUE (workspace, template_id, number),
    CONSTRAINT versions_label_unique UNIQUE (workspace, template_id, label),
    CONSTRAINT versions_of_template UNIQUE (workspace, template_id, id),
    CONSTRAINT versions_template FOREIGN KEY (workspace, template_id) REFERENCES templates ON DELETE CASCADE,
    CONSTRAINT versions_plan FOREIGN KEY (workspace, plan_digest) REFERENCES plans,
    CONSTRAINT versions_published_has_plan CHECK (status = 'DRAFT' OR plan_digest IS NOT NULL)
);

ALTER TABLE templates ADD CONSTRAINT templates_active_version
    FOREIGN KEY (workspace, id, active_version_id) REFERENCES versions (workspace, template_id, id)
    DEFERRABLE INITIALLY DEFERRED;

CREATE FUNCTION refuse_change_of_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'DRAFT' AND (NEW.definition, NEW.digest, NEW.dialect, NEW.plan_digest, NEW.label, NEW.number,
                                  NEW.template_id, NEW.workspace, NEW.id, NEW.publish_time)
        IS DISTINCT FROM (OLD.definition, OLD.digest, OLD.dialect, OLD.plan_digest, OLD.label, OLD.number,
                          OLD.template_id, OLD.workspace, OLD.id, OLD.publish_time) THEN
        RAISE EXCEPTION 'version % is %: what was published never changes', OLD.id, OLD.status
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'versions_published_frozen';
    END IF;
    IF (OLD.status, NEW.status) IN (('PUBLISHED', 'DRAFT'), ('DEPRECATED', 'DRAFT'), ('DEPRECATED', 'PUBLISHED'),
                                    ('DRAFT', 'DEPRECATED')) THEN
        RAISE EXCEPTION 'version % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'versions_status_forward';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER versions_published_frozen BEFORE UPDATE ON versions
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_published();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a row of % never changes', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER plans_frozen BEFORE UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE links (
    workspace    text        NOT NULL COLLATE "C",
    id           text        NOT NULL COLLATE "C",
    entity_type  text        NOT NULL,
    entity_id    text        NOT NULL,
    template_id  text        NOT NULL COLLATE "C",
    revision     bigint      NOT NULL DEFAULT 1,
    create_time  timestamptz NOT NULL,
    update_time  timestamptz NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT links_entity_unique UNIQUE (workspace, entity_type, entity_id),
    CONSTRAINT links_template FOREIGN KEY (workspace, template_id) REFERENCES templates ON DELETE CASCADE
);
CREATE INDEX links_by_template ON links (workspace, template_id, id);
CREATE INDEX links_by_entity_type ON links (workspace, entity_type, id);

CREATE TABLE executions (
    workspace        text        NOT NULL COLLATE "C",
    id               text        NOT NULL COLLATE "C",
    request_id       text        NOT NULL,
    request_digest   text        NOT NULL,
    name             text        NOT NULL,
    template_id      text        NOT NULL COLLATE "C",
    version_id       text        NOT NULL COLLATE "C",
    plan_digest      text        NOT NULL COLLATE "C",
    status           text        NOT NULL CHECK (status IN
                         ('CREATED', 'STARTED', 'FAILED_TO_START', 'COMPLETED', 'FAILED', 'CANCELLED')),
    phase            text        NOT NULL CHECK (phase IN
                         ('NONE', 'RUNNING', 'WAITING_FOR_EVENT', 'WAITING_FOR_INPUT', 'PAUSED', 'COMPENSATING')),
    input            text        NOT NULL,
    output           text,
    error            text,
    parent_id        text        COLLATE "C",
    root_id          text        NOT NULL COLLATE "C",
    correlation_id   text        NOT NULL,
    subject_type     text        NOT NULL,
    subject_id       text        NOT NULL,
    entity_type      text        NOT NULL,
    entity_id        text        NOT NULL,
    last_number      bigint      NOT NULL,
    revision         bigint      NOT NULL DEFAULT 1,
    create_time      timestamptz NOT NULL,
    start_time       timestamptz,
    end_time         timestamptz,
    update_time      timestamptz NOT NULL,
    -- What the launcher needs while the database still owns the execution; null as soon as Temporal has it.
    launch_state     text,
    launch_after     timestamptz,
    launch_attempts  integer     NOT NULL DEFAULT 0,
    launch_error     text,
    CONSTRAINT executions_request_unique UNIQUE (workspace, request_id),
    CONSTRAINT executions_version FOREIGN KEY (workspace, template_id, version_id)
        REFERENCES versions (workspace, template_id, id),
    CONSTRAINT executions_plan FOREIGN KEY (workspace, plan_digest) REFERENCES plans,
    CONSTRAINT executions_owner CHECK ((status = 'CREATED') = (launch_state IS NOT NULL))
);
CREATE INDEX executions_by_template ON executions (workspace, template_id, id);
CREATE INDEX executions_by_version ON executions (workspace, version_id, id);
CREATE INDEX executions_by_entity ON executions (workspace, entity_type, entity_id, id) WHERE entity_type <> '';
CREATE INDEX executions_by_root ON executions (workspace, root_id, id);
CREATE INDEX executions_to_launch ON executions (launch_after) WHERE status = 'CREATED';
CREATE INDEX executions_by_correlation ON executions (workspace, correlation_id, id) WHERE correlation_id <> '';
CREATE INDEX executions_by_parent ON executions (workspace, parent_id, id) WHERE parent_id IS NOT NULL;
-- After the other indexes: while a table has no statistics several of them look equally good for finding a row by its id,
-- and PostgreSQL then takes the newest. The checks of foreign keys keep the plan that they were first given for as long.
ALTER TABLE executions ADD PRIMARY KEY (workspace, id);
ALTER TABLE executions ADD CONSTRAINT executions_parent FOREIGN KEY (workspace, parent_id) REFERENCES executions;

CREATE TABLE step_runs (
    workspace     text        NOT NULL COLLATE "C",
    execution_id  text        NOT NULL COLLATE "C",
    step_id       text        NOT NULL,
    visit         integer     NOT NULL,
    attempt       integer     NOT NULL,
    status        text        NOT NULL CHECK (status IN
                      ('PENDING', 'RUNNING', 'WAITING', 'COMPLETED', 'FAILED', 'SKIPPED', 'CANCELLED', 'DISABLED')),
    input         text,
    output        text,
    outcome       text,
    error         text,
    create_number bigint      NOT NULL,
    create_time   timestamptz NOT NULL,
    update_time   timestamptz NOT NULL,
    end_time      timestamptz,
    PRIMARY KEY (workspace, execution_id, step_id, visit),
    CONSTRAINT step_runs_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE
);

-- One row a write: the entries `first_number` to `last_number` of one execution, as a JSON array. Entries never change.
CREATE TABLE ledger (
    workspace     text        NOT NULL COLLATE "C",
    execution_id  text        NOT NULL COLLATE "C",
    first_number  bigint      NOT NULL,
    last_number   bigint      NOT NULL,
    entries       text        NOT NULL,
    PRIMARY KEY (workspace, execution_id, first_number),
    CONSTRAINT ledger_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE
);
CREATE TRIGGER ledger_frozen BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Values too large to stand in every row that mentions them, once, by digest.
CREATE TABLE documents (
    workspace text NOT NULL COLLATE "C",
    digest    text NOT NULL COLLATE "C",
    body      text NOT NULL,
    PRIMARY KEY (workspace, digest)
);
CREATE TRIGGER documents_frozen BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE VIEW ledger_entries AS
    SELECT workspace, execution_id, (entry ->> 'number')::bigint AS number, entry
    FROM ledger, jsonb_array_elements(entries::jsonb) AS entry;

-- The answer to a changing request, so that asking again changes nothing.
CREATE TABLE requests (
    workspace    text        NOT NULL COLLATE "C",
    request_id   text        NOT NULL,
    method       text        NOT NULL,
    digest       text        NOT NULL,
    answer       bytea       NOT NULL,
    create_time  timestamptz NOT NULL,
    PRIMARY KEY (workspace, request_id)
);
