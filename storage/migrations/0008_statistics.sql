-- Statistics of templates and versions, gathered in the background: whoever asks reads a few rows.

-- What ended lately. An execution ends at the right edge of these, so that keeping them costs next to nothing.
CREATE INDEX executions_by_end ON executions (end_time) WHERE end_time IS NOT NULL;
CREATE INDEX step_runs_failed ON step_runs (end_time) WHERE status = 'FAILED';

-- Rows of three kinds, for every version and, with an empty version_id, for every template as a whole:
-- COUNT: how many executions there are with the status `name` and the phase `detail`;
-- DURATION: how long those took that COMPLETED in the last 30 days, in seconds from creation to end;
-- FAILURE: how many visits of the step `name` FAILED in the last 30 days with the code `detail`.
CREATE MATERIALIZED VIEW statistics AS
WITH counted AS (
    SELECT workspace, template_id, version_id, status, phase, count(*) AS number
    FROM executions GROUP BY workspace, template_id, version_id, status, phase
), taken AS (
    SELECT workspace, template_id, version_id, extract(epoch FROM end_time - create_time)::double precision AS seconds
    FROM executions WHERE end_time > now() - interval '30 days' AND status = 'COMPLETED'
), failed AS (
    -- The code stands first; one that is not a plain word is left out rather than let it stop the gathering.
    SELECT r.workspace, e.template_id, e.version_id, r.step_id,
        coalesce(substring(r.error FROM '^\{"code": ?"([A-Za-z0-9_.-]{1,128})"'), '') AS code, count(*) AS number
    FROM step_runs r JOIN executions e ON (e.workspace, e.id) = (r.workspace, r.execution_id)
    WHERE r.status = 'FAILED' AND r.end_time > now() - interval '30 days'
    GROUP BY 1, 2, 3, 4, 5
)
SELECT workspace, template_id, coalesce(version_id, '') AS version_id, 'COUNT' AS kind, status AS name, phase AS detail,
    sum(number)::bigint AS number,
    NULL::double precision AS median, NULL::double precision AS p95, NULL::double precision AS longest
FROM counted
GROUP BY GROUPING SETS ((workspace, template_id, version_id, status, phase), (workspace, template_id, status, phase))
UNION ALL
SELECT workspace, template_id, coalesce(version_id, ''), 'DURATION', '', '', count(*),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds), percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds),
    max(seconds)
FROM taken GROUP BY GROUPING SETS ((workspace, template_id, version_id), (workspace, template_id))
UNION ALL
SELECT workspace, template_id, coalesce(version_id, ''), 'FAILURE', step_id, code, sum(number)::bigint, NULL, NULL, NULL
FROM failed
GROUP BY GROUPING SETS ((workspace, template_id, version_id, step_id, code), (workspace, template_id, step_id, code));

-- What a refresh beside readers tells rows by, and where they are looked up.
CREATE UNIQUE INDEX statistics_key ON statistics (workspace, template_id, version_id, kind, name, detail);

-- One row about all of them: when the figures were gathered, and how many seconds it took.
CREATE TABLE statistics_refreshes (
    one           boolean          PRIMARY KEY DEFAULT true CHECK (one),
    refresh_time  timestamptz      NOT NULL,
    seconds       double precision NOT NULL
);
INSERT INTO statistics_refreshes VALUES (true, now(), 0);
