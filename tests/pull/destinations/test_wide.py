"""Tables of many fields: a company with custom fields has hundreds in an object, and any machine has to hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pull.destinations.ground import KEY, STAMP, Table, batch
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.commit import TableWriter
from tieout.pull.destinations.open import open_destination
from tieout.pull.report import PullReport
from tieout.pull.schema.types import Column, Kind

WIDE = (KEY, STAMP, *(Column(path=f"f{i}", name=f"f{i}", kind=Kind.TEXT) for i in range(300)))


def row(key: int, **values: str) -> dict[str, str | None]:
    return {"key": str(key), **{c.name: f"{c.name} {key % 7}" if key % 3 else None for c in WIDE[2:]}, **values}


@pytest.mark.parametrize("name", ["duckdb", "parquet"])
def test_a_table_of_hundreds_of_fields_is_merged_in_little_memory(tmp_path: Path, name: str) -> None:
    it = Table(open_destination(tmp_path, f"{name}:///company"), columns=WIDE)
    it.commit(*map(row, range(1, 1001)))
    done = it.commit(*(row(n, f7="changed", f299="too") for n in range(1, 301)), *map(row, range(301, 1101)))
    assert (done.new, done.changed) == (100, 300)
    done = it.commit(*(row(n, **{c.name: "all" for c in WIDE[2:]}) for n in range(1, 201)))
    assert (done.new, done.changed, it.state.rows) == (0, 200, 1100)
    shown = it.to.rows("bill", ["1", "201", "301", "1100"], [WIDE[2], WIDE[9], WIDE[301]])
    assert [list(shown[key].values()) for key in ("1", "201", "301", "1100")] == [
        ["all"] * 3,
        [None, "changed", "too"],
        ["f0 0", "f7 0", "f299 0"],
        ["f0 1", "f7 1", "f299 1"],
    ]


def test_a_commit_of_wide_rows_has_fewer_of_them(tmp_path: Path) -> None:
    to: Destination = open_destination(tmp_path, "duckdb:///company.duckdb")
    report = PullReport(object="accounts-payable/bill", table="bill", destination=str(to))
    writer = TableWriter(to, Table(to).state, WIDE, report, "run")
    most = to.takes.commit_cells // len(WIDE)
    narrow = TableWriter(to, Table(to).state, WIDE[:2], report, "run")
    for one in (writer, narrow):
        one.add(batch([{"key": str(n)} for n in range(most + 1)], one.columns))
    assert (writer.due, narrow.due) == (True, False)


def test_sqlite_compares_rows_of_a_thousand_fields(tmp_path: Path) -> None:
    columns = (*WIDE, *(Column(path=f"more{i}", name=f"more{i}", kind=Kind.TEXT) for i in range(900)))
    it = Table(open_destination(tmp_path, "sqlite:///company.db"), columns=columns)
    it.commit(row(1), row(2))
    assert it.commit(row(1, more899="x"), row(2), row(3)).changed == 1
