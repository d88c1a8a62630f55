"""Records that a program hands over: an iterable of mappings, or a table of Arrow, Polars, pandas or DuckDB.

Imports no library for a table it was not given: tables speak the Arrow C stream protocol, or give their rows as dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tieout.errors import SourceError
from tieout.push.sources.base import Source, SourceRow, counted
from tieout.push.sources.plain import Unusable, plain, shortest

if TYPE_CHECKING:
    import pyarrow as pa

    from tieout.push.settings import PushSettings

_BATCH = 5_000
_KINDS = "Give an iterable of dicts, or a table of Arrow, Polars or pandas; a file is named as source in {section}."
_PANDAS_INDEX = "__index_level_"


def given_source(given: object, settings: PushSettings, section: str) -> Source:
    """A source for what a program gave. Raises SourceError where it is neither a table nor made of records."""
    if hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__"):
        try:
            import pyarrow  # noqa: F401 - whether it is there
        except ModuleNotFoundError:
            pass
        else:
            return ArrowSource(given, settings, section)
    # Polars and pandas have methods of their own, for where pyarrow is not installed.
    for method, arguments in (("to_dicts", ()), ("to_dict", ("records",))):
        to_rows = getattr(given, method, None)
        if callable(to_rows) and hasattr(given, "columns"):
            return RecordsSource(to_rows(*arguments), settings, section)
    if isinstance(given, str | bytes | Path | Mapping) or not isinstance(given, Iterable):
        raise SourceError(
            f"The given records are a {type(given).__name__}, not rows.", advice=_KINDS.format(section=section)
        )
    return RecordsSource(given, settings, section)


class RecordsSource(Source):
    """Any iterable of mappings. A generator is read once, as it goes."""

    def __init__(self, given: Iterable[Any], settings: PushSettings, section: str) -> None:
        super().__init__("the given records", settings, section)
        self._given = given

    def _open(self) -> Iterator[SourceRow]:
        return counted(self, self._read())

    def _read(self) -> Iterator[SourceRow]:
        for number, record in enumerate(self._given, 1):
            if not isinstance(record, Mapping):
                raise SourceError(
                    f"The given records, row {number}: a {type(record).__name__} is no mapping.",
                    advice=_KINDS.format(section=self.section),
                )
            values = {}
            for column, value in record.items():
                try:
                    values[str(column)] = plain(value)
                except Unusable as unusable:
                    raise unusable_value(self, number, column, unusable) from None
            self.digest_row(values)
            yield SourceRow(number, values)


class ArrowSource(Source):
    """A table, or whatever gives one through the Arrow PyCapsule interface; read batch by batch."""

    def __init__(self, given: Any, settings: PushSettings, section: str) -> None:
        super().__init__("the given records", settings, section)
        self._given = given

    def _open(self) -> Iterator[SourceRow]:
        import pyarrow as pa

        try:
            if hasattr(self._given, "__arrow_c_stream__"):
                reader = pa.RecordBatchReader.from_stream(self._given)
            else:
                batch = pa.record_batch(self._given)
                reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
        except (pa.ArrowException, TypeError) as error:
            to_dict = getattr(self._given, "to_dict", None)
            if to_dict is None or not hasattr(self._given, "columns"):
                raise SourceError(
                    f"The given records cannot be read as an Arrow table: {_first_line(error)}.",
                    advice=_KINDS.format(section=self.section),
                ) from None
            # A pandas column of mixed types fits no Arrow type; its rows are good all the same.
            records = RecordsSource(to_dict("records"), self._settings, self.section)
            self._digest, self._columns = records._digest, self.header([str(c) for c in self._given.columns], "header")
            return counted(self, records._read())
        names = self.header(reader.schema.names, "header")
        self._columns = tuple(name for name in names if not name.startswith(_PANDAS_INDEX))
        return counted(self, self._read(reader, names))

    def _read(self, reader: pa.RecordBatchReader, names: tuple[str, ...]) -> Iterator[SourceRow]:
        kept = [(position, name) for position, name in enumerate(names) if name in self._columns]
        readers = [_cells_of(reader.schema.field(position).type) for position, _ in kept]
        number = 0
        for whole in reader:
            for start in range(0, whole.num_rows, _BATCH):
                batch = whole.slice(start, _BATCH)
                columns = [
                    self._column(batch.column(position), cells, name, number)
                    for (position, name), cells in zip(kept, readers, strict=True)
                ]
                for cells in zip(*columns, strict=True):
                    number += 1
                    values = dict(zip(self._columns, cells, strict=True))
                    self.digest_row(values)
                    if all(cell is None or cell == "" for cell in cells):
                        self.blank_rows += 1
                    else:
                        yield SourceRow(number, values)

    def _column(self, array: pa.Array, cells: Callable[[pa.Array], list[Any]], name: str, before: int) -> list[Any]:
        try:
            return cells(array)
        except Unusable:
            # Once more, one by one, to say where.
            for position in range(len(array)):
                try:
                    cells(array.slice(position, 1))
                except Unusable as unusable:
                    raise unusable_value(self, before + position + 1, name, unusable) from None
            raise


def _cells_of(kind: pa.DataType) -> Callable[[pa.Array], list[Any]]:
    """How the values of one Arrow type become Python's."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_float16(kind) or types.is_float32(kind):
        # As text first: 0.1 of 32 bits is 0.100000001490116 in 64.
        wide = pa.float32()
        return lambda array: [_narrow(text) for text in array.cast(wide).cast(pa.string()).to_pylist()]
    if types.is_float64(kind):
        return lambda array: [_number(value) for value in array.to_pylist()]
    if types.is_timestamp(kind) and kind.unit == "ns":
        # No business date needs the nanoseconds, and Python's datetime has none.
        microseconds = pa.timestamp("us", kind.tz)
        return lambda array: list(array.cast(microseconds, safe=False).to_pylist())
    if (
        types.is_integer(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_boolean(kind)
        or types.is_date(kind)
        or types.is_timestamp(kind)
        or types.is_decimal(kind)
    ):
        return lambda array: list(array.to_pylist())
    return lambda array: [plain(value) for value in array.to_pylist()]


def _narrow(text: str | None) -> Any:
    return None if text is None else shortest(text)


def _number(value: float | None) -> Any:
    if value is not None and value != value:
        # Polars and Arrow have null for what is missing; NaN is a sum that went wrong.
        raise Unusable("NaN, which is no number")
    return plain(value)


def unusable_value(source: Source, number: int, column: object, unusable: Unusable) -> SourceError:
    """A value that no record can hold, with its place."""
    return SourceError(
        f"{source.subject}, row {number}, column {str(column)!r} holds {unusable}.",
        advice="Correct it where the records are made, or leave the column out.",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
