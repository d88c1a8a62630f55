"""Whatever is committed, in whatever order: every destination holds what a dict holds, and says so."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.pull.destinations.ground import DAY, KEY, NAME, OWNER, STAMP, TOTAL, Table
from tieout.pull.destinations.base import Child, Gone, OwnedLines, Seen
from tieout.pull.destinations.batch import Misfit, plain
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.state import Backfill
from tieout.pull.schema.types import Column

ALL = (KEY, NAME, OWNER, TOTAL, DAY, STAMP)
WITHOUT_SUMS = (KEY, NAME, OWNER, DAY, STAMP)
KEYS = ("1", "2", "10", "k'%s")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    NAME.name: st.sampled_from([None, "", "a", "A", '"\\', "NULL"]),
    OWNER.name: st.sampled_from([None, *KEYS]),
    TOTAL.name: st.none() | st.decimals(min_value=-(10**35), max_value=10**35, places=2),
    DAY.name: st.sampled_from([None, date(1, 1, 1), date(2026, 3, 1), date(9999, 12, 31)]),
    STAMP.name: st.sampled_from([None, *(datetime(2026, 3, 20, 12, 0, 0, us, UTC) for us in (0, 5))]),
}
some_keys = st.lists(st.sampled_from(KEYS), unique=True, max_size=3)
some_rows = st.lists(
    st.fixed_dictionaries({"key": st.sampled_from(KEYS), **VALUES}), max_size=4, unique_by=lambda r: r["key"]
)


class Model:
    """One table as a dict."""

    def __init__(self) -> None:
        self.live: dict[str, dict[str, Any]] = {}
        self.dead: dict[str, dict[str, Any]] = {}
        self.seen: set[str] = set()
        self.misfits: dict[str, int] = {}

    def merge(self, rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> tuple[int, int]:
        new = changed = 0
        for row in rows:
            values = {c.name: row[c.name] for c in columns}
            was = self.live.get(row["key"]) or self.dead.get(row["key"])
            new += was is None
            changed += was is not None and (row["key"] in self.dead or any(was[n] != v for n, v in values.items()))
            self.dead.pop(row["key"], None)
            self.live[row["key"]] = {c.name: None for c in ALL} | (was or {}) | values
        return new, changed

    def remove(self, keys: set[str], *, hard: bool) -> int:
        keys &= self.live.keys()
        for key in keys:
            row = self.live.pop(key)
            if hard:
                self.misfits.pop(key, None)
            else:
                self.dead[key] = row
        return len(keys)

    def owned(self, owners: Sequence[str]) -> set[str]:
        return {key for key, row in self.live.items() if row[OWNER.name] in owners}


class Machine(RuleBasedStateMachine):
    """The same commits everywhere."""

    def __init__(self, folder: Path, warehouse: str) -> None:
        super().__init__()
        name = uuid.uuid4().hex[:12]
        urls = (
            f"duckdb:///{name}.duckdb",
            f"sqlite:///{name}.db",
            f"{warehouse}?schema=m{name}",
            f"parquet:///{name}",
        )
        self.places = [open_destination(folder, url) for url in urls]
        self.bills = [Table(place, "bill", ALL) for place in self.places]
        self.lines = [Table(place, "bill_line", ALL) for place in self.places]
        self.bill, self.line = Model(), Model()
        self.moment = 0
        for table in (*self.bills, *self.lines):  # made, with all columns
            table.commit()

    @rule(
        rows=some_rows,
        columns=st.sampled_from([ALL, WITHOUT_SUMS]),
        first=st.booleans(),
        last=st.booleans(),
        gone=st.none() | st.builds(Gone, keys=some_keys, hard=st.booleans()),
        reading=st.booleans(),
        hard=st.booleans(),
        odd=some_keys,
        also=some_keys,
    )
    def pull_bills(
        self,
        rows: list[dict[str, Any]],
        columns: tuple[Column, ...],
        first: bool,
        last: bool,
        gone: Gone | None,
        reading: bool,
        hard: bool,
        odd: list[str],
        also: list[str],
    ) -> None:
        seen = Seen(first=first, last=last, hard=hard, keys=also) if reading else None
        odd = [key for key in odd if key in {row["key"] for row in rows}]
        backfill = None if last else Backfill(since="2026-03-20T10:00:00Z", position=1, last_key="", marking=reading)
        new, changed = self.bill.merge(rows, columns)
        leaving = self._leaving(rows, seen, gone)
        hardly = bool(gone and gone.keys and gone.hard) or bool(seen and seen.last and seen.hard)
        followed = self.line.remove(self.line.owned(sorted(leaving)), hard=hardly)
        left = self.bill.remove(leaving, hard=hardly)
        for row in rows:
            self.bill.misfits.pop(row["key"], None)
        self.bill.misfits |= dict.fromkeys(odd, 1)
        for table, lines in zip(self.bills, self.lines, strict=True):
            done = table.commit(
                *rows,
                columns=columns,
                seen=seen,
                gone=gone,
                misfits=[Misfit(key, "days", '"x"') for key in odd],
                children=[Child(state=lines.state, owner=OWNER.name)],
                after={"backfill": backfill},
                synced=self._clock(),
            )
            lines.state = done.children.get("bill_line", lines.state)
            assert (done.new, done.changed, done.gone, done.children_gone) == (new, changed, left, followed), table.to

    @rule(rows=some_rows, owners=some_keys, present=some_keys, hard=st.booleans())
    def pull_lines(self, rows: list[dict[str, Any]], owners: list[str], present: list[str], hard: bool) -> None:
        new, changed = self.line.merge(rows, ALL)
        left = self.line.remove(self.line.owned(owners) - set(present), hard=hard)
        owned = OwnedLines(column=OWNER.name, owners=owners, present=present, hard=hard)
        for table in self.lines:
            done = table.commit(*rows, lines=owned, synced=self._clock())
            assert (done.new, done.changed, done.lines_gone) == (new, changed, left), table.to

    @invariant()
    def all_is_as_in_the_dict(self) -> None:
        for table in self.bills:
            left = sorted(key for lot in table.to.unseen("bill") for key in lot)
            assert left == sorted(self.bill.live.keys() - self.bill.seen), table.to
        for model, tables in ((self.bill, self.bills), (self.line, self.lines)):
            rows = {key: _spelt(row) for key, row in model.live.items()}
            for table in tables:
                state = table.to.state(table.state.table)
                assert state == table.state, table.to
                assert state.rows == len(rows), table.to
                assert state.unstamped == sum(row[STAMP.path] is None for row in rows.values()), table.to
                assert table.to.rows(state.table, KEYS, ALL) == rows, table.to
                assert table.keys() == sorted(rows), table.to
                by_day = {m.group: (m.count, m.sums["total"]) for m in table.to.measure(state.table, [TOTAL], by=DAY)}
                assert by_day == _by_day(model), table.to
                assert sum(table.to.misfits(state.table).values()) == len(model.misfits), table.to

    def _leaving(self, rows: Sequence[dict[str, Any]], seen: Seen | None, gone: Gone | None) -> set[str]:
        leaving = set(gone.keys) if gone else set()
        if seen is not None:
            kept = (set() if seen.first else self.bill.seen) | {row["key"] for row in rows} | set(seen.keys)
            self.bill.seen = set() if seen.last else kept
            leaving |= self.bill.live.keys() - kept if seen.last else set()
        return leaving & self.bill.live.keys()

    def _clock(self) -> str:
        self.moment += 1
        return f"2026-03-20T{self.moment // 60 % 24:02}:{self.moment % 60:02}:00Z"


def _spelt(row: dict[str, Any]) -> dict[str, Any]:
    return {c.path: plain(c, [row[c.name]])[0] for c in ALL}


def _by_day(model: Model) -> dict[str | None, tuple[int, Decimal | None]]:
    days: dict[str | None, list[Decimal | None]] = {}
    for row in model.live.values():
        days.setdefault(_spelt(row)[DAY.path], []).append(row[TOTAL.name])
    return {day: (len(totals), _added([t for t in totals if t is not None])) for day, totals in days.items()}


def _added(totals: Sequence[Decimal]) -> Decimal | None:
    cents = [int(total.scaleb(2, _EXACT)) for total in totals]
    return Decimal(sum(cents)).scaleb(-2, _EXACT) if cents else None


_EXACT = Context(prec=60)


def test_all_destinations_hold_what_a_dict_holds(tmp_path: Path, warehouse: str) -> None:
    short = settings(max_examples=6, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: Machine(tmp_path, warehouse), settings=short)
