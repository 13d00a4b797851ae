"""Lists of executions on a real database, against a plain reading of what they are to have."""

from __future__ import annotations

import json
import random
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.ids import first_at, uuid7
from storage import execution_lists
from storage.database import Violation, query
from storage.execution_lists import Wanted

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STATES = [
    *((status, "NONE") for status in ("COMPLETED", "FAILED", "CANCELLED", "FAILED_TO_START")),
    ("CREATED", "RUNNING"),
    ("CREATED", "WAITING_FOR_INPUT"),
    ("STARTED", "RUNNING"),
    ("STARTED", "WAITING_FOR_INPUT"),
    ("STARTED", "PAUSED"),
]
COLUMNS = [
    "workspace",
    "id",
    "template_id",
    "version_id",
    "status",
    "phase",
    "parent_id",
    "root_id",
    "correlation_id",
    "subject_type",
    "subject_id",
    "entity_type",
    "entity_id",
    "create_time",
]


def add_templates(workspace, count):
    """Store templates t0, t1 … with two versions each."""
    query(
        "INSERT INTO templates (workspace, id, key, name, description, create_time, update_time) "
        "SELECT %s, 't' || n, 'k' || n, 'T', '', now(), now() FROM generate_series(0, %s) n",
        (workspace, count - 1),
    )
    query("INSERT INTO plans VALUES (%s, 'p', '{}')", (workspace,))
    query(
        "INSERT INTO versions (workspace, id, template_id, number, label, note, status, dialect, definition, digest, "
        "plan_digest, create_time, update_time) SELECT %s, 't' || n || 'v' || v, 't' || n, v, v, '', 'PUBLISHED', "
        "'graph', '{}', 'd', 'p', now(), now() FROM generate_series(0, %s) n, generate_series(1, 2) v",
        (workspace, count - 1),
    )


def add(rows, *more):
    """Store executions, each a dictionary of the columns that matter here, and of more."""
    columns = [*COLUMNS, *more]
    query(
        f"INSERT INTO executions ({', '.join(columns)}, request_id, request_digest, name, plan_digest, input, "
        "last_number, update_time, launch_state) "
        f"SELECT {', '.join(f'r.{name}' for name in columns)}, r.id, '', '', 'p', '{{}}', 1, r.create_time, "
        "CASE WHEN r.status = 'CREATED' THEN '{}' END "
        "FROM json_populate_recordset(NULL::executions, %s) r",
        (json.dumps(rows, default=str),),
    )


def make_rows(workspace, count, seed):
    """Executions that differ in everything that lists are narrowed by, one every second."""
    choice = random.Random(seed)
    rows = []
    for number in range(count):
        time = BEGAN + number * SECOND
        id = uuid7(time, choice.getrandbits(62))
        status, phase = choice.choice(STATES)
        parent = choice.choice(rows) if rows and choice.random() < 0.5 else None
        template = f"t{choice.randrange(3)}"
        linked, about = choice.random() < 0.5, choice.random() < 0.3
        rows.append(
            {
                "workspace": workspace,
                "id": id,
                "template_id": template,
                "version_id": f"{template}v{choice.randrange(1, 3)}",
                "status": status,
                "phase": phase,
                "parent_id": parent["id"] if parent else None,
                "root_id": parent["root_id"] if parent else id,
                "correlation_id": choice.choice(["", "c0", "c1"]),
                "entity_type": choice.choice(["PRODUCT", "SERVICE_CATALOG"]) if linked else "",
                "entity_id": f"e{choice.randrange(2)}" if linked else "",
                "subject_type": "ORDER" if about else "",
                "subject_id": f"o-{number // 40 if status in ('CREATED', 'STARTED') else 0}-{number}" if about else "",
                "create_time": time,
            }
        )
    return rows


@pytest.fixture(scope="module")
def stored(database_url):
    """Two hundred executions in one workspace, and as many with the same values in another."""
    from storage import database

    database.connect(database_url)
    workspaces = [f"lists-{random.getrandbits(64):x}" for _ in "ab"]
    for workspace in workspaces:
        add_templates(workspace, 3)
    rows = [make_rows(workspace, 200, seed=1) for workspace in workspaces]
    for of_workspace in rows:
        add(of_workspace)
    return workspaces[0], rows[0]


def fits(row, wanted):
    """Say by the plain words of the contract whether a list has an execution."""
    return all(
        [
            wanted.subject in (None, (row["subject_type"], row["subject_id"])),
            wanted.entity in (None, (row["entity_type"], row["entity_id"])),
            wanted.parent_id in ("", row["parent_id"]),
            wanted.root_id in ("", row["root_id"]),
            wanted.correlation_id in ("", row["correlation_id"]),
            wanted.template_id in ("", row["template_id"]),
            wanted.version_id in ("", row["version_id"]),
            not wanted.statuses or row["status"] in wanted.statuses,
            wanted.phase in ("", row["phase"]),
            wanted.created_from is None or wanted.created_from <= row["create_time"],
            wanted.created_before is None or row["create_time"] < wanted.created_before,
        ]
    )


def some_wish(rows, choice):
    """Narrow a list by one to five things, usually by those that some execution has."""
    row = choice.choice(rows)
    other = choice.choice(rows)
    near = row if choice.random() < 0.7 else other
    values = {
        "subject": (row["subject_type"], row["subject_id"]) if row["subject_type"] else ("ORDER", "nobody"),
        "entity": (near["entity_type"], near["entity_id"]) if near["entity_type"] else ("PRODUCT", "e0"),
        "parent_id": near["parent_id"] or "nobody",
        "root_id": near["root_id"],
        "correlation_id": near["correlation_id"] or "c0",
        "template_id": near["template_id"],
        "version_id": row["version_id"],
        "statuses": frozenset({row["status"], other["status"]}),
        "phase": row["phase"],
        "created_from": min(row["create_time"], other["create_time"]),
        "created_before": max(row["create_time"], other["create_time"]),
    }
    names = choice.sample(sorted(values), choice.choice([0, 1, 1, 2, 2, 3, 4, 5]))
    return Wanted(**{name: values[name] for name in names})


def pages(workspace, wanted, size, reach):
    """Read page after page; gives the ids, and how many pages there were."""
    found, before, count = [], "", 0
    while True:
        page = execution_lists.page(workspace, wanted, before=before, limit=size + 1, reach=reach)
        count += 1
        found += [execution.id for execution in page.executions[:size]]
        if len(page.executions) > size:
            before = page.executions[size - 1].id
        elif page.rest:
            assert before == "" or page.rest < before
            before = page.rest
        else:
            return found, count


@pytest.mark.parametrize("reach", [12, execution_lists.REACH])
@pytest.mark.parametrize("seed", range(100))
def test_any_filters_together_give_every_execution_once_newest_first(stored, seed, reach):
    workspace, rows = stored
    choice = random.Random(seed)
    wanted = some_wish(rows, choice)

    found, count = pages(workspace, wanted, choice.choice([1, 2, 3, 10]), reach)

    expected = [row["id"] for row in reversed(rows) if fits(row, wanted)]
    assert found == expected
    assert count <= len(rows) + 1


def test_every_single_filter_finds_something(stored):
    workspace, rows = stored
    row = next(row for row in rows if row["subject_type"] and row["entity_type"] and row["parent_id"])
    wishes = {
        "subject": (row["subject_type"], row["subject_id"]),
        "entity": (row["entity_type"], row["entity_id"]),
        "statuses": frozenset({row["status"]}),
        **{name: row[name] for name in ("parent_id", "root_id", "template_id", "version_id", "phase")},
    }

    for name, value in wishes.items():
        wanted = Wanted(**{name: value})
        assert row["id"] in pages(workspace, wanted, 10, execution_lists.REACH)[0]


def test_a_list_leaves_values_out(stored):
    workspace, rows = stored
    (found,) = execution_lists.page(workspace, Wanted(), before="", limit=1).executions

    assert (found.id, found.input, found.output) == (rows[-1]["id"], "", None)


def test_a_version_of_another_template_has_no_executions_without_a_look_at_any(stored):
    workspace, _ = stored
    wanted = Wanted(template_id="t0", version_id="t1v1")

    assert execution_lists.page(workspace, wanted, before="", limit=2, reach=3) == execution_lists.Found([], "")


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "FAILED_TO_START"])
def test_what_has_ended_does_nothing(stored, status):
    workspace, _ = stored
    row = make_rows(workspace, 1, seed=2)[0] | {"status": status, "phase": "RUNNING"}

    with pytest.raises(Violation, match="executions_ended_does_nothing"):
        add([row])


# How they are read.


@pytest.fixture
def large(own_database):
    """Enough executions for the ways of reading to differ: 20,000, of which 20 FAILED, in 4 templates."""
    add_templates("default", 4)
    query(
        "INSERT INTO executions (workspace, id, request_id, request_digest, name, template_id, version_id, plan_digest,"
        " status, phase, input, root_id, correlation_id, subject_type, subject_id, entity_type, entity_id, last_number,"
        " create_time, update_time) SELECT 'default', 'e' || lpad(n::text, 6, '0'), n, '', '', 't' || n % 4,"
        " 't' || n % 4 || 'v1', 'p', CASE WHEN n % 1000 = 7 THEN 'FAILED' ELSE 'COMPLETED' END, 'NONE', '{}', 'e', 'c',"
        " '', '', 'PRODUCT', 'p' || n % 2, 1, now(), now() FROM generate_series(1, 20000) n"
    )


def explained(wanted, before=""):
    """The plan by which a page is read, as it went."""
    statement = execution_lists.statement("default", wanted, before=before, limit=51)
    (plan,) = query(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement.sql}", statement.values)[0]
    return plan[0]["Plan"]


def nodes(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


WISHES = {
    "all": Wanted(),
    "template": Wanted(template_id="t1"),
    "version": Wanted(version_id="t1v1"),
    "rare status": Wanted(statuses=frozenset({"FAILED"})),
    "template and rare status": Wanted(template_id="t3", statuses=frozenset({"FAILED"})),
    "template and frequent status": Wanted(template_id="t3", statuses=frozenset({"COMPLETED"})),
    "phase": Wanted(phase="NONE"),
    "phase that none has": Wanted(phase="PAUSED"),
    "entity": Wanted(entity=("PRODUCT", "p1")),
    "entity and rare status": Wanted(entity=("PRODUCT", "p1"), statuses=frozenset({"FAILED"})),
    "correlation": Wanted(correlation_id="c"),
}


def test_every_page_is_read_from_an_index_and_the_last_like_the_first(large):
    query("ANALYZE executions")
    for wanted in WISHES.values():
        first, last = explained(wanted), explained(wanted, before="e000300")
        for plan in (first, last):
            kinds = {node["Node Type"] for node in nodes(plan) if node.get("Relation Name") == "executions"}
            assert kinds <= {"Index Scan", "Index Only Scan"}, wanted
        read = [plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in (first, last)]
        assert max(read) < 400, wanted


def test_few_that_have_two_things_do_not_cost_more_than_a_reach(large):
    query("ANALYZE executions")
    plan = explained(Wanted(correlation_id="c", entity=("PRODUCT", "nobody")))
    looked_at = max(node["Actual Rows"] for node in nodes(plan) if node.get("Relation Name") == "executions")

    assert looked_at <= execution_lists.REACH


def test_an_execution_is_found_by_its_id_before_there_are_statistics(large):
    for sql in (
        "SELECT input FROM executions WHERE workspace = 'default' AND id = 'e000300'",
        "UPDATE executions SET phase = phase WHERE workspace = 'default' AND id = 'e000300' AND last_number = 1",
    ):
        (plan,) = query(f"EXPLAIN (FORMAT JSON) {sql}")[0]
        assert [node["Index Name"] for node in nodes(plan[0]["Plan"]) if "Index Name" in node] == ["executions_pkey"]


# Ids and times.


def test_the_lowest_id_of_an_instant_divides_what_was_before_from_what_was_after():
    before, at = BEGAN - timedelta(microseconds=1), BEGAN

    assert uuid7(before, 2**62 - 1) < first_at(at) <= uuid7(at, 0)
    assert first_at(datetime(1, 1, 1, tzinfo=UTC)) < first_at(BEGAN) < first_at(datetime.max.replace(tzinfo=UTC))


def test_a_list_tells_every_column():
    statement = execution_lists.statement("w", Wanted(), before="", limit=1)

    assert all(
        f"e.{field.name}" in statement.sql
        for field in fields(execution_lists.Execution)
        if field.name not in ("input", "output", "variables")
    )
