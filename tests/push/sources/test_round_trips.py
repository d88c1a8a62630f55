"""Any table that some program wrote comes back the same, whatever it was written as."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.push.support import settings
from tieout.push.sources import SourceRow, open_source

LENIENT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
"""Each example writes the file anew."""
COLUMNS = ("id", "who", "amount", "day", "ok")
Table = list[tuple[str, str | None, Decimal | None, date | None, bool | None]]

# What every one of them can hold: no control characters, no blank text.
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
WINDOWS = st.text(st.sampled_from("abzÄÖé€“”–ß'\"#,;\t|= 0."), min_size=1, max_size=8).filter(
    lambda text: text.strip() == text
)


def tables(words: st.SearchStrategy[str]) -> st.SearchStrategy[Table]:
    cents = st.integers(-(10**13), 10**13).map(lambda value: Decimal(value).scaleb(-2))
    days = st.dates(date(1901, 1, 1), date(9999, 12, 30))
    row = st.tuples(words, st.none() | words, st.none() | cents, st.none() | days, st.none() | st.booleans())
    return st.lists(row, max_size=6)


def read(given: object = None, path: Path | None = None, **more: Any) -> list[SourceRow]:
    asked = settings(object="customers", id="id", fields={"name": "who"}, **more)
    found = open_source(asked, path, "[push.x]", given)
    rows = list(found.rows())
    assert found.row_count == len(rows)
    assert found.columns in ((), COLUMNS)
    return rows


def same(rows: list[SourceRow], table: Table, first: int) -> None:
    assert [row.number for row in rows] == list(range(first, first + len(table)))
    for row, expected in zip(rows, table, strict=True):
        values = tuple(row.values.get(column) for column in COLUMNS)
        assert values == expected
        assert not any(isinstance(value, float) for value in values)


def as_text(value: object) -> str:
    return "" if value is None else "true" if value is True else "false" if value is False else str(value)


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("cp1252", ";"), ("utf-16", "\t"), ("utf-16-le", "|"), ("utf-32", ",")],
)
@hypothesis_settings(max_examples=25, suppress_health_check=LENIENT)
@given(data=st.data())
def test_csv(tmp_path: Path, encoding: str, separator: str, data: st.DataObject) -> None:
    table = data.draw(tables(WINDOWS if encoding == "cp1252" else WORDS))
    path = tmp_path / "t.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(COLUMNS)
        writer.writerows([as_text(value) for value in row] for row in table)
    declared = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    rows = read(path=path, source="t.csv", encoding=declared, separator=separator)
    assert [tuple(row.values.values()) for row in rows] == [tuple(as_text(v) for v in row) for row in table]
    assert [row.number for row in rows] == list(range(2, 2 + len(table)))


@hypothesis_settings(max_examples=40, suppress_health_check=LENIENT)
@given(table=tables(WORDS))
def test_json_lines(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "t.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for key, who, amount, day, ok in table:
            record = {"id": key, "who": who, "amount": "@", "day": day and day.isoformat(), "ok": ok}
            number = "null" if amount is None else str(amount)
            file.write(json.dumps(record).replace('"amount": "@"', f'"amount": {number}') + "\n")
    rows = read(path=path, source="t.jsonl")
    same(rows, [(k, w, a, d and d.isoformat(), o) for k, w, a, d, o in table], first=1)  # type: ignore[misc]


def write_xlsxwriter(path: Path, table: Table) -> None:
    with xlsxwriter.Workbook(path, {"strings_to_numbers": False, "strings_to_formulas": False}) as workbook:
        sheet = workbook.add_worksheet()
        day_format = workbook.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, COLUMNS)
        for position, (key, who, amount, day, ok) in enumerate(table, 1):
            sheet.write_string(position, 0, key)
            if who is not None:
                sheet.write_string(position, 1, who)
            if amount is not None:
                sheet.write_number(position, 2, float(amount))
            if day is not None:
                sheet.write_datetime(position, 3, day, day_format)
            if ok is not None:
                sheet.write_boolean(position, 4, ok)


def write_openpyxl(path: Path, table: Table) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.append(COLUMNS)
    for row in table:
        sheet.append([float(value) if isinstance(value, Decimal) else value for value in row])
        for cell in sheet[sheet.max_row][:2]:
            cell.data_type = "n" if cell.value is None else "s"  # also where it begins with =
    workbook.save(path)


@pytest.mark.parametrize("write", [write_xlsxwriter, write_openpyxl])
@hypothesis_settings(max_examples=40, suppress_health_check=LENIENT)
@given(table=tables(WORDS))
def test_excel(tmp_path: Path, write: Callable[[Path, Table], None], table: Table) -> None:
    path = tmp_path / "t.xlsx"
    write(path, table)
    same(read(path=path, source="t.xlsx"), table, first=2)


SELECT = {"sql": "select id, who, amount, day, ok from t order by n"}


@hypothesis_settings(max_examples=40, suppress_health_check=LENIENT)
@given(table=tables(WORDS))
def test_sqlite_query(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "t.db"
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.execute("create table t (n integer, id text, who text, amount real, day text, ok integer)")
    for number, (key, who, amount, day, ok) in enumerate(table):
        plain = (number, key, who, None if amount is None else float(amount), day and day.isoformat(), ok)
        database.execute("insert into t values (?, ?, ?, ?, ?, ?)", plain)
    database.commit()
    database.close()
    rows = read(source={**SELECT, "url": f"sqlite:///{path}"})
    same(rows, [(k, w, a, d and d.isoformat(), o) for k, w, a, d, o in table], first=1)  # type: ignore[misc]


@hypothesis_settings(max_examples=25, suppress_health_check=LENIENT)
@given(table=tables(WORDS))
def test_postgresql_query(postgres_url: str, table: Table) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("drop table if exists t")
        server.execute("create table t (n int, id text, who text, amount numeric(15, 2), day date, ok bool)")
        with server.cursor() as cursor:
            cursor.executemany(
                "insert into t values (%s, %s, %s, %s, %s, %s)", [(n, *row) for n, row in enumerate(table)]
            )
    same(read(source={**SELECT, "url": postgres_url}), table, first=1)


@pytest.mark.parametrize("money", [pa.decimal128(18, 2), pa.float64()])
@hypothesis_settings(max_examples=40, suppress_health_check=LENIENT)
@given(table=tables(WORDS))
def test_arrow(money: pa.DataType, table: Table) -> None:
    schema = pa.schema(
        [("id", pa.string()), ("who", pa.string()), ("amount", money), ("day", pa.date32()), ("ok", pa.bool_())]
    )
    columns: list[list[Any]] = [list(column) for column in zip(*table, strict=True)] or [[] for _ in COLUMNS]
    if money == pa.float64():
        columns[2] = [None if value is None else float(value) for value in columns[2]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    same(read(pa.table(arrays, schema=schema)), table, first=1)


@hypothesis_settings(max_examples=40, suppress_health_check=LENIENT)
@given(table=tables(WORDS))
def test_mappings(table: Table) -> None:
    same(read([dict(zip(COLUMNS, row, strict=True)) for row in table]), table, first=1)


@hypothesis_settings(max_examples=40, suppress_health_check=LENIENT)
@given(moments=st.lists(st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 30)), min_size=1, max_size=5))  # noqa: DTZ001
def test_moments_come_back_from_excel_to_the_second(tmp_path: Path, moments: list[datetime]) -> None:
    path = tmp_path / "t.xlsx"
    whole = [moment.replace(microsecond=0) for moment in moments]
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, COLUMNS)
        for row, moment in enumerate(whole, 1):
            sheet.write_datetime(row, 0, moment, workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}))
    assert [row.values["id"] for row in read(path=path, source="t.xlsx")] == whole
