"""Bytes of a query's page -> Arrow columns, without a Python object per row that outlives the page.

Arrow reads what fits (`whole_page`). A page that does not fit is decoded into a struct made from the columns, what does
not fit there value by value, and the columns that caused it are read that way from then on (rule 9). Knows no database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tieout.errors import ReplyError
from tieout.pull.destinations.batch import Batch, Misfit
from tieout.pull.destinations.plain_batch import PlainBatch
from tieout.pull.reading import cells
from tieout.pull.reading.whole_columns import plain_column, whole_column
from tieout.pull.reading.whole_page import Whole, WholePages
from tieout.pull.schema.types import Column, Kind, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from tieout.rest.rows import Meta


_NUL = b"\\u0000"
"""How JSON spells the one character that a table's text may not hold."""
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation)
"""What msgspec says of bytes that are not what was asked for."""


class Page(msgspec.Struct):
    """One decoded page. `rows` counts what Intacct sent; `batch` may hold fewer (rows without a key)."""

    batch: Batch
    misfits: list[Misfit]
    rows: int
    total: int
    next: int | None


class Looked(msgspec.Struct, frozen=True):
    """A page on its way through `Decoder`: its bytes, where they are still needed, and what was read of them."""

    body: bytes
    whole: Whole | None


class Decoder:
    """Reads the pages of one query. `look` is for any thread, the rest for one at a time: it learns which columns need
    the slow way."""

    def __init__(self, columns: Sequence[Column], *, plain: bool = False) -> None:
        """`plain`: batches are spelt as `Batch.columns` does, and typed only where somebody asks for it."""
        self.columns = tuple(columns)
        self._plain = plain
        self._key = next(i for i, column in enumerate(self.columns) if column.path == "key")
        self._loose: set[int] = set()
        self._texts = {i for i, column in enumerate(self.columns) if column.kind is Kind.TEXT}
        self._learnt()

    @property
    def loose(self) -> tuple[str, ...]:
        """Paths of the columns that are read value by value."""
        return tuple(self.columns[i].path for i in sorted(self._loose))

    def look(self, body: bytes) -> Looked:
        """What can be read of a page without looking at single values."""
        whole = self._pages.read(body)
        complete = whole is not None and len(whole.columns) == len(self.columns)
        return Looked(b"" if complete else body, whole)

    def read(self, body: bytes) -> Page:
        """Raises ReplyError when the body is no page of a query at all."""
        return self.finish(self.look(body))

    def finish(self, looked: Looked) -> Page:
        """The same for what `look` has found."""
        body, whole = looked.body, looked.whole
        if whole is not None:
            slow = [index for index in range(len(self.columns)) if index not in whole.columns]
            values = self._values(body, slow)
            if values is not None:
                return self._finished(whole, values)
        try:
            rows, meta = self._decode(body)
        except _BROKEN:
            rows, meta = self._read_untyped(body)
            columns = [[row.get(column.path) for row in rows] for column in self.columns]
            loose: set[int] = set(range(len(self.columns)))
        else:
            columns = [list(map(attrgetter(f"f{i}"), rows)) for i in range(len(self.columns))]
            loose = self._loose | self._texts if _NUL in body else self._loose
        return self._page(columns, loose, len(rows), meta)

    def _values(self, body: bytes, slow: Sequence[int]) -> dict[int, list[Any]] | None:
        """Of the columns that are read value by value, each value as it came."""
        if not slow:
            return {}
        try:
            rows = self._decode_slow(body)[0]
        except _BROKEN:
            return None
        return {index: list(map(attrgetter(f"f{index}"), rows)) for index in slow}

    def _finished(self, whole: Whole, values: Mapping[int, list[Any]]) -> Page:
        misfits: list[Misfit] = []
        arrays = [
            self._slow(index, values[index], whole.keys, misfits) if index in values else whole.columns[index]
            for index in range(len(self.columns))
        ]
        return _page(self._batch(arrays, whole.keys, typed=list(values)), misfits, len(whole.keys), whole.meta)

    def _page(self, values: list[list[Any]], loose: Collection[int], count: int, meta: Meta) -> Page:
        whole, misfits = self._drop_keyless(values, typed=self._key not in loose)
        keys = cast("list[str]", whole[self._key])
        arrays = []
        for index, column in enumerate(self.columns):
            array = None if index in loose else whole_column(whole[index], column)
            if array is None:
                array = self._slow(index, whole[index], keys, misfits)
            arrays.append(array)
        return _page(self._batch(arrays, keys, typed=range(len(arrays))), misfits, count, meta)

    def _batch(self, arrays: list[pa.Array], keys: list[str], *, typed: Sequence[int]) -> Batch:
        """`typed`: which of the columns are not spelt yet, where they are to be."""
        import pyarrow as pa

        if self._plain:
            for at in typed:
                arrays[at] = plain_column(arrays[at], self.columns[at])
        kind = PlainBatch if self._plain else Batch
        return kind(self.columns, pa.table(arrays, names=[column.name for column in self.columns]), keys)

    def _slow(self, index: int, values: list[Any], keys: list[str], misfits: list[Misfit]) -> pa.Array:
        import pyarrow as pa

        column = self.columns[index]
        converted: list[cells.Cell] = []
        found = len(misfits)
        odd = False
        for key, value in zip(keys, values, strict=True):
            plain = _unwrap(value)
            try:
                cell = cells.convert(plain, column)
            except cells.Misfit:
                misfits.append(Misfit(key, column.path, cells.raw_text(plain)))
                cell = None
            odd = odd or not _fits_fast(plain, column)
            converted.append(cell)
        if (odd or len(misfits) > found) and index not in self._loose:
            self._loose.add(index)
            self._learnt()
        return pa.array(converted, arrow_type(column))

    def _drop_keyless(self, values: list[list[Any]], *, typed: bool) -> tuple[list[list[Any]], list[Misfit]]:
        """Without a key nothing can be merged or found again; the row is kept as a misfit."""
        keys = values[self._key]
        if not typed:
            for index, key in enumerate(keys):
                if not isinstance(key, str):
                    keys[index] = str(key) if isinstance(key, int) and not isinstance(key, bool) else None
                elif not cells.is_text(key):
                    keys[index] = None
        if None not in keys:
            return values, []
        names = [column.path for column in self.columns]
        lost = [i for i, key in enumerate(keys) if key is None]
        misfits = [
            Misfit("", "key", cells.raw_text({n: _unwrap(v[i]) for n, v in zip(names, values, strict=True)}))
            for i in lost
        ]
        kept = [i for i, key in enumerate(keys) if key is not None]
        return [[column[i] for i in kept] for column in values], misfits

    def _learnt(self) -> None:
        """Read from now on by what is known of the columns."""
        every = range(len(self.columns))
        slow = [i for i in every if i in self._loose or self.columns[i].kind is Kind.JSON]
        self._decode, self._decode_slow = self._decoder(every), self._decoder(slow)
        self._pages = WholePages({i: self.columns[i] for i in every if i not in slow}, self._key, plain=self._plain)

    def _decoder(self, indexes: Sequence[int]) -> Callable[[bytes], tuple[list[Any], Meta]]:
        """Of these columns alone."""
        from tieout.rest.rows import Meta

        fields: list[tuple[str, Any, Any]] = [
            (f"f{i}", Any if i in self._loose else _wire_type(self.columns[i]), None) for i in indexes
        ]
        row = msgspec.defstruct("Row", fields, rename={f"f{i}": self.columns[i].path for i in indexes}, gc=False)
        body = msgspec.defstruct(
            "Body",
            [("result", list[row]), ("meta", Meta)],  # type: ignore[valid-type]  # made at run time
            rename={"result": "ia::result", "meta": "ia::meta"},
        )
        decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(body, float_hook=Decimal)

        def decode(data: bytes) -> tuple[list[Any], Meta]:
            page = decoder.decode(data)
            return page.result, page.meta

        return decode

    @staticmethod
    def _read_untyped(body: bytes) -> tuple[list[dict[str, Any]], Meta]:
        from tieout.rest.rows import Meta

        try:
            # One odd byte or number is one value's fault: it is kept as a misfit, and the page is read.
            text = body.decode("utf-8-sig", "surrogateescape")
            page = json.loads(text, strict=False, parse_float=_number, parse_int=_whole_number)
            rows, meta = page["ia::result"], msgspec.convert(page.get("ia::meta") or {}, Meta)
            if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
                return rows, meta
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
        ):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
            pass
        raise ReplyError("Intacct answered a query with something that is not a page of rows.", advice="Try again.")


def _wire_type(column: Column) -> Any:
    match column.kind:
        case Kind.INTEGER:
            return int | None
        case Kind.BOOLEAN:
            return bool | None
        case Kind.DECIMAL if not column.money:
            return msgspec.Raw  # a JSON number: its own text is what Arrow casts, three times faster than Decimal
        case Kind.JSON:
            return msgspec.Raw
        case _:
            return str | None


def _page(batch: Batch, misfits: list[Misfit], rows: int, meta: Meta) -> Page:
    from tieout.rest.rows import whole as number

    return Page(batch=batch, misfits=misfits, rows=rows, total=number(meta.totalCount), next=number(meta.next) or None)


def _unwrap(value: Any) -> Any:
    """A value as JSON has it, whichever way it was decoded."""
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return json.loads(bytes(value), parse_float=_number, parse_int=_whole_number)
    except RecursionError:
        return bytes(value).decode(errors="replace")


def _number(text: str) -> Decimal | str:
    """A number with a point or an exponent; its text where that is none that can be reckoned with."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _whole_number(text: str) -> int | str:
    """One without; its text where it has more digits than Python takes for a number."""
    try:
        return int(text)
    except ValueError:
        return text


def _fits_fast(value: Any, column: Column) -> bool:
    """Whether the typed decode takes such a value, so that the column need not be read slowly again."""
    if value is None or column.kind is Kind.JSON:
        return True
    match column.kind:
        case Kind.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.DECIMAL if not column.money:
            return isinstance(value, int | Decimal) and not isinstance(value, bool)
        case _:
            return isinstance(value, str)
