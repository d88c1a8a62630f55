"""A query is read, never written through, never echoed with its secrets."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.push.support import settings
from tieout.errors import ConfigurationError, SourceError
from tieout.project import load
from tieout.push.settings import PushSettings, settings_of
from tieout.push.sources import Source, open_source


def asked(sql: str, url: str, **more: Any) -> Source:
    given = settings(object="customers", id="id", source={"sql": sql, "url": url}, fields={"name": "b"}, **more)
    return open_source(given, None, "[push.x]")


@pytest.fixture
def payroll(tmp_path: Path) -> str:
    with sqlite3.connect(tmp_path / "payroll.db") as database:
        database.execute("create table t (id integer, hours real, note text)")
        database.executemany("insert into t values (?, ?, ?)", [(1, 0.1 + 0.2, "50% : a"), (2, 8.0, None)])
    database.close()
    return f"sqlite:///{tmp_path / 'payroll.db'}"


def test_rows_of_a_sqlite_query(payroll: str) -> None:
    found = asked("select id, hours, note from t where note is null or note like '5%' order by id", payroll)
    assert found.columns == ("id", "hours", "note")
    assert list(found.rows()) == [
        (1, {"id": 1, "hours": Decimal("0.3"), "note": "50% : a"}),
        (2, {"id": 2, "hours": 8, "note": None}),
    ]
    assert (found.row_count, found.name, found.path) == (2, "the query of [push.x]", None)


def test_rows_of_a_postgresql_query(postgres_url: str) -> None:
    sql = (
        "-- all that is owed\n(select n as id, n * 0.10::numeric(9,2) as amount, 0.1::float8 + 0.2 as noise,"
        " 0.1::float4 as f,"
        " date '2026-01-31' as day, timestamptz '2026-01-31 17:00Z' as at, 'a%b :c' as t, n = 1 as ok"
        " from generate_series(1, 2500) n order by n)"
    )
    found = asked(sql, postgres_url)
    rows = list(found.rows())
    assert [row.number for row in rows] == list(range(1, 2501))
    first = dict(rows[0].values)
    assert first.pop("at") == datetime(2026, 1, 31, 17, tzinfo=UTC)
    assert first == {
        "id": 1,
        "amount": Decimal("0.10"),
        "noise": Decimal("0.3"),
        "f": Decimal("0.1"),
        "day": date(2026, 1, 31),
        "t": "a%b :c",
        "ok": True,
    }
    assert rows[-1].values["amount"] == Decimal("250.00")


def test_nothing_is_written_through_a_query(payroll: str, postgres_url: str) -> None:
    import psycopg

    with pytest.raises(SourceError, match="does not begin with SELECT") as caught:
        list(asked("/* x */ delete from t", payroll).rows())
    assert "only reads" in caught.value.advice
    with pytest.raises(SourceError, match=r"readonly|read-only|not return rows"):
        list(asked("with x as (select 1) delete from t returning id", payroll).rows())
    assert len(list(asked("select id from t", payroll).rows())) == 2
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("create table t (id int)")
        server.execute("create function f() returns int language sql as 'insert into t values (1) returning id'")
        for sql in ("with x as (insert into t values (1) returning id) select * from x", "select f()"):
            with pytest.raises(SourceError, match=r"read-only|WITH"):
                list(asked(sql, postgres_url).rows())
        assert server.execute("select count(*) from t").fetchone() == (0,)


def test_a_missing_database_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no database file"):
        list(asked("select 1", f"sqlite:///{tmp_path / 'none.db'}").rows())
    assert not (tmp_path / "none.db").exists()


def test_no_message_holds_a_secret() -> None:
    url = "postgresql://me:s3cretword@127.0.0.1:1/db?connect_timeout=1&sslpassword=0thersecret"
    for wrong, words in ((url, "was refused by the database"), ("s3cretword", "not a database URL")):
        with pytest.raises(SourceError, match=words) as caught:
            list(asked("select 1", wrong).rows())
        assert "s3cretword" not in str(caught.value)
        assert "0thersecret" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
    with pytest.raises(SourceError, match=r"invalid sslmode value: .\*\*\*"):
        list(asked("select 1", "postgresql://127.0.0.1:1/db?sslmode=0thersecret").rows())
    with pytest.raises(SourceError, match="'nodb', which SQLAlchemy does not know"):
        list(asked("select 1", "nodb://me:s3cretword@host/db").rows())


def test_a_missing_driver_is_named_with_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match=r"driver \w+, which is not installed") as caught:
        list(asked("select 1", "mysql+pymysql://host/db").rows())
    assert caught.value.advice == "Run: pip install pymysql"


@pytest.mark.parametrize(
    ("sql", "words"), [("select absent from t", "no such column: absent"), ("select (", "refused")]
)
def test_what_the_database_says_is_passed_on(payroll: str, sql: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        list(asked(sql, payroll).rows())
    assert "sql" in caught.value.advice
    assert str(caught.value).startswith("The query of [push.x]")


def test_a_result_with_a_column_twice_or_bytes_is_refused(payroll: str) -> None:
    with pytest.raises(SourceError, match="the column 'id' occurs twice"):
        list(asked("select id, id from t", payroll).rows())
    with pytest.raises(SourceError, match="row 1, column 'b' holds bytes"):
        list(asked("select x'00' as b", payroll).rows())


def section(folder: Path, text: str) -> PushSettings:
    (folder / "tieout.toml").write_text(text)
    return settings_of(load(folder), "x")


def test_a_project_says_where_the_database_is(tmp_path: Path, payroll: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = (
        '[push.x]\nobject = "customers"\nid = "id"\nsource = { sql = "select id from t", url = "%s" }\n'
        '[push.x.fields]\nname = "id"\n'
    )
    found = section(tmp_path, table % "sqlite:///payroll.db")
    assert [row.values["id"] for row in open_source(found, None, "[push.x]").rows()] == [1, 2]
    monkeypatch.setenv("PAYROLL_URL", payroll)
    found = section(tmp_path, table % "${PAYROLL_URL}")
    assert len(list(open_source(found, None, "[push.x]").rows())) == 2
    with pytest.raises(ConfigurationError, match="a secret is written out"):
        section(tmp_path, table % "postgresql://me:written@host/db")


def test_a_file_is_read_in_the_place_of_the_query(tmp_path: Path, payroll: str) -> None:
    (tmp_path / "corrected.csv").write_text("id,b\n1,x\n")
    given = settings(object="customers", id="id", source={"sql": "select 1", "url": payroll}, fields={"name": "b"})
    assert [dict(row.values) for row in open_source(given, tmp_path / "corrected.csv", "[push.x]").rows()] == [
        {"id": "1", "b": "x"}
    ]
