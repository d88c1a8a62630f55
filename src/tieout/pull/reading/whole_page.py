"""A page read by Arrow at once, from its bytes to typed columns, where every value is what its column says.

Nothing here looks at a single value: a page with anything odd is left to `decode`, which does. Any thread may read
here, and others run meanwhile. Knows how the wire spells pages (REST reference 5.5); knows no database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from tieout.pull.reading.whole_columns import cast, plain_column
from tieout.pull.schema.types import DIGITS, Column, Kind, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

    from tieout.rest.rows import Meta

RESULT, META = "ia::result", "ia::meta"
_META = f'"{META}"'.encode()
"""Inside a text it would have a backslash before its last quotation mark."""
_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")


class Whole(msgspec.Struct, frozen=True):
    """What was read: columns by index, and the keys."""

    columns: Mapping[int, pa.Array]
    keys: list[str]
    meta: Meta


class WholePages:
    """Reads some columns of the pages of one query."""

    def __init__(self, columns: Mapping[int, Column], key: int, *, plain: bool = False) -> None:
        """`columns` by index, none of JSON. `key`: which of them has the keys. `plain`: as `plain_column` has them,
        else in their types."""
        self._columns, self._key, self._plain = columns, key, plain
        scales = [c.scale for c in columns.values() if c.kind is Kind.DECIMAL and not c.money]
        self._room = DIGITS - max(scales) if scales else None

    def read(self, body: bytes) -> Whole | None:
        """The columns, None where anything does not fit."""
        import pyarrow as pa
        from pyarrow import json

        meta = _meta(body)
        if meta is None or self._key not in self._columns or _has_odd_number(body, self._room):
            return None
        how = json.ReadOptions(use_threads=False, block_size=len(body) + 1)
        shape = json.ParseOptions(
            explicit_schema=self._schema, newlines_in_values=b"\n" in body, unexpected_field_behavior="ignore"
        )
        try:
            # Arrow's own pool would keep what each thread that reads has had at most.
            pool = pa.system_memory_pool()
            found = json.read_json(pa.BufferReader(body), read_options=how, parse_options=shape, memory_pool=pool)
            return self._whole(found, meta)
        except pa.ArrowInvalid:
            return None

    def _whole(self, found: pa.Table, meta: Meta) -> Whole | None:
        if found.num_rows != 1 or found.column(0).null_count:
            return None
        rows = found.column(0).chunk(0).flatten()
        sent = dict(zip(self._columns, rows.flatten(), strict=True))
        if sent[self._key].null_count or not all(map(_is_text, sent.values())):
            return None
        columns = {at: cast(array, self._columns[at]) for at, array in sent.items()}
        if self._plain:
            columns = {at: plain_column(typed, self._columns[at], sent[at]) for at, typed in columns.items()}
        return Whole(columns, sent[self._key].to_pylist(), meta)

    @cached_property
    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        row = pa.struct([(column.path, _as_sent(column)) for column in self._columns.values()])
        return pa.schema([(RESULT, pa.list_(row))])


def _meta(body: bytes) -> Meta | None:
    """The page's meta where it comes last, as Intacct has it: to look for it costs less than to read the rows."""
    from tieout.rest.rows import Meta as RestMeta

    at = body.rfind(_META)
    try:
        found = msgspec.json.decode(b"{" + body[at:], type=dict[str, RestMeta]) if at > 0 else {}
    except msgspec.DecodeError:  # it belongs to something else, or more follows
        return None
    return found[META] if len(found) == 1 else None


def _has_odd_number(body: bytes, room: int | None) -> bool:
    """Whether there may be a number with an exponent, or with more digits before its point than there is room for:
    Arrow (26.0) reads some of them as others, without a word. `room`: None where no column is of such numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if room is None:
        return False
    alike = body.translate(_ALIKE)
    if b"0e" not in alike and b"0" * (room + 1) not in alike:
        return False
    odd = rf"[:,\[]\s*-?([0-9]{{{room + 1}}}|[0-9.]+[eE])"
    return bool(pc.match_substring_regex(pa.array([body], pa.binary()), odd)[0].as_py())


def _as_sent(column: Column) -> pa.DataType:
    """Money, dates and stamps are texts on the wire, other numbers are numbers."""
    import pyarrow as pa

    exact = column.kind in (Kind.INTEGER, Kind.BOOLEAN) or (column.kind is Kind.DECIMAL and not column.money)
    return arrow_type(column) if exact else pa.string()


def _is_text(array: pa.Array) -> bool:
    """Whether texts are UTF-8, without the character that PostgreSQL cannot hold. Raises ArrowInvalid."""
    import pyarrow as pa

    if array.type != pa.string():
        return True
    array.validate(full=True)
    data = array.buffers()[2]
    return data is None or b"\0" not in data.to_pybytes()
