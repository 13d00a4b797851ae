-- Events, the waits of executions for them, and what came of bringing the two together; triggers, which start or cancel
-- executions when an event comes.

-- `written` is the transaction that stored the event: read in the order of (written, seq), and only as far as no older
-- transaction is open, a reader with a cursor never passes by an event that is committed late.
CREATE TABLE events (
    workspace     text        NOT NULL COLLATE "C",
    event_id      text        NOT NULL COLLATE "C",
    seq           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    written       xid8        NOT NULL DEFAULT pg_current_xact_id(),
    -- Segments divided by dots, without wildcards: "order.paid".
    name          text        NOT NULL COLLATE "C",
    version       text        NOT NULL,
    source        text        NOT NULL,
    event_time    timestamptz NOT NULL,
    payload       text        NOT NULL,
    metadata      text        NOT NULL,
    -- Tells the content from another's; empty for Heddle's own events.
    digest        text        NOT NULL,
    -- How many triggers lie between it and something that no event started.
    depth         integer     NOT NULL,
    -- The database's own time.
    publish_time  timestamptz NOT NULL DEFAULT now(),
    expire_time   timestamptz NOT NULL,
    -- When some server is to look for what the event concerns; null: that has been done.
    match_after   timestamptz,
    -- Hashes of the scalar values in it with their paths; null: too many to list, or not listed yet.
    keys          bigint[],
    PRIMARY KEY (workspace, event_id)
);
CREATE INDEX events_in_order ON events (workspace, written, seq);
CREATE INDEX events_by_name ON events (workspace, name, written, seq);
CREATE INDEX events_to_match ON events (match_after) WHERE match_after IS NOT NULL;
CREATE INDEX events_expired ON events (expire_time);
CREATE INDEX events_by_key ON events USING gin (keys) WITH (fastupdate = off);
CREATE INDEX events_without_keys ON events (workspace, name, publish_time) WHERE keys IS NULL;

-- What open executions wait for; a row goes when its wait is over. The waits of a step have its id and visit, those for
-- cancelling the whole execution have no step id and count 1, 2, 3 as the definition lists them.
CREATE TABLE waits (
    workspace     text        NOT NULL COLLATE "C",
    execution_id  text        NOT NULL COLLATE "C",
    step_id       text        NOT NULL COLLATE "C",
    visit         integer     NOT NULL,
    pattern       text        NOT NULL COLLATE "C",
    -- Where an event must have which value to be worth looking at ("payload.orderId"); both empty: anywhere anything.
    key_path      text        NOT NULL COLLATE "C",
    key_hash      text        NOT NULL COLLATE "C",
    -- An event that was published before this does not count.
    since         timestamptz NOT NULL,
    create_time   timestamptz NOT NULL DEFAULT now(),
    -- When some server is to look for events that came before the wait; null: that has been done.
    check_after   timestamptz,
    PRIMARY KEY (workspace, execution_id, step_id, visit),
    CONSTRAINT waits_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE
);
CREATE INDEX waits_by_key ON waits (workspace, pattern, key_path, key_hash, execution_id, step_id, visit);
CREATE INDEX waits_to_check ON waits (check_after) WHERE check_after IS NOT NULL;

-- One event for one wait. The workflow alone judges; CONSUMED is written with what it did. A delivery to visit 0 of no
-- step is a trigger's: it cancels the execution.
CREATE TABLE deliveries (
    workspace      text        NOT NULL COLLATE "C",
    event_id       text        NOT NULL COLLATE "C",
    execution_id   text        NOT NULL COLLATE "C",
    step_id        text        NOT NULL COLLATE "C",
    visit          integer     NOT NULL,
    status         text        NOT NULL CHECK (status IN ('PENDING', 'CONSUMED', 'REJECTED')),
    -- Why it was rejected, or is late; both empty otherwise.
    reason         text        NOT NULL DEFAULT '',
    message        text        NOT NULL DEFAULT '',
    trigger_id     text        NOT NULL DEFAULT '',
    attempts       integer     NOT NULL DEFAULT 0,
    -- When some server is to bring it; null: it is settled.
    deliver_after  timestamptz,
    create_time    timestamptz NOT NULL DEFAULT now(),
    update_time    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, event_id, execution_id, step_id, visit),
    CONSTRAINT deliveries_event FOREIGN KEY (workspace, event_id) REFERENCES events ON DELETE CASCADE,
    CONSTRAINT deliveries_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE,
    CONSTRAINT deliveries_open CHECK ((status = 'PENDING') = (deliver_after IS NOT NULL))
);
CREATE INDEX deliveries_by_execution ON deliveries (workspace, execution_id, create_time, event_id);
CREATE INDEX deliveries_to_bring ON deliveries (deliver_after) WHERE deliver_after IS NOT NULL;

CREATE TABLE event_definitions (
    workspace       text        NOT NULL COLLATE "C",
    id              text        NOT NULL COLLATE "C",
    name            text        NOT NULL COLLATE "C",
    description     text        NOT NULL,
    -- A JSON schema; empty: any payload.
    payload_schema  text        NOT NULL,
    revision        bigint      NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL,
    update_time     timestamptz NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT event_definitions_name_unique UNIQUE (workspace, name)
);

CREATE TABLE triggers (
    workspace           text        NOT NULL COLLATE "C",
    id                  text        NOT NULL COLLATE "C",
    template_id         text        NOT NULL COLLATE "C",
    -- The version whose definition has it, null when it was made by a call; and its name there.
    version_id          text        COLLATE "C",
    name                text        NOT NULL,
    description         text        NOT NULL,
    action              text        NOT NULL CHECK (action IN ('START', 'CANCEL')),
    pattern             text        NOT NULL COLLATE "C",
    condition           text        NOT NULL,
    -- The language that the expressions are written in.
    language            text        NOT NULL,
    -- A JSON template for the input; empty: the event itself.
    input_mapping       text        NOT NULL,
    correlation_key     text        NOT NULL,
    priority            integer     NOT NULL,
    enabled             boolean     NOT NULL,
    -- For CANCEL: why, and whether what was done is undone.
    reason              text        NOT NULL,
    compensate          boolean     NOT NULL,
    revision            bigint      NOT NULL DEFAULT 1,
    create_time         timestamptz NOT NULL,
    update_time         timestamptz NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT triggers_template FOREIGN KEY (workspace, template_id) REFERENCES templates ON DELETE CASCADE
);
CREATE INDEX triggers_by_pattern ON triggers (workspace, pattern, priority, id);
CREATE INDEX triggers_by_template ON triggers (workspace, template_id, id);

-- Which event and which trigger started an execution, and how many such starts lie before it.
ALTER TABLE executions
    ADD COLUMN event_id    text    NOT NULL DEFAULT '',
    ADD COLUMN trigger_id  text    NOT NULL DEFAULT '',
    ADD COLUMN event_depth integer NOT NULL DEFAULT 0;

ALTER TABLE trigger_records DROP CONSTRAINT trigger_records_source_check;
ALTER TABLE trigger_records ADD CONSTRAINT trigger_records_source_check CHECK (source IN ('LINK', 'EVENT'));
ALTER TABLE trigger_records DROP CONSTRAINT trigger_records_outcome_check;
ALTER TABLE trigger_records
    ADD CONSTRAINT trigger_records_outcome_check CHECK (outcome IN ('STARTED', 'REFUSED', 'CANCELLED'));
-- The event behind it; empty when it was none. A trigger decides once about an event.
ALTER TABLE trigger_records ADD COLUMN event_id text NOT NULL DEFAULT '' COLLATE "C";
ALTER TABLE trigger_records ADD COLUMN cancelled integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX trigger_records_once ON trigger_records (workspace, event_id, source_id) WHERE event_id <> '';
CREATE INDEX trigger_records_of_trigger ON trigger_records (workspace, source_id, outcome, id) WHERE event_id <> '';
