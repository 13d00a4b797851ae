-- Which executions mention a large value, so that it goes with the last of them.
CREATE TABLE document_uses (
    workspace    text NOT NULL COLLATE "C",
    execution_id text NOT NULL COLLATE "C",
    digest       text NOT NULL COLLATE "C",
    PRIMARY KEY (workspace, execution_id, digest),
    CONSTRAINT document_uses_execution FOREIGN KEY (workspace, execution_id) REFERENCES executions ON DELETE CASCADE,
    CONSTRAINT document_uses_document FOREIGN KEY (workspace, digest) REFERENCES documents
);
CREATE INDEX document_uses_by_digest ON document_uses (workspace, digest);

INSERT INTO document_uses
    SELECT DISTINCT found.workspace, found.execution_id, found.digest FROM (
        SELECT workspace, id AS execution_id, substr(value, 8) AS digest
            FROM executions, unnest(ARRAY[input, output]) AS value WHERE value LIKE 'sha256:%'
        UNION ALL
        SELECT workspace, execution_id, substr(value, 8)
            FROM step_runs, unnest(ARRAY[input, output]) AS value WHERE value LIKE 'sha256:%'
        UNION ALL
        SELECT workspace, execution_id, mark[1]
            FROM ledger, regexp_matches(entries, '"sha256:([0-9a-f]{64})"', 'g') AS mark
    ) found JOIN documents USING (workspace, digest);
