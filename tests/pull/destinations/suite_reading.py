"""What every destination promises to whoever reads it, by number (D10, D11), and what its own tests say of it.

The other promises are in `suite`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.pull.destinations.ground import (
    DAY,
    DAYS,
    KEY,
    NAME,
    NOON,
    PAID,
    STAMP,
    TOTAL,
    Table,
    bill,
)
from tieout.pull.destinations.base import Destination, Gone, Window
from tieout.pull.destinations.open import open_destination
from tieout.pull.schema.types import arrow_type


class ReadingSuite:
    """A part of what each destination subclasses."""

    def url(self, folder: Path) -> str:
        """Where the destination of a folder is."""
        raise NotImplementedError

    def place(self, folder: Path) -> Destination:
        """The destination to test, in a folder of its own."""
        return open_destination(folder, self.url(folder))

    def select(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a statement, read without the destination's own methods. Table names stand for themselves."""
        raise NotImplementedError

    def marks(self, folder: Path, table: str, mark: str = "_tieout_deleted") -> dict[str, str | None]:
        """key -> `mark` as text."""
        return dict(self.select(folder, f'SELECT "key", CAST({mark} AS VARCHAR) FROM "{table}"'))

    def alter(self, folder: Path, table: str, change: str) -> None:
        """What a person does to a table: `drop NAME`, `retype NAME`, `add NAME`, `rest NAME` (something of theirs rests
        on a column), `unique NAME` (an index), `make` (a table of theirs), `remove`, or `newer` (a state in a format to
        come)."""
        raise NotImplementedError

    @pytest.fixture
    def to(self, tmp_path: Path) -> Destination:
        return self.place(tmp_path)

    @pytest.fixture
    def it(self, to: Destination) -> Table:
        return Table(to)

    # D10, D11: exact measures of live rows

    def test_d10_sums_are_exact_and_of_live_rows_only(self, it: Table) -> None:
        big = Decimal("1234567890123456789012345678901234.56")
        it.commit(bill(1, total=big), bill(2, total=Decimal("0.01")), bill(3, total=Decimal("-5.00")), bill(4))
        it.commit(gone=Gone(keys=["4"]))
        (found,) = it.to.measure("bill", [TOTAL], stamp=STAMP)
        assert (found.count, found.sums) == (3, {"total": Decimal("1234567890123456789012345678901229.57")})
        assert found.newest == "2026-03-20T12:00:00Z"

    def test_d10_sums_of_more_digits_than_a_database_adds_up_are_exact_too(self, it: Table) -> None:
        most = Decimal("999999999999999999999999999999999999.99")
        it.commit(bill(1, total=most), bill(2, total=most), bill(3, total=None), bill(4, day=date(2026, 3, 2)))
        assert it.to.measure("bill", [TOTAL])[0].sums == {"total": Decimal("2000000000000000000000000000000000009.98")}
        by_day = {m.group: m.sums["total"] for m in it.to.measure("bill", [TOTAL], by=DAY)}
        assert by_day == {
            "2026-03-01": Decimal("1999999999999999999999999999999999999.98"),
            "2026-03-02": Decimal("10.00"),
        }

    def test_d10_of_nothing_the_sum_is_none(self, it: Table) -> None:
        it.commit(bill(1, total=None))
        assert it.to.measure("bill", [TOTAL])[0].sums == {"total": None}
        it.commit(gone=Gone(keys=["1"]))
        (found,) = it.to.measure("bill", [TOTAL], stamp=STAMP)
        assert (found.count, found.sums, found.newest) == (0, {"total": None}, None)

    def test_d10_by_day_and_within_a_window(self, it: Table) -> None:
        days = [date(2026, 3, 1), date(2026, 3, 1), date(2026, 3, 2), None]
        it.commit(*(bill(i, day=day, total=Decimal(i)) for i, day in enumerate(days, start=1)))
        found = {m.group: (m.count, m.sums["total"]) for m in it.to.measure("bill", [TOTAL], by=DAY)}
        assert found == {"2026-03-01": (2, Decimal(3)), "2026-03-02": (1, Decimal(3)), None: (1, Decimal(4))}

        def within(**bounds: Any) -> list[str]:
            window = Window(column=DAY, **bounds)
            (measure,) = it.to.measure("bill", [], within=window)
            keys = sorted(key for lot in it.to.keys("bill", within=window) for key in lot)
            assert measure.count == len(keys)
            return keys

        assert within(low="2026-03-01", high="2026-03-02") == ["1", "2"]
        assert within(low="2026-03-02") == ["3"]
        assert within(null=True) == ["4"]

    def test_d10_a_window_of_stamps_holds_its_first_moment_and_not_its_last(self, it: Table) -> None:
        it.commit(bill(1), bill(2, **{STAMP.name: datetime(2026, 3, 20, 12, 0, 1, tzinfo=UTC)}))
        window = Window(column=STAMP, low="2026-03-20T12:00:00Z", high="2026-03-20T12:00:01Z")
        assert it.to.measure("bill", [], within=window)[0].count == 1

    def test_d10_a_window_of_keys_goes_by_their_characters(self, it: Table) -> None:
        it.commit(*(bill(key) for key in ("10", "9", "B", "a", "b", "\u00e9", "\U0001f600")))
        found = it.to.keys("bill", within=Window(column=KEY, low="9", high="b"))
        assert sorted(key for lot in found for key in lot) == ["9", "B", "a"]
        (measure,) = it.to.measure("bill", [], within=Window(column=KEY, low="b"))
        assert measure.count == 3
        some = Window(column=KEY, among=["9", "\u00e9", "none", "it's"])
        assert sorted(key for lot in it.to.keys("bill", within=some) for key in lot) == ["9", "\u00e9"]
        assert [one.group for one in it.to.measure("bill", [], by=KEY, within=some)] == ["9", "\u00e9"]

    def test_d10_several_sums_by_group_do_not_mix(self, it: Table) -> None:
        big, less = Decimal("123456789012345678901234567890.12"), Decimal("-123456789012345678901234567890.12")
        it.commit(bill(1, total=big, days=1), bill(2, total=less, days=None), bill(3, total=None, day=None, days=2**62))
        it.commit(bill(4, total=None, day=None, days=2**62))
        found = {m.group: m.sums for m in it.to.measure("bill", [DAYS, TOTAL], by=DAY)}
        assert found == {
            "2026-03-01": {"days": Decimal(1), "total": Decimal(0)},
            None: {"days": Decimal(2**63), "total": None},
        }

    def test_d10_keys_changed_since_a_moment(self, it: Table) -> None:
        it.commit(bill(1), bill(2, **{STAMP.name: datetime(2026, 3, 19, tzinfo=UTC)}), bill(3))
        it.commit(gone=Gone(keys=["3"]))
        assert it.to.keys_since("bill", STAMP.name, "2026-03-20T12:00:00Z") == ["1", "3"]

    def test_d10_quantiles_cut_keys_by_number_where_they_are_numbers(self, it: Table, to: Destination) -> None:
        it.commit(*(bill(i) for i in range(1, 101)))
        first, second, third = (int(key) for key in to.quantiles("bill", 4))
        assert [round(cut, -1) for cut in (first, second, third)] == [30, 50, 80]
        text = Table(to, "vendor")
        text.commit(*(bill(f"V{i}") for i in (1, 10, 2, 20)))
        assert to.quantiles("vendor", 2) == ["V2"]

    def test_d11_rows_are_read_back_by_key(self, it: Table) -> None:
        it.commit(bill(1), bill(2), bill(3))
        it.commit(gone=Gone(keys=["3"]))
        found = it.to.rows("bill", ["2", "3", "4"], [NAME, DAYS])
        assert found == {"2": {"name": "bill 2", "days": 30}}

    def test_d11_all_rows_as_arrow(self, it: Table) -> None:
        big = Decimal("9" * 36 + ".99")
        moment = NOON.replace(microsecond=5)
        it.commit(bill(1, total=big, **{STAMP.name: moment}), bill(2, name=None, day=None, paid=None), bill(3))
        it.commit(gone=Gone(keys=["3"]))
        found = it.to.arrow("bill", [TOTAL, KEY, NAME, DAYS, PAID, DAY, STAMP])
        assert found.schema.field("total").type == arrow_type(TOTAL)
        assert sorted(found.to_pylist(), key=lambda row: str(row["key"])) == [
            {**bill(1), "total": big, STAMP.name: moment},
            {**bill(2), "name": None, "day": None, "paid": None},
        ]
        it.commit(gone=Gone(keys=["1", "2"], hard=True))
        assert it.to.arrow("bill", [KEY, TOTAL]).num_rows == 0
