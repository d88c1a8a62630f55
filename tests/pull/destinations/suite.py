"""What every destination promises, by number. A destination's own tests subclass `DestinationSuite` and say how to make
one: `url(folder)`; two destinations with one folder are two programs at the same place.
"""

from __future__ import annotations

import signal
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.pull.destinations.ground import (
    COLUMNS,
    DAY,
    DAYS,
    KEY,
    NAME,
    NOON,
    OWNER,
    PAID,
    STAMP,
    SYNCED,
    TOTAL,
    Table,
    bill,
)
from tests.pull.destinations.suite_abreast import AbreastSuite
from tieout.errors import BusyError, StoreError
from tieout.pull.destinations.base import Child, Destination, Gone, OwnedLines, Seen
from tieout.pull.destinations.batch import Misfit
from tieout.pull.destinations.state import FORMAT, Backfill, Proven
from tieout.pull.schema.types import Column, Kind

NEWER = f'{{"format": {FORMAT + 1}, "table": "bill"}}'
"""A state in a format to come."""
COMMITS = """
import sys
from pathlib import Path
from tests.pull.destinations.ground import Table, bill
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.base import Gone, Seen
it = Table(open_destination(Path(sys.argv[1]), sys.argv[2]))
it.state = it.to.state("bill") or it.state
for number in range(1, int(sys.argv[3]) + 1):
    rows = [bill(n, days=number) for n in range(1, 50 * number + 1)]
    it.commit(*rows, seen=Seen(first=True, last=number > 1), gone=Gone(keys=["1"], hard=True))
    print(number, flush=True)
"""
"""A program that writes 50 rows more in each commit, and takes one out."""


class DestinationSuite(AbreastSuite):
    """Subclassed by each destination."""

    # D1: compare and set

    def test_d1_one_of_two_commits_on_the_same_state_wins(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1))
        other = Table(self.place(tmp_path))
        other.state = before = it.state
        it.commit(bill(2), after={"watermark": "2026-03-20T09:00:00Z"})
        with pytest.raises(BusyError, match="Another run has written table bill"):
            other.commit(bill(1, name="older"), bill(3))
        assert (other.keys(), it.row("1")["name"]) == (["1", "2"], "bill 1")
        assert it.to.state("bill") == it.state
        assert it.state.version == before.version + 1

    def test_d1_two_first_commits_are_one(self, it: Table, tmp_path: Path) -> None:
        other = Table(self.place(tmp_path))
        it.commit(bill(1))
        with pytest.raises(BusyError):
            other.commit(bill(2))
        assert it.keys() == ["1"]

    def test_d1_a_child_that_moved_stops_all_of_it(self, it: Table, to: Destination) -> None:
        it.commit(bill(1))
        lines = Table(to, "bill_line", (KEY, OWNER, STAMP))
        lines.commit({"key": "11", "bill__key": "1", STAMP.name: NOON})
        stale = lines.state
        lines.commit()
        with pytest.raises(BusyError, match="bill_line"):
            it.commit(gone=Gone(keys=["1"]), children=[Child(state=stale, owner=OWNER.name)])
        assert (it.keys(), lines.keys()) == (["1"], ["11"])

    # D2, D3: merge and counts

    def test_d2_rows_are_merged_by_key_and_counted(self, it: Table) -> None:
        first = it.commit(bill(1), bill(2))
        second = it.commit(bill(2), bill(1, total=Decimal("11.00")), bill(3))
        assert [(d.new, d.changed, d.state.rows) for d in (first, second)] == [(2, 0, 2), (1, 1, 3)]
        assert it.row("1")["total"] == "11.00"

    def test_d2_null_equals_null_and_empty_text_is_not_null(self, it: Table) -> None:
        it.commit(bill(1, name=None), bill(2, name=""))
        assert it.commit(bill(1, name=None), bill(2, name="")).changed == 0
        assert it.commit(bill(1, name=""), bill(2, name=None)).changed == 2
        assert (it.row("1")["name"], it.row("2")["name"]) == ("", None)

    def test_d2_columns_that_do_not_come_stay(self, it: Table) -> None:
        it.commit(bill(1, total=Decimal("7.00")))
        it.commit({"key": "1", "name": "other"}, columns=(KEY, NAME))
        assert (it.row("1")["name"], it.row("1")["total"]) == ("other", "7.00")

    def test_d2_a_first_read_that_goes_on_may_bring_rows_again(self, it: Table) -> None:
        """Rows that were committed before the program was killed, and rows of a page that has moved."""
        open_ended = {"backfill": Backfill(since=SYNCED, position=2, last_key="2")}
        it.commit(bill(1), bill(2, **{STAMP.name: None}), after=open_ended)
        done = it.commit(bill(2, name="later"), bill(3), bill(1), after=open_ended)
        assert (done.new, done.changed, done.state.rows, done.state.unstamped) == (1, 1, 3, 0)
        assert (it.keys(), it.row("2")["name"]) == (["1", "2", "3"], "later")
        done = it.commit(bill(4, **{STAMP.name: None}), after={"backfill": None})
        assert (done.new, done.state.rows, done.state.unstamped) == (1, 4, 1)

    def test_d2_many_rows_of_which_the_last_are_there_already(self, it: Table) -> None:
        begun = {"backfill": Backfill(since=SYNCED, position=2, last_key="2")}
        it.commit(bill(900), bill(901), after=begun)
        done = it.commit(*(bill(i) for i in range(1, 901)), after=begun)
        assert (done.new, done.changed, done.state.rows, len(it.keys())) == (899, 0, 901, 901)

    def test_d2_many_rows_at_once(self, it: Table) -> None:
        it.commit(*(bill(i) for i in range(1, 1003)))
        done = it.commit(*(bill(i, days=i % 2 + 30) for i in range(1003, 0, -1)))
        assert (done.new, done.changed, done.state.rows) == (1, 501, 1003)
        assert {it.row(str(i))["days"] - i % 2 for i in (1, 100, 101, 500, 1002, 1003)} == {30}

    def test_d2_a_row_marked_deleted_that_comes_back_is_live_and_changed(self, it: Table) -> None:
        it.commit(bill(1), bill(2))
        it.commit(gone=Gone(keys=["2"]))
        done = it.commit(bill(2))
        assert (done.new, done.changed, it.keys()) == (0, 1, ["1", "2"])

    def test_d3_rows_without_a_stamp_are_counted(self, it: Table) -> None:
        assert it.commit(bill(1), bill(2, **{STAMP.name: None})).state.unstamped == 1
        assert not it.state.stamped
        assert it.commit(gone=Gone(keys=["2"])).state.unstamped == 0
        assert it.commit(bill(1), after={"stamp": ""}).state.unstamped == 0

    # D4: columns

    def test_d4_a_new_column_is_added_in_the_same_commit(self, it: Table) -> None:
        it.commit({"key": "1", "name": "a"}, {"key": "2"}, columns=(KEY, NAME), after={"stamp": ""})
        it.commit({"key": "1", "name": "a", "days": 5}, columns=(KEY, NAME, DAYS))
        assert (it.row("1")["days"], it.row("2")["days"]) == (5, None)

    @pytest.mark.parametrize(
        ("old", "new", "values", "became"),
        [
            ((Kind.INTEGER, 0), (Kind.DECIMAL, 2), [2**62, -3, None], ["4611686018427387904.00", "-3.00", None]),
            ((Kind.DECIMAL, 2), (Kind.DECIMAL, 4), [Decimal("-0.10"), Decimal("7.00")], ["-0.1000", "7.0000"]),
            ((Kind.DECIMAL, 0), (Kind.DECIMAL, 3), [Decimal(12), None], ["12.000", None]),
            ((Kind.DECIMAL, 2), (Kind.TEXT, 0), [Decimal("1234567890.10"), None], ["1234567890.10", None]),
            ((Kind.INTEGER, 0), (Kind.TEXT, 0), [-5, None], ["-5", None]),
            ((Kind.BOOLEAN, 0), (Kind.TEXT, 0), [True, False, None], ["true", "false", None]),
            ((Kind.DATE, 0), (Kind.TEXT, 0), [date(2026, 3, 1), None], ["2026-03-01", None]),
            (
                (Kind.TIMESTAMP, 0),
                (Kind.TEXT, 0),
                [NOON, NOON.replace(microsecond=5)],
                ["2026-03-20T12:00:00Z", "2026-03-20T12:00:00.000005Z"],
            ),
        ],
    )
    def test_d4_a_column_gets_a_wider_type_in_place(
        self, to: Destination, old: tuple[Kind, int], new: tuple[Kind, int], values: list[Any], became: list[Any]
    ) -> None:
        column = Column(path="x", name='x "%', kind=old[0], scale=old[1])
        wider = Column(path="x", name=column.name, kind=new[0], scale=new[1])
        it = Table(to, columns=(KEY, column, STAMP))
        it.commit(*({"key": str(n), column.name: value} for n, value in enumerate(values)))
        first = "later" if new[0] is Kind.TEXT else Decimal(1)
        it.columns = (KEY, wider, STAMP)
        done = it.commit({"key": "0", column.name: first, STAMP.name: NOON})
        assert [it.row(str(n))["x"] for n in range(1, len(values))] == became[1:]
        assert done.changed == 1
        if new[0] is Kind.DECIMAL:
            sums = to.measure("bill", [wider])[0].sums[column.name]
            assert sums == 1 + sum(Decimal(value) for value in became[1:] if value is not None)
        assert to.state("bill") == it.state
        it.commit({"key": "0", column.name: Decimal(became[0]) if new[0] is Kind.DECIMAL else became[0]})
        assert it.row("0")["x"] == became[0]

    def test_d4_what_rests_on_a_column_that_gets_wider_is_named_and_nothing_is_written(
        self, it: Table, tmp_path: Path
    ) -> None:
        it.commit(bill(1))
        self.alter(tmp_path, "bill", "rest days")
        before, wider = it.state, Column(path="days", name="days", kind=Kind.TEXT)
        columns = tuple(wider if c is DAYS else c for c in COLUMNS)
        with pytest.raises(StoreError, match="of yours"):
            it.commit(bill(1, days="x"), columns=columns)
        assert (it.to.state("bill"), it.row("1")["days"]) == (before, 30)

    def test_d4_a_rule_of_other_people_is_named_without_values_and_nothing_is_written(
        self, it: Table, tmp_path: Path
    ) -> None:
        it.commit(bill(1, name="of one person"))
        self.alter(tmp_path, "bill", "unique name")
        with pytest.raises(StoreError, match=r"rule that somebody added.*(theirs|bill\.name|the same name)") as caught:
            it.commit(bill(2, name="of one person"))
        assert "person" not in str(caught.value)
        assert "Drop or loosen" in caught.value.advice
        assert it.keys() == ["1"]
        it.commit(bill(2, name="of another"))
        with pytest.raises(StoreError, match=r"rule that somebody added.*(theirs|bill\.name|the same name)"):
            it.commit(bill(2, name="of one person"))

    def test_d4_people_can_read_what_the_columns_are(self, to: Destination, tmp_path: Path) -> None:
        it = Table(to, columns=(KEY, STAMP))
        it.commit({"key": "1"})
        it.commit({"key": "1", "total": None}, columns=(KEY, TOTAL, STAMP), synced="2026-04-01T00:00:00Z")
        it.commit(synced="2026-05-01T00:00:00Z", after={"gone": ("total",)})
        it.commit({"key": "1"}, columns=(KEY, DAYS, STAMP), synced="2026-06-01T00:00:00Z")
        stamp = ("audit.modifiedDateTime", STAMP.name, "timestamp", "Audit modified date time", SYNCED, None)
        total = ("total", "total", "decimal(2)", "Total", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z")
        shown = self.select(tmp_path, "SELECT path, column_name, type, label, since, gone FROM _tieout_columns")
        days = ("days", "days", "integer", "Days", "2026-06-01T00:00:00Z", None)
        assert sorted(shown) == [stamp, days, ("key", "key", "text", "Key", SYNCED, None), total]
        it.commit(synced="2026-07-01T00:00:00Z", after={"gone": ()})
        assert self.select(tmp_path, "SELECT gone FROM _tieout_columns WHERE path = 'total'") == [(None,)]

    def test_d4_each_row_tells_when_it_was_written(self, it: Table, to: Destination, tmp_path: Path) -> None:
        it.commit(bill(1), bill(2), bill(3))
        it.commit(bill(1), bill(2, days=1), bill(4), gone=Gone(keys=["3"]), synced="2026-04-01T00:00:00Z")
        synced = self.marks(tmp_path, "bill", "_tieout_synced")
        assert {key: str(moment)[:10] for key, moment in synced.items()} == {
            "1": "2026-03-20", "2": "2026-04-01", "3": "2026-04-01", "4": "2026-04-01",
        }  # fmt: skip

    def test_d4_a_table_of_an_earlier_tieout_gets_what_every_table_has(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1))
        self.alter(tmp_path, "bill", "drop _tieout_synced")
        assert it.commit(bill(2), synced="2026-04-01T00:00:00Z").new == 1
        synced = self.marks(tmp_path, "bill", "_tieout_synced")
        assert [str(synced[key])[:10] for key in ("1", "2")] == ["None", "2026-04-01"]

    # D5: state

    def test_d5_the_state_is_kept_as_it_was_committed(self, it: Table, tmp_path: Path) -> None:
        proven = Proven(version=1, count=1, sums={"total": Decimal("10.00")}, newest=SYNCED, at=SYNCED, measured=SYNCED)
        after = {
            "watermark": "2026-03-20T09:58:00Z",
            "backfill": Backfill(since="2026-03-20T09:58:00Z", position=7, last_key="1"),
            "proven": proven,
            "lines": ("bill_line",),
            "fields": ("key", "name"),
        }
        it.commit(bill(1), after=after)
        assert self.place(tmp_path).state("BILL") == it.state
        assert self.place(tmp_path).state("other") is None

    def test_d5_tables_are_listed_by_name(self, to: Destination) -> None:
        assert to.tables() == []
        for name in ("vendor", "bill"):
            Table(to, name).commit(bill(1))
        assert [(found.state.table, found.damage) for found in to.tables()] == [("bill", ""), ("vendor", "")]

    def test_d5_a_state_of_a_newer_tieout_is_refused(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1))
        self.alter(tmp_path, "bill", "newer")
        with pytest.raises(StoreError, match="newer tieout"):
            it.to.state("bill")
        with pytest.raises(StoreError, match="newer tieout"):
            it.commit(bill(2))

    # D6: misfits

    def test_d6_misfits_of_rows_that_come_are_replaced(self, it: Table) -> None:
        it.commit(bill(1), bill(2), misfits=[Misfit("1", "days", '"x"'), Misfit("2", "days", '"y"')])
        it.commit(bill(1), misfits=[Misfit("1", "total", '"z"')])
        assert it.to.misfits("bill") == {"days": 1, "total": 1}
        it.commit(gone=Gone(keys=["2"], hard=True))
        assert it.to.misfits("bill") == {"total": 1}

    def test_d6_a_row_without_a_key_is_kept_once_however_often_it_comes(self, it: Table) -> None:
        lost = [Misfit("", "key", '{"id": "it\'s 7"}'), Misfit("", "key", '{"id": "8"}')]
        it.commit(bill(1), misfits=lost)
        it.commit(bill(1), misfits=lost[:1])
        it.commit(misfits=[*lost[1:], Misfit("", "key", '{"id": "9"}'), Misfit("1", "days", '{"id": "8"}')])
        assert it.to.misfits("bill") == {"key": 3, "days": 1}

    # D7: what a read did not see

    def test_d7_rows_that_no_commit_of_a_read_held_are_marked_at_its_end(self, it: Table, tmp_path: Path) -> None:
        it.commit(*(bill(i) for i in range(1, 6)))
        it.commit(bill(1), bill(2), seen=Seen(first=True, last=False))
        again = Table(self.place(tmp_path))  # another program goes on with the read
        again.state = it.state
        done = again.commit(bill(5), seen=Seen(first=False, last=True))
        assert (done.gone, done.state.rows, again.keys()) == (2, 3, ["1", "2", "5"])
        marks = self.marks(tmp_path, "bill")
        assert {key for key, mark in marks.items() if mark} == {"3", "4"}

    def test_d7_a_new_read_forgets_what_an_earlier_one_saw(self, it: Table) -> None:
        it.commit(bill(1), bill(2))
        it.commit(bill(2), seen=Seen(first=True, last=False))
        assert it.commit(bill(1), seen=Seen(first=True, last=True)).gone == 1
        assert it.keys() == ["1"]

    def test_d7_keys_alone_are_seen_too_and_bring_no_rows(self, it: Table, to: Destination) -> None:
        it.commit(*(bill(i) for i in range(1, 6)))
        it.commit(gone=Gone(keys=["5"]))
        it.commit(bill(1), seen=Seen(first=True, last=False, keys=["2", "77"]))
        assert sorted(key for lot in to.unseen("bill") for key in lot) == ["3", "4"]
        it.commit(seen=Seen(first=False, last=False, keys=["3"]))
        assert [key for lot in to.unseen("bill") for key in lot] == ["4"]
        assert it.keys() == ["1", "2", "3", "4"]
        it.commit(gone=Gone(keys=["4"]), seen=Seen(first=True, last=False))
        assert sorted(key for lot in to.unseen("bill") for key in lot) == ["1", "2", "3"]

    def test_d7_the_end_of_a_read_takes_lines_along(self, it: Table, to: Destination, tmp_path: Path) -> None:
        it.commit(bill(1), bill(2))
        lines = Table(to, "bill_line", (KEY, OWNER, STAMP))
        lines.commit(*({"key": f"{o}1", "bill__key": str(o), STAMP.name: NOON} for o in (1, 2)))
        child = Child(state=lines.state, owner=OWNER.name)
        done = it.commit(bill(1), seen=Seen(first=True, last=True, hard=True), children=[child])
        assert (done.gone, done.children_gone, lines.keys()) == (1, 1, ["11"])
        assert (self.marks(tmp_path, "bill"), self.marks(tmp_path, "bill_line")) == ({"1": None}, {"11": None})

    # D8, D9: rows and lines that are gone

    def test_d8_gone_rows_are_marked_once_with_intaccts_clock(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1), bill(2))
        assert it.commit(gone=Gone(keys=["2", "unknown"])).gone == 1
        first = self.marks(tmp_path, "bill")["2"]
        assert it.commit(gone=Gone(keys=["2"]), synced="2026-04-01T00:00:00Z").gone == 0
        assert self.marks(tmp_path, "bill") == {"1": None, "2": first}
        assert str(first).startswith("2026-03-20")

    def test_d8_gone_for_good(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1), bill(2))
        assert it.commit(gone=Gone(keys=["2"], hard=True)).gone == 1
        assert self.marks(tmp_path, "bill") == {"1": None}

    @pytest.mark.parametrize("hard", [False, True])
    def test_d8_lines_of_documents_that_are_gone_go_with_them(self, it: Table, to: Destination, hard: bool) -> None:
        it.commit(bill(1), bill(2))
        lines = Table(to, "bill_line", (KEY, OWNER, STAMP))
        lines.commit(*({"key": f"{o}{n}", "bill__key": str(o), STAMP.name: NOON} for o in (1, 2) for n in (1, 2)))
        child = Child(state=lines.state, owner=OWNER.name)
        done = it.commit(gone=Gone(keys=["2"], hard=hard), children=[child])
        assert (done.gone, done.children_gone, lines.keys()) == (1, 2, ["11", "12"])
        assert done.children["bill_line"] == to.state("bill_line")
        assert (done.children["bill_line"].rows, done.children["bill_line"].version) == (2, 2)

    @pytest.mark.parametrize("hard", [False, True])
    def test_d9_lines_that_left_their_document_are_gone(self, to: Destination, tmp_path: Path, hard: bool) -> None:
        lines = Table(to, "bill_line", (KEY, OWNER, STAMP))
        row = {STAMP.name: NOON}
        lines.commit(*(row | {"key": k, "bill__key": o} for k, o in (("1", "a"), ("2", "a"), ("3", "b"))))
        left = OwnedLines(column=OWNER.name, owners=["a"], present=["1"], hard=hard)
        done = lines.commit(row | {"key": "1", "bill__key": "a"}, lines=left)
        assert (done.lines_gone, lines.keys()) == (1, ["1", "3"])
        assert ("2" in self.marks(tmp_path, "bill_line")) is not hard

    # D12: what people made or changed

    def test_d12_a_table_that_tieout_did_not_make_is_left_alone(self, it: Table, tmp_path: Path) -> None:
        self.alter(tmp_path, "Bill", "make")
        with pytest.raises(StoreError, match="did not make"):
            it.commit(bill(1))
        assert it.to.state("bill") is None

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [("drop total", "lost its column total"), ("retype total", "total of table bill"), ("remove", "is gone")],
    )
    def test_d12_a_table_changed_by_hand_is_named_and_left_alone(
        self, it: Table, tmp_path: Path, change: str, sentence: str
    ) -> None:
        it.commit(bill(1))
        self.alter(tmp_path, "bill", change)
        with pytest.raises(StoreError, match=sentence):
            it.to.state("bill")
        with pytest.raises(StoreError, match=sentence):
            it.commit(bill(2))
        (found,) = it.to.tables()
        assert sentence in found.damage

    def test_d12_a_column_that_somebody_added_is_no_damage(self, it: Table, tmp_path: Path) -> None:
        it.commit(bill(1))
        self.alter(tmp_path, "bill", "add remark")
        assert it.commit(bill(1, days=1), bill(2)).state.rows == 2

    # D13: places

    def test_d13_a_place_that_is_not_there_is_named_before_anything_is_written(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError):
            self.place(tmp_path / "missing" / "deeper").check()

    def test_d13_equal_places_are_equal(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        assert self.place(tmp_path).identity() == self.place(tmp_path / "sub" / "..").identity()
        assert self.place(tmp_path).identity() != self.place(tmp_path / "sub").identity()

    # D14: a program that is killed

    @pytest.mark.parametrize(("point", "version"), [("pull.before_commit:2", 1), ("pull.after_commit:2", 2)])
    def test_d14_killed_at_a_commit_it_is_there_or_it_never_was(
        self, it: Table, forked: Forks, tmp_path: Path, point: str, version: int
    ) -> None:
        code, _ = forked.run(COMMITS, tmp_path, self.url(tmp_path), 2, environment={"TIEOUT_CRASH_AT": point})
        assert code == -signal.SIGKILL
        self.assert_whole(it, version)

    def test_d14_killed_anywhere_rows_and_state_agree(self, it: Table, forked: Forks, tmp_path: Path) -> None:
        program = forked.start(COMMITS, tmp_path, self.url(tmp_path), 1000)
        while forked.heard(program) != "3":
            pass
        forked.kill(program)
        state = it.to.state("bill")
        assert state is not None
        assert state.version >= 3
        self.assert_whole(it, state.version)

    def assert_whole(self, it: Table, version: int) -> None:
        """The table is as that commit of `COMMITS` left it, and takes another."""
        state = it.to.state("bill")
        assert state is not None
        assert (state.version, state.rows) == (version, 50 * version - 1)
        (measure,) = it.to.measure("bill", [DAYS])
        assert (measure.count, measure.sums) == (state.rows, {"days": Decimal(version * state.rows)})
        it.state = state
        assert it.commit(bill(1), seen=Seen(first=True, last=True)).gone == state.rows

    # D15, D16: values and names

    def test_d15_values_come_back_as_they_went_in(self, it: Table) -> None:
        first = datetime(1, 1, 1, tzinfo=UTC)
        last = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
        it.commit(
            bill(1, total=Decimal("-0.01"), days=-(2**63), paid=None, day=date(1, 1, 1), **{STAMP.name: first}),
            bill(2, total=Decimal("9" * 36 + ".99"), days=2**63 - 1, paid=True, day=None, **{STAMP.name: last}),
            bill("k'\"\\ 3", name="a\tb\n'\"\\ \u20ac \U0001f600" + "x" * 1_000_000),
        )
        one, two = it.row("1"), it.row("2")
        assert [one[c.path] for c in (TOTAL, DAYS, PAID, DAY, STAMP)] == [
            "-0.01", -(2**63), None, "0001-01-01", "0001-01-01T00:00:00Z",
        ]  # fmt: skip
        assert [two[c.path] for c in (TOTAL, DAYS, PAID, DAY, STAMP)] == [
            "9" * 36 + ".99", 2**63 - 1, True, None, "9999-12-31T23:59:59.999999Z",
        ]  # fmt: skip
        assert it.row("k'\"\\ 3")["name"] == "a\tb\n'\"\\ \u20ac \U0001f600" + "x" * 1_000_000

    @pytest.mark.parametrize("name", ['bill"; DROP TABLE _tieout_state; --', "select", "batch", "a b", "Ä", "100% ?"])
    def test_d16_any_name_will_do(self, to: Destination, name: str) -> None:
        odd = Column(path="x", name='x"; %s ? --', kind=Kind.TEXT)
        it = Table(to, name, (KEY, odd, STAMP))
        it.commit({"key": "1", odd.name: "a", STAMP.name: NOON}, {"key": "2", STAMP.name: NOON})
        done = it.commit({"key": "1", odd.name: "b", STAMP.name: NOON}, seen=Seen(first=True, last=True))
        assert (done.changed, done.gone, it.row("1")["x"]) == (1, 1, "b")

    def test_d16_names_of_63_bytes_and_names_like_tieouts_own(self, to: Destination) -> None:
        long = Column(path="x", name="\u00e9" * 31 + "x", kind=Kind.TEXT)
        used = [Column(path=name, name=name, kind=Kind.TEXT) for name in ("rows", "t", "s", "excluded", "value", "n")]
        it = Table(to, "b" * 63, (KEY, long, *used, STAMP))
        row = {"key": "1", long.name: "a", STAMP.name: NOON} | {c.name: c.name for c in used}
        it.commit(row)
        done = it.commit(row | {"t": "b"}, {"key": "2"}, seen=Seen(first=True, last=True))
        assert (done.new, done.changed, it.row("1")["t"], it.row("1")["rows"]) == (1, 1, "b", "rows")
        assert it.to.state("b" * 63) == it.state

    # and the end of a table

    def test_a_dropped_table_is_as_if_it_had_never_been(self, it: Table, to: Destination) -> None:
        other = Table(to, "vendor")
        other.commit(bill(1))
        it.commit(bill(1), misfits=[Misfit("1", "days", '"x"')])
        to.drop("bill")
        to.drop("bill")
        assert [found.state.table for found in to.tables()] == ["vendor"]
        again = Table(to)
        assert again.commit(bill(2)).state.rows == 1
        assert to.misfits("bill") == {}
