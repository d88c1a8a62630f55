"""What a destination promises that keeps rows as they were signed, one suite for all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from tests.pull.destinations import test_postgres_suite
from tests.pull.destinations.ground import (
    COLUMNS,
    DAY,
    KEY,
    NAME,
    OWNER,
    STAMP,
    TOTAL,
    Table,
    bill,
)
from tieout.errors import StoreError
from tieout.pull.destinations.base import Difference, Gone, SignOff, SignOffs
from tieout.pull.destinations.open import open_destination
from tieout.pull.schema.types import Column, Kind

MARCH = date(2026, 3, 31)


def sign(through: date = MARCH, of: Column = DAY, **more: Any) -> SignOff:
    return SignOff(through=through, date=of, by="Ann", at="2026-04-05T09:00:00Z", rows=0, digest="", **more)


class SignOffSuite:
    """Subclassed for each destination."""

    def url(self, folder: Path) -> str:
        raise NotImplementedError

    def run(self, folder: Path, statement: str) -> None:
        """What somebody does by hand."""
        raise NotImplementedError

    @pytest.fixture
    def it(self, tmp_path: Path) -> Table:
        return Table(open_destination(tmp_path, self.url(tmp_path)))

    def keeper(self, it: Table) -> Any:
        return it.to

    def differences(self, it: Table, ignore: Sequence[str] = ()) -> dict[str, Difference]:
        return {found.key: found for found in self.keeper(it).differences("bill", ignore)}

    def test_s1_nothing_is_signed_at_first_and_the_last_sign_off_is_kept(self, it: Table) -> None:
        keeper: SignOffs = self.keeper(it)
        assert keeper.signed("bill") is None
        with pytest.raises(StoreError, match="There is no table bill"):
            keeper.sign_off("bill", sign())
        it.commit(bill(1), bill(2, day=date(2026, 4, 1)), bill(3, day=None))
        assert keeper.signed("bill") is None
        done = keeper.sign_off("bill", sign())
        assert (done.rows, len(done.digest), done.by) == (1, 64, "Ann")
        assert keeper.signed("BILL") == done
        again = keeper.sign_off("bill", sign(date(2026, 4, 30)))
        assert (again.rows, keeper.signed("bill")) == (2, again)

    def test_s2_equal_rows_have_equal_digests_however_they_came(self, it: Table) -> None:
        it.commit(bill(1), bill(2), bill(10))
        first = self.keeper(it).sign_off("bill", sign())
        it.commit(bill(10, name="x"))
        assert self.keeper(it).sign_off("bill", sign()).digest != first.digest
        it.commit(bill(10))
        assert self.keeper(it).sign_off("bill", sign()).digest == first.digest

    def test_s3_what_was_added_changed_and_deleted_is_told(self, it: Table) -> None:
        it.commit(*(bill(n) for n in range(1, 12)))
        self.keeper(it).sign_off("bill", sign())
        assert self.differences(it) == {}
        it.commit(bill(1, total=Decimal("11.00"), name=None), bill(20), bill(21, day=date(2026, 4, 1)))
        it.commit(gone=Gone(keys=["2"]))
        it.commit(gone=Gone(keys=["3"], hard=True))
        found = self.differences(it)
        assert {key: one.what for key, one in found.items()} == {
            "1": "changed",
            "2": "deleted",
            "3": "deleted",
            "20": "added",
        }
        changed = found["1"]
        assert (changed.before, changed.now) == (
            {"name": "bill 1", "total": "10.00"},
            {"name": None, "total": "11.00"},
        )
        assert (changed.date, found["2"].before["total"], found["20"].now["name"]) == (
            "2026-03-01",
            "10.00",
            "bill 20",
        )

    def test_s4_a_row_that_was_moved_out_of_the_period_has_changed(self, it: Table) -> None:
        it.commit(bill(1), bill(2, day=date(2026, 4, 9)))
        self.keeper(it).sign_off("bill", sign())
        it.commit(bill(1, day=date(2026, 5, 1)), bill(2, day=date(2026, 3, 31)))
        found = self.differences(it)
        assert (found["1"].what, found["1"].before, found["1"].now) == (
            "changed",
            {"day": "2026-03-01"},
            {"day": "2026-05-01"},
        )
        assert (found["2"].what, found["2"].date) == ("added", "2026-03-31")

    def test_s5_fields_to_ignore_and_columns_of_later_do_not_count(self, it: Table) -> None:
        it.commit({"key": "1", "name": "a", "day": date(2026, 3, 1)}, columns=(KEY, NAME, DAY), after={"stamp": ""})
        self.keeper(it).sign_off("bill", sign())
        it.commit(bill(1, name="b"), columns=COLUMNS)
        assert self.differences(it, ["name"]) == {}
        assert self.differences(it)["1"].now == {"name": "b"}

    def test_s6_by_moments_the_last_day_counts_to_its_end(self, it: Table) -> None:
        it.commit(bill(1), bill(2))
        assert self.keeper(it).sign_off("bill", sign(date(2026, 3, 19), STAMP)).rows == 0
        assert self.keeper(it).sign_off("bill", sign(date(2026, 3, 20), STAMP)).rows == 2

    def test_s6b_rows_without_the_date_are_dated_by_another(self, it: Table) -> None:
        due = Column(path="due", name="due", kind=Kind.DATE)
        it.columns = (*COLUMNS, due)
        it.commit(bill(1, due=date(2026, 4, 2)), bill(2, due=MARCH, day=date(2026, 4, 2)), bill(3), bill(4, day=None))
        assert self.keeper(it).sign_off("bill", sign(of=due, otherwise=DAY)).rows == 2
        assert self.keeper(it).signed("bill").otherwise == DAY
        it.commit(bill(1, due=MARCH), bill(2, due=MARCH), bill(3, due=date(2026, 4, 9)))
        assert {key: (one.what, one.date) for key, one in self.differences(it).items()} == {
            "1": ("added", "2026-03-31"),
            "2": ("changed", "2026-03-31"),
            "3": ("changed", "2026-03-01"),
        }

    def test_s7_lines_are_dated_as_their_document_is(self, it: Table) -> None:
        it.commit(bill(1), bill(2, day=date(2026, 4, 1)))
        lines = Table(it.to, "bill_line", (KEY, OWNER, TOTAL, STAMP))
        lines.commit(*({"key": f"{o}1", "bill__key": str(o), "total": Decimal(5)} for o in (1, 2)))
        keeper = self.keeper(it)
        assert keeper.sign_off("bill_line", sign(parent="bill", owner=OWNER.name)).rows == 1
        lines.commit({"key": "11", "bill__key": "1", "total": Decimal(6)})
        lines.commit({"key": "12", "bill__key": "1", "total": Decimal(7)}, {"key": "22", "bill__key": "2"})
        found = {one.key: (one.what, one.date) for one in keeper.differences("bill_line", [])}
        assert found == {"11": ("changed", "2026-03-01"), "12": ("added", "2026-03-01")}

    def test_s8_signed_rows_that_were_altered_are_found_out(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1), bill(2))
        self.keeper(it).sign_off("bill", sign())
        self.run(tmp_path, "UPDATE _tieout_signed_bill SET name = 'forged' WHERE \"key\" = '2'")
        with pytest.raises(StoreError, match="not those that were signed"):
            self.differences(it)

    def test_s9_another_table_of_tieouts_is_not_shown_as_pulled(self, it: Table) -> None:
        it.commit(bill(1))
        self.keeper(it).sign_off("bill", sign())
        assert [found.state.table for found in it.to.tables()] == ["bill"]

    def test_s10_a_sign_off_outlives_a_table_that_is_dropped_and_read_anew(self, it: Table) -> None:
        it.commit(bill(1), bill(2))
        self.keeper(it).sign_off("bill", sign())
        it.to.drop("bill")
        assert self.differences(it) == {}
        anew = Table(it.to)
        anew.commit(bill(1, name="other"))
        assert {key: one.what for key, one in self.differences(anew).items()} == {"1": "changed", "2": "deleted"}

    def test_s11_fields_that_are_not_pulled_any_more_are_not_compared(self, it: Table) -> None:
        it.commit(bill(1), bill(2))
        signed = self.keeper(it).sign_off("bill", sign())
        it.to.drop("bill")
        columns = [column for column in COLUMNS if column.path not in ("name", "total")]
        anew = Table(it.to, columns=columns)
        anew.commit(bill(1, days=31), bill(2))
        assert {key: one.now for key, one in self.differences(anew).items()} == {"1": {"days": 31}}
        assert {"name", "total"} < set(signed.paths)
        assert self.keeper(it).signed("bill") == signed


class TestDuckDB(SignOffSuite):
    def url(self, folder: Path) -> str:
        return "duckdb:///company.duckdb"

    def run(self, folder: Path, statement: str) -> None:
        with duckdb.connect(str(folder / "company.duckdb")) as db:
            db.execute(statement)


class TestSqlite(SignOffSuite):
    def url(self, folder: Path) -> str:
        return "sqlite:///company.db"

    def run(self, folder: Path, statement: str) -> None:
        with closing(sqlite3.connect(folder / "company.db")) as db:
            db.execute(statement)
            db.commit()


class TestPostgreSQL(SignOffSuite):
    @pytest.fixture(autouse=True)
    def server(self, warehouse: str) -> None:
        self.schemas = test_postgres_suite.TestPostgres()
        self.schemas.warehouse = warehouse

    def url(self, folder: Path) -> str:
        return self.schemas.url(folder)

    def run(self, folder: Path, statement: str) -> None:
        with psycopg.connect(self.schemas.warehouse) as db:
            db.execute(f"SET search_path = {self.schemas.schema(folder)}".encode())
            db.execute(statement.encode())


class TestParquet(SignOffSuite):
    def url(self, folder: Path) -> str:
        return "parquet:///company"

    def run(self, folder: Path, statement: str) -> None:
        (signed,) = (folder / "company" / "_tieout_signed_bill").iterdir()
        with duckdb.connect() as db:
            db.execute(f"CREATE TABLE _tieout_signed_bill AS SELECT * FROM read_parquet('{signed}')")
            db.execute(statement)
            db.execute(f"COPY _tieout_signed_bill TO '{signed}' (FORMAT parquet)")

    def test_p1_only_the_last_sign_off_has_a_file_and_a_lost_one_is_said(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1))
        self.keeper(it).sign_off("bill", sign())
        self.keeper(it).sign_off("bill", sign())
        it.commit(bill(2))
        (signed,) = (tmp_path / "company" / "_tieout_signed_bill").iterdir()
        assert signed.stat().st_mode & 0o777 == 0o600
        signed.unlink()
        with pytest.raises(StoreError, match="are gone"):
            self.differences(it)

    def test_p2_compacting_changes_nothing_that_was_signed(self, it: Table) -> None:
        it.commit(bill(1), bill(2))
        self.keeper(it).sign_off("bill", sign())
        it.commit(bill(1, name="other"))
        self.keeper(it).compact("bill")
        assert {key: one.what for key, one in self.differences(it).items()} == {"1": "changed"}
