"""A schema of PostgreSQL: how it is named, and what a server may refuse."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.pull.conftest import Pull
from tests.pull.destinations.ground import Table, bill
from tests.pull.scripted import BILL, ScriptedCompany, line
from tests.pull.scripted import bill as row
from tieout.errors import ConfigurationError, StoreError
from tieout.pull.destinations import postgres
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.postgres import PostgresSchema


@pytest.fixture
def schema() -> str:
    return f"s{uuid.uuid4().hex[:12]}"


@pytest.fixture
def it(warehouse: str, schema: str) -> Table:
    return Table(PostgresSchema(f"{warehouse}?schema={schema}"))


@pytest.fixture
def role(warehouse: str) -> Iterator[str]:
    """A user who may do nothing but sign in."""
    name = f"tieout_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(warehouse, autocommit=True) as db:
        db.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'hush-hush'".encode())
        yield name
        db.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def signed_in_as(warehouse: str, role: str, password: str = "hush-hush") -> str:
    host = warehouse.partition("://")[2].rpartition("@")[2]
    return f"postgresql://{role}:{password}@{host}"


def test_a_section_names_it_and_the_next_run_brings_what_changed(pull_bills: Pull, warehouse: str, schema: str) -> None:
    company = ScriptedCompany([row(1), row(2)], [line(1, 1), line(2, 2)])
    url = f"{warehouse}?schema={schema}"
    assert pull_bills(company, destination=url).ties
    company.rows[BILL][0] |= {"description": "new", "audit.modifiedDateTime": "2026-02-01T12:00:00Z"}
    report = pull_bills(company, destination=url)
    assert (report.strategy, report.changed, report.ties) == ("incremental", 1, True)
    with psycopg.connect(warehouse) as db:
        found = db.execute(f'SELECT key, "totalDue"::text, description FROM "{schema}".bill ORDER BY key'.encode())
        assert found.fetchall()[0] == ("1", "1.10", "new")
        types = db.execute(
            "SELECT data_type FROM information_schema.columns WHERE table_schema = %s AND column_name = 'totalDue'",
            [schema],
        )
        assert types.fetchall() == [("numeric",)]


def test_a_text_that_postgresql_cannot_hold_loses_no_page(pull_bills: Pull, warehouse: str, schema: str) -> None:
    report = pull_bills(
        ScriptedCompany([row(1, description="a\0b"), row(2)]), destination=f"{warehouse}?schema={schema}"
    )
    assert (report.new, report.misfits, report.ties) == (2, 1, True)
    to = open_destination(Path(), f"{warehouse}?schema={schema}")
    assert to.misfits("bill") == {"description": 1}


def test_no_password_is_shown(warehouse: str, role: str) -> None:
    to = PostgresSchema(signed_in_as(warehouse, role))
    assert "hush" not in f"{to} {to.place} {to.identity()}"
    for url in (signed_in_as(warehouse, role) + "_missing", "postgresql://ann:hush@127.0.0.1:1/x?connect_timeout=2"):
        with pytest.raises(StoreError) as refused:
            open_destination(Path(), url).check()
        assert "hush" not in f"{refused.value} {refused.value.advice}"
    with pytest.raises(ConfigurationError) as odd:
        open_destination(Path(), "postgresql://ann:hush@host/x?no_such_option=hush")
    assert "hush" not in f"{odd.value} {odd.value.advice}"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("postgresql://127.0.0.1:1/x?connect_timeout=2", "cannot be reached"), ("{}_missing", "does not exist")],
)
def test_a_server_or_a_database_that_is_not_there(warehouse: str, url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence):
        PostgresSchema(url.format(warehouse)).check()


def test_a_user_without_rights_is_told_before_anything_is_read(
    pull_bills: Pull, warehouse: str, role: str, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "hush-hush")
    url = signed_in_as(warehouse, role, "${WAREHOUSE_PASSWORD}") + f"?schema={schema}"
    company = ScriptedCompany([row(1)])
    with pytest.raises(StoreError, match="rights needed"):
        pull_bills(company, destination=url)
    assert company.queries == []
    with psycopg.connect(warehouse) as db:
        db.execute(f"CREATE SCHEMA {schema}; GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}".encode())
    assert pull_bills(company, destination=url).ties


def test_a_table_that_another_program_holds(it: Table, warehouse: str, schema: str) -> None:
    it.commit(bill(1))
    waiting = postgres.LOCK_WAIT
    postgres.LOCK_WAIT = 0.05
    try:
        with psycopg.connect(warehouse) as other:
            other.execute(f"LOCK TABLE {schema}.bill".encode())
            with pytest.raises(StoreError, match="is held by another program that writes, or has read"):
                it.commit(bill(2))
    finally:
        postgres.LOCK_WAIT = waiting
    assert it.commit(bill(2)).state.rows == 2


def test_readers_of_all_keys_see_one_moment(it: Table) -> None:
    it.commit(*(bill(i) for i in range(1, 4)))
    with closing(it.to.keys("bill")) as lots:  # type: ignore[type-var]  # a generator
        first = next(lots)
        it.commit(bill(9))
        assert [*first, *(key for lot in lots for key in lot)] == ["1", "2", "3"]


def test_a_view_of_somebodys_stands_in_the_way_of_a_drop_only(it: Table, warehouse: str, schema: str) -> None:
    it.commit(bill(1))
    with psycopg.connect(warehouse) as db:
        db.execute(f"CREATE VIEW {schema}.mine AS SELECT * FROM {schema}.bill".encode())
    assert it.commit(bill(2)).new == 1
    with pytest.raises(StoreError, match="something of yours"):
        it.to.drop("bill")
    assert it.to.state("bill") == it.state


def test_a_name_that_postgresql_would_cut_is_refused(it: Table) -> None:
    long = Table(it.to, "b" * 64)
    with pytest.raises(StoreError, match="longer than the 63 bytes"):
        long.commit(bill(1))


def test_places_are_the_same_however_they_are_spelt() -> None:
    one = PostgresSchema("postgresql://ann:x@Localhost/books?schema=s&sslmode=prefer")
    other = PostgresSchema("postgres://bob@127.0.0.1:5432/books?schema=s")
    assert one.identity() == other.identity()
    assert one.identity() != PostgresSchema("postgresql://localhost/books").identity()
    assert str(one) == "postgresql://ann@Localhost/books?schema=s"
