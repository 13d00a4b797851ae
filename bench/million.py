"""A workspace with a million executions, as one might look after a quarter of a year.

20 templates of very different use, with 3 versions each; 85 in 100 executions have ended, 1 in 1,000 FAILED, 1 in
10,000 is PAUSED. A quarter was started for 20 products, a fifth is about service requests of their own; some have a
correlation id that 20 share, some one that 100,000 share. There is one batch of 10,000 children, and every 50th
execution has three; the correlation ids "batch" and "small" find the parent of the former, and one of the latter.
"""

from __future__ import annotations

from typing import Any

MANY = 1_000_000

_REGISTRY = """
INSERT INTO templates (workspace, id, key, name, description, create_time, update_time)
    SELECT 'default', 't' || n, 'k' || n, 'Template', '', now(), now() FROM generate_series(0, 19) n;
INSERT INTO plans VALUES ('default', 'p', '{}');
INSERT INTO versions (workspace, id, template_id, number, label, note, status, dialect, definition, digest,
    plan_digest, create_time, update_time)
    SELECT 'default', 't' || n || 'v' || m, 't' || n, m, m, '', 'PUBLISHED', 'graph', '{}', 'd', 'p', now(), now()
    FROM generate_series(0, 19) n, generate_series(1, 3) m
"""

_EXECUTIONS = """
WITH numbered AS (
    SELECT n, timestamptz '2026-01-01 00:00:00+00' + n * interval '7.776 seconds' AS t,
        floor(20 * power(n::bigint * 7919 %% 1000003 / 1000003.0, 2))::int AS template,
        n::bigint * 104729 %% 100000 AS lot,
        CASE WHEN n > %(batch)s AND n <= %(batch)s + %(many)s / 100 THEN %(batch)s
            WHEN n %% 50 IN (1, 2, 3) THEN n - n %% 50 END AS parent
    FROM generate_series(1, %(many)s) n
), identified AS (
    SELECT numbered.*, own.id, above.id AS parent_id
    FROM numbered, LATERAL (SELECT {id_of_n}) AS own(id), LATERAL (SELECT {id_of_parent}) AS above(id)
)
INSERT INTO executions (workspace, id, request_id, request_digest, name, template_id, version_id, plan_digest, status,
    phase, input, root_id, parent_id, correlation_id, subject_type, subject_id, entity_type, entity_id, last_number,
    create_time, update_time, start_time, end_time)
SELECT 'default', id, 'r' || n, repeat('d', 64), 'Customer Verification', 't' || template,
    't' || template || 'v' || n %% 3 + 1, 'p',
    CASE WHEN lot < 80000 THEN 'COMPLETED' WHEN lot < 84900 THEN 'CANCELLED' WHEN lot < 85000 THEN 'FAILED'
        ELSE 'STARTED' END,
    CASE WHEN lot < 85000 THEN 'NONE' WHEN lot < 97000 THEN 'WAITING_FOR_INPUT' WHEN lot < 98000 THEN
        'WAITING_FOR_EVENT' WHEN lot < 99990 THEN 'RUNNING' ELSE 'PAUSED' END,
    '{{"customerId": "123", "company": "Example"}}', coalesce(parent_id, id), parent_id,
    CASE WHEN n = %(batch)s THEN 'batch' WHEN n = %(many)s / 2 THEN 'small'
        WHEN n %% 10 < 3 THEN 'order-' || n / 67 WHEN n %% 10 = 4 THEN 'nightly' ELSE '' END,
    CASE WHEN n %% 5 = 0 THEN 'SERVICE_REQUEST' ELSE '' END, CASE WHEN n %% 5 = 0 THEN 'sr-' || n ELSE '' END,
    CASE WHEN n %% 4 = 0 THEN 'PRODUCT' ELSE '' END, CASE WHEN n %% 4 = 0 THEN 'p-' || template ELSE '' END,
    5, t, t, t, CASE WHEN lot < 85000 THEN t END
FROM identified ORDER BY n
"""


def load(cursor: Any, many: int = MANY) -> None:
    """Fill an empty database, perhaps with fewer, without the checks of what is right by its making."""
    cursor.execute(_REGISTRY)
    cursor.execute("SET session_replication_role = replica")
    cursor.execute(
        _EXECUTIONS.format(id_of_n=_id_of("n"), id_of_parent=_id_of("parent")), {"many": many, "batch": many * 4 // 10}
    )
    cursor.execute("SET session_replication_role = origin")
    cursor.execute("VACUUM ANALYZE executions")


def _id_of(number: str) -> str:
    """The id of an execution by its number: a UUID of version 7 of the time at which it was created."""
    milliseconds = f"lpad(to_hex(1767225600000 + {number}::bigint * 7776), 12, '0')"
    return (
        f"substr({milliseconds}, 1, 8) || '-' || substr({milliseconds}, 9) || '-7000-8000-' "
        f"|| lpad(to_hex({number}), 12, '0')"
    )
