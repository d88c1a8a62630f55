"""Many rows at once: those that are asked for by name are found, and PostgreSQL looks at no others to find them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from tieout.store import Store, open_store
from tieout.store.bulk import among, insert_many
from tieout.store.ledger_tables import push_entries

SCOPE = {"company": "demo", "environment": "simulator", "entity": "", "push": "times"}
MANY = 3_000


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    with open_store(state_url) as opened:
        yield opened


def fill(store: Store) -> None:
    """A table that has grown in one go, as in a first push: PostgreSQL has no statistics of it."""
    with store.begin() as connection:
        rows = [(f"E-{number}", f"S-{number // 3}") for number in range(MANY)]
        insert_many(connection, push_entries, SCOPE, ["entry_id", "source_id"], rows)
        insert_many(connection, push_entries, SCOPE | {"push": "other"}, ["entry_id", "source_id"], rows)


@pytest.mark.parametrize("alone", [False, True])
def test_rows_are_found_by_their_names_in_their_own_push(store: Store, alone: bool) -> None:
    fill(store)
    columns = push_entries.c
    key, wanted = ("source_id", ["S-1", "S-7", "S-none"]) if alone else ("entry_id", ["E-3", "E-21", "E-none"])
    with store.begin() as connection:
        mine = among(connection, push_entries, SCOPE, key, wanted, alone=alone)
        found = connection.execute(select(columns.push, columns.source_id).where(mine).distinct()).all()
        assert sorted(map(tuple, found)) == [("times", "S-1"), ("times", "S-7")]
        connection.execute(delete(push_entries).where(mine))
        left = connection.execute(select(columns.push, columns[key]).where(columns[key].in_(wanted))).all()
        assert {push for push, _ in left} == {"other"}, "a row of the same name elsewhere stays"


@pytest.mark.parametrize("alone", [False, True])
def test_postgresql_reads_no_other_rows_than_those_that_are_named(postgres_url: str, alone: bool) -> None:
    with open_store(postgres_url) as store:
        fill(store)
        key, prefix = ("source_id", "S-") if alone else ("entry_id", "E-")
        wanted = [f"{prefix}{number}" for number in range(100)]
        with store.read() as connection:
            query = select(push_entries.c.entry_id).where(
                among(connection, push_entries, SCOPE, key, wanted, alone=alone)
            )
            said = query.compile(dialect=connection.dialect)
            explained = connection.exec_driver_sql(f"explain (analyze, format json) {said}", said.params).scalar_one()
    aside = sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in _nodes(explained[0]["Plan"]))
    assert aside <= (300 if alone else 0), "an index of the key alone also leads to the other push's rows"


@pytest.mark.parametrize("alone", [False, True])
def test_sqlite_looks_each_name_up(tmp_path: Path, alone: bool) -> None:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        fill(store)
        key = "source_id" if alone else "entry_id"
        with store.read() as connection:
            query = select(push_entries.c.entry_id).where(
                among(connection, push_entries, SCOPE, key, ["E-1", "E-2"], alone=alone)
            )
            said = query.compile(dialect=connection.dialect)
            given = tuple(said.params[name] for name in said.positiontup or ())
            plan = connection.exec_driver_sql(f"explain query plan {said}", given).all()
    assert f"{key}=?" in plan[0][-1], "else every row of the push is read for each list of names"


def test_names_may_hold_any_character(store: Store) -> None:
    odd = ['a"b', "back\\slash", "ß\U0001f600", "line\nbreak", "null", "[1]", ""]
    with store.begin() as connection:
        insert_many(connection, push_entries, SCOPE, ["entry_id", "source_id"], [(word, "S") for word in odd])
        mine = among(connection, push_entries, SCOPE, "entry_id", odd)
        assert set(connection.scalars(select(push_entries.c.entry_id).where(mine))) == set(odd)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
