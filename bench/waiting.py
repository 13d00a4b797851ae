"""Many executions that wait for an event, as rows alone: what matching an event costs does not depend on Temporal."""

from __future__ import annotations

import psycopg2

from service.domain import event_key

_WAITING = """
INSERT INTO plans VALUES (%(workspace)s, 'p', '{}');
INSERT INTO templates (workspace, id, key, name, description, create_time, update_time)
    VALUES (%(workspace)s, 't', 'k', 'Template', '', now(), now());
INSERT INTO versions (workspace, id, template_id, number, label, note, status, dialect, definition, digest, plan_digest,
    create_time, update_time)
    VALUES (%(workspace)s, 'v', 't', 1, '1', '', 'PUBLISHED', 'graph', '{}', 'd', 'p', now(), now());
INSERT INTO executions (workspace, id, request_id, request_digest, name, template_id, version_id, plan_digest, status,
    phase, input, root_id, correlation_id, subject_type, subject_id, entity_type, entity_id, last_number, create_time,
    update_time, start_time)
    SELECT %(workspace)s, 'e' || n, 'r' || n, 'd', 'Order', 't', 'v', 'p', 'STARTED', 'WAITING_FOR_EVENT', '{}',
        'e' || n, '', '', '', '', '', 5, now(), now(), now() FROM generate_series(1, %(many)s) n;
INSERT INTO waits (workspace, execution_id, step_id, visit, pattern, key_path, key_hash, since)
    SELECT %(workspace)s, 'e' || n, 'wait', 1, %(pattern)s, %(path)s, (%(hashes)s::text[])[n], now()
    FROM generate_series(1, %(many)s) n;
ANALYZE executions; ANALYZE waits
"""


def fill(database: str, workspace: str, many: int, pattern: str, path: str) -> None:
    """Let so many executions wait for events of a pattern, each for another value at a path: order-1, order-2, …."""
    hashes = [event_key.of_wait(path, f'"order-{number}"')[1] for number in range(1, many + 1)]
    connection = psycopg2.connect(database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        values = {"workspace": workspace, "many": many, "pattern": pattern, "path": path, "hashes": hashes}
        cursor.execute(_WAITING, values)
    connection.close()
