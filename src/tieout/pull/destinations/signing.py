"""Rows as somebody has signed them, and what has become of them: what does not depend on a database.

Both sides come in the order of their keys, so that a table of any size takes little memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

import msgspec

from tieout.errors import StoreError
from tieout.pull.destinations.base import Difference, SignOff
from tieout.pull.destinations.batch import Plain
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.names import MAX_NAME_BYTES
from tieout.pull.schema.types import Column, Kind

SIGN_OFFS = "_tieout_signoffs"
DATE = "_tieout_date"
"""The column of a copy that holds what a row was dated."""
_PREFIX = "_tieout_signed_"


class Row(msgspec.Struct, frozen=True):
    """One row: values in the order of the columns asked for."""

    key: str
    date: str | None
    values: Sequence[Plain]


class Kept(msgspec.Struct, frozen=True):
    """What is stored of a sign-off, beside the rows."""

    sign: SignOff
    columns: tuple[Column, ...]

    def text(self) -> str:
        """How a destination keeps it."""
        return msgspec.json.encode(self).decode()


def read_kept(text: str) -> Kept:
    """The sign-off behind a text."""
    kept = msgspec.json.decode(text, type=Kept)
    paths = tuple(column.path for column in kept.columns)
    return msgspec.structs.replace(kept, sign=msgspec.structs.replace(kept.sign, paths=paths))


def copy_name(table: str) -> str:
    """The table that holds the signed rows of a table."""
    name = _PREFIX + table.lower()
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    return _PREFIX + hashlib.sha256(table.lower().encode()).hexdigest()[:32]


def signed_columns(state: TableState) -> tuple[Column, ...]:
    """What is kept of each row: its fields, without the key."""
    return tuple(column for column in state.columns if column.path != "key")


def columns_now(kept: Kept, state: TableState) -> list[Column]:
    """The column that each signed one is today; without a name where the table has it no more."""
    now = {column.path: column for column in state.columns}
    return [now.get(column.path, msgspec.structs.replace(column, name="")) for column in kept.columns]


def dated(sign: SignOff, row: str, quote: Callable[[str], str]) -> str:
    """What a row is dated, in SQL; `row`: what it is called there."""
    date = f"{row}.{quote(sign.date.name)}"
    return date if sign.otherwise is None else f"coalesce({date}, {row}.{quote(sign.otherwise.name)})"


def end_of(sign: SignOff) -> str:
    """The first moment after what is signed, as a value of the date's column is spelt."""
    day = (sign.through + timedelta(days=1)).isoformat()
    return f"{day}T00:00:00Z" if sign.date.kind is Kind.TIMESTAMP else day


class Digest:
    """SHA-256 over rows in the order of their keys, one JSON array a line: key, date, values by path."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, counted and added as they pass."""
        for row in rows:
            self.rows += 1
            self._hash.update(msgspec.json.encode([row.key, row.date, *row.values]) + b"\n")
            yield row

    def text(self) -> str:
        """The digest of what has passed, in hexadecimal."""
        return self._hash.hexdigest()


def sealed(sign: SignOff, rows: Iterable[Row], columns: Sequence[Column]) -> SignOff:
    """The sign-off with the number and the digest of its rows, and what is kept of each."""
    digest = Digest()
    for _ in digest.passing(rows):
        pass
    paths = tuple(column.path for column in columns)
    return msgspec.structs.replace(sign, rows=digest.rows, digest=digest.text(), paths=paths)


def compared(
    table: str, kept: Kept, signed: Iterable[Row], live: Iterable[Row], columns: Sequence[Column], ignore: Sequence[str]
) -> Iterator[Difference]:
    """What differs. `live` rows hold `columns`, as `columns_now` gives them.

    Raises StoreError at the end where the signed rows are not the ones that were signed."""
    digest = Digest()
    ignored = set(ignore)
    pairs = list(zip(kept.columns, columns, strict=True))
    shown = [at for at, column in enumerate(columns) if column.name and column.path not in ignored]
    before, after = digest.passing(signed), iter(live)
    one, other = next(before, None), next(after, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            assert one is not None
            yield _difference(one.key, one.date, "deleted", _values(one, columns, shown), {})
            one = next(before, None)
        elif one is None or other.key < one.key:
            yield _difference(other.key, other.date, "added", {}, _values(other, columns, shown))
            other = next(after, None)
        else:
            differing = [at for at in shown if not _same(one.values[at], other.values[at], *pairs[at])]
            if differing:
                was, now = ({columns[at].path: row.values[at] for at in differing} for row in (one, other))
                yield _difference(one.key, one.date, "changed", was, now)
            one, other = next(before, None), next(after, None)
    if (digest.rows, digest.text()) != (kept.sign.rows, kept.sign.digest):
        raise StoreError(
            f"The rows kept for the sign-off of {table} by {kept.sign.by} are not those that were signed.",
            advice=f"Somebody has changed {copy_name(table)}: restore it from a backup, or sign off anew.",
        )


def _difference(key: str, date: str | None, what: str, before: dict[str, Plain], now: dict[str, Plain]) -> Difference:
    return msgspec.convert({"key": key, "date": date, "what": what, "before": before, "now": now}, Difference)


def _values(row: Row, columns: Sequence[Column], shown: Collection[int]) -> dict[str, Plain]:
    return {columns[at].path: row.values[at] for at in shown if row.values[at] is not None}


def _same(before: Plain, now: Plain, was: Column, column: Column) -> bool:
    if before == now:
        return True
    if before is None or now is None or (was.kind, was.scale) == (column.kind, column.scale):
        return False
    # The column was widened since: the value may only be spelt in another way.
    if column.kind is Kind.DECIMAL:
        return Decimal(str(before)) == Decimal(str(now))
    return str(before) == str(now)


def not_there(table: str) -> StoreError:
    """A table that was never pulled cannot be signed."""
    return StoreError(f"There is no table {table} to sign off.", advice="Run `tieout pull` first.")
