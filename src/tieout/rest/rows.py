"""Typed rows: a struct made from the model for the fields asked, decoded in C, one odd value never losing a page.

Money and numbers become Decimal exactly as written, dates `date`, date-times aware `datetime` (Intacct sends UTC). A
value that fits no type stays as it came and is named in `row.misfits` (DESIGN rule 9).
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import msgspec

from tieout.catalogue.model import Field, Model, Node
from tieout.errors import ReplyError
from tieout.rest.call import Reply

R = TypeVar("R")


class Row(msgspec.Struct, kw_only=True):
    """One row of a query. `row.id`, `row["vendor.id"]`, `row.vendor__id`; `row.as_dict()` by wire names."""

    __attributes__: ClassVar[dict[str, str]] = {}
    """Wire name -> attribute."""

    __key__: ClassVar[str] = ""
    """The attribute that holds the row's key, asked for or not; empty for rows of totals."""

    misfit_values: dict[str, Any] | None = msgspec.field(name="tieout::misfits", default=None)
    extra_values: dict[str, Any] | None = msgspec.field(name="tieout::extra", default=None)
    """Columns that came unasked, where a query asked for such: hierarchy information."""

    @property
    def misfits(self) -> tuple[str, ...]:
        """Wire names of the values that did not fit the model's type and are kept as they came."""
        return tuple(self.misfit_values or ())

    def __getitem__(self, path: str) -> Any:
        for apart in (self.misfit_values, self.extra_values):
            if apart is not None and path in apart:
                return apart[path]
        try:
            return getattr(self, self.__attributes__[path])
        except KeyError:
            raise KeyError(
                f"{path!r} was not asked for; the query's fields are {', '.join(self.__attributes__)}"
            ) from None

    def __getattr__(self, name: str) -> Any:
        """Reached for a name that is no attribute. Type checkers take from it that columns are attributes."""
        inside = [path for path in self.__attributes__ if path.startswith(f"{name}.")]
        hint = f"; write row[{inside[0]!r}]" if inside else f"; its columns are {', '.join(self.__attributes__)}"
        raise AttributeError(f"the row has no column {name!r}{hint}")

    def __iter__(self) -> Iterator[str]:
        return iter((*self.__attributes__, *(self.extra_values or ())))

    def as_dict(self) -> dict[str, Any]:
        """{wire name: value} in the order of the query's fields."""
        return {path: self[path] for path in self}

    def __repr__(self) -> str:
        shown = ", ".join(f"{path}={value!r}" for path, value in list(self.as_dict().items())[:6])
        return f"Row({shown}{', …' if len(self.__attributes__) > 6 else ''})"


class Page(msgspec.Struct, Generic[R], kw_only=True):
    """One page of a query (REST reference 5.5)."""

    rows: Sequence[R]
    total: int
    """Rows that match in all, when this page was read."""
    start: int
    """1-based number of the first row."""
    next: int | None
    """Start of the next page; None on the last."""
    date: datetime | None
    """The server's clock when it answered."""

    def __repr__(self) -> str:
        return f"Page({len(self.rows)} of {self.total} rows, from {self.start})"


class Meta(msgspec.Struct):
    """`ia::meta` of a page. Sage's examples print 0 for none, text for numbers, and leave members out (REST
    reference 9.1, 10.3)."""

    totalCount: int | str | None = 0
    start: int | str | None = 1
    next: int | str | None = None


def whole(number: int | str | None) -> int:
    """A number of a page's meta; nothing, and what is no number, is 0."""
    if isinstance(number, int):
        return number
    return int(number) if number is not None and number.isdecimal() else 0


AWARE: Any = Annotated[datetime, msgspec.Meta(tz=True)]
"""A date-time without a zone is a misfit: nobody can say which moment it means."""
PLAIN_TYPES: Mapping[str, Any] = {"boolean": bool, "integer": int, "number": Decimal}


def python_type(field: Field | None) -> Any:
    """The Python type of a field; Any where the model does not say."""
    if field is None or field.type in ("object", "array"):
        return Any
    if field.type == "string":
        if field.format == "date":
            return date
        if field.format == "date-time":
            return AWARE
        return Decimal if field.scale is not None else str
    return PLAIN_TYPES.get(field.type, Any)


def attribute(path: str) -> str:
    """`vendor.id` -> `vendor__id`, `nsp::REGION` -> `nsp__REGION`, `class` -> `class_`."""
    name = "".join(c if c.isalnum() or c == "_" else "_" for c in path.replace("::", "__").replace(".", "__"))
    if not name or name[0].isdigit():
        name = f"f_{name}"
    return f"{name}_" if keyword.iskeyword(name) or hasattr(Row, name) else name


AGGREGATES = {"count", "avg", "sum", "min", "max"}


def field_of(paths: Mapping[str, Field], asked: str) -> Field | None:
    """The model's field for what a query asks, aggregates included: `sum:totalDue`, `count:key`."""
    function, colon, path = asked.partition(":")
    if colon and function in AGGREGATES:
        if function == "count":
            return Field(type="integer")
        inner = paths.get(path)
        if function in ("sum", "avg"):
            return Field(type="number")
        return inner
    return paths.get(asked)


HIDDEN_KEY = "tieout_key"


def row_type(model: Model, fields: Iterable[str], *, keyed: bool = False) -> type[Row]:
    """A Row struct for these fields of this model. Unknown names are decoded untyped.

    `keyed`: rows hold their key even where `key` is not among the fields; it does not show (`key_of`)."""
    paths = model.paths()
    members: list[tuple[str, Any, Any]] = []
    attributes: dict[str, str] = {}
    for path in fields:
        if path in attributes:
            continue
        name = attribute(path)
        while name in attributes.values():
            name += "_"
        attributes[path] = name
        kind = python_type(field_of(paths, path))
        members.append((name, kind if kind is Any else kind | None, None))
    shown = dict(attributes)
    if keyed and "key" not in attributes:
        attributes["key"] = HIDDEN_KEY
        members.append((HIDDEN_KEY, Any, None))
    rename = {name: path for path, name in attributes.items()}
    rename |= {"misfit_values": "tieout::misfits", "extra_values": "tieout::extra"}
    made: type[Any] = msgspec.defstruct(
        "Row",
        members,
        bases=(Row,),
        namespace={"__attributes__": shown, "__key__": attributes.get("key", "")},
        rename=rename,
        kw_only=True,
        gc=False,  # rows hold plain values, no cycles
        module=__name__,
    )
    return made


def key_of(row: Row) -> str | None:
    """The row's key as text, None where it came without one."""
    if not row.__key__:
        return None
    key = getattr(row, row.__key__)
    if key is None:
        key = (row.misfit_values or {}).get("key")
    return key if key is None or isinstance(key, str) else str(key)


def page_decoder(row: type[R], *, extras: bool = False) -> Callable[[Reply], Page[R]]:
    """A parser for query replies. The fast path is one typed decode; if anything in the page does not fit, that
    page is decoded again, value by value. Columns that were not asked for (`API_QUERY_ALIAS__n`) are dropped;
    `extras` keeps those with names of their own."""
    fast = msgspec.json.Decoder(_envelope(row))

    def parse(reply: Reply) -> Page[R]:
        if extras:
            return by_value(reply, lambda raw: _with_extras(row, raw))
        try:
            envelope = fast.decode(reply.body)
        except msgspec.ValidationError:
            return by_value(reply, lambda raw: row_by_value(row, raw))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise not_understood("a query") from None
        return _page(envelope.result, envelope.meta, reply)

    return parse


def by_value(reply: Reply, make: Callable[[dict[str, msgspec.Raw]], R]) -> Page[R]:
    """A page whose rows are made one by one from undecoded values."""
    try:
        envelope = _raw_rows().decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise not_understood("a query") from None
    return _page([make(raw) for raw in envelope.result], envelope.meta, reply)


@cache
def _raw_rows() -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_envelope(dict[str, msgspec.Raw]))


def _page(rows: Sequence[R], meta: Meta, reply: Reply) -> Page[R]:
    return Page(
        rows=rows,
        total=whole(meta.totalCount),
        start=whole(meta.start),
        next=whole(meta.next) or None,
        date=reply.date,
    )


def not_understood(what: str) -> ReplyError:
    return ReplyError(
        f"Intacct's answer to {what} is cut off or of another shape than documented.",
        advice="Try again; if it stays, report it with the request's time.",
    )


def _envelope(row: Any) -> Any:
    return msgspec.defstruct(
        "Envelope",
        [("result", list[row]), ("meta", Meta)],
        rename={"result": "ia::result", "meta": "ia::meta"},
    )


def row_by_value(row: Any, raw: Mapping[str, msgspec.Raw], *, lenient: Collection[str] = ()) -> Any:
    """A row from undecoded values: those that do not fit stay untyped, under their wire name, as misfits. `lenient`
    names those whose numbers may be text."""
    values: dict[str, Any] = {}
    misfits: dict[str, Any] = {}
    for path, name, decode, kind in _columns(row):
        if path not in raw:
            continue
        try:
            value = (
                decode(raw[path]) if path not in lenient else msgspec.json.decode(raw[path], type=kind, strict=False)
            )
        except msgspec.ValidationError:
            value = misfits[path] = json.loads(bytes(raw[path]), parse_float=Decimal)
        values[name] = value
    return row(misfit_values=misfits or None, **values)


@lru_cache(maxsize=64)
def _columns(row: Any) -> list[tuple[str, str, Callable[[msgspec.Raw], Any], Any]]:
    """Wire name, attribute, decoder and type of each column: made once for all rows of a query."""
    return [
        (field.encode_name, field.name, msgspec.json.Decoder(field.type).decode, field.type)
        for field in msgspec.structs.fields(row)
    ]


STRAY = "API_QUERY_ALIAS__"
"""Columns that Intacct adds by itself begin so (REST reference 5.5)."""


def _with_extras(row: Any, raw: Mapping[str, msgspec.Raw]) -> Any:
    made = row_by_value(row, raw)
    known = {path for path, *_ in _columns(row)}
    made.extra_values = {
        name: json.loads(bytes(value), parse_float=Decimal)
        for name, value in raw.items()
        if name not in known and not name.startswith(STRAY)
    }
    return made


_NOTHING = object()


class Record(Mapping[str, Any]):
    """A full record, nested as Intacct sends it: `record["vendor"]["id"]` or `record["vendor.id"]`,
    `record["lines"][0]["txnAmount"]`. Values are typed like a row's; misfits stay as they came."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getitem__(self, path: str) -> Any:
        if path in self._values:
            return self._values[path]
        value: Any = self._values
        for step in path.split("."):
            if not isinstance(value, Mapping) or step not in value:
                raise KeyError(_no_member(path, step, value))
            value = value[step]
        return value

    def get(self, path: str, default: Any = None) -> Any:
        """What is at the path, or `default`. Unlike `[]` it looks for no name that a wrong one may have meant."""
        if path in self._values:
            return self._values[path]
        value: Any = self._values
        for step in path.split("."):
            if not isinstance(value, Mapping) or step not in value:
                return default
            value = value[step]
        return value

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and self.get(path, _NOTHING) is not _NOTHING

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def as_dict(self) -> dict[str, Any]:
        """Plain nested dicts and lists."""
        return self._values

    @property
    def key(self) -> str:
        """Sage's system key."""
        return str(self._values.get("key"))

    def __repr__(self) -> str:
        return f"Record(key={self._values.get('key')!r}, id={self._values.get('id')!r}, {len(self._values)} members)"


def _no_member(path: str, step: str, inside: Any) -> str:
    if isinstance(inside, list | tuple):
        return f"{path!r}: a list is there; its items have numbers, as in record[{path.rpartition('.')[0]!r}][0]"
    from difflib import get_close_matches  # slow to import, and only a mistake needs it

    near = get_close_matches(step, inside, 1) if isinstance(inside, Mapping) else []
    hint = f"; did you mean {path.removesuffix(step)}{near[0]}?" if near and path.endswith(step) else ""
    return f"the record has no {path!r}{hint}"


def load_exact(body: bytes) -> Any:
    """JSON -> Python with numbers that keep their digits. Raises ReplyError."""
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise not_understood("a read") from None


def typed(value: Any, node: Node | None, lists: Callable[[str], Node | None] = lambda _: None) -> Any:
    """A decoded object with its scalars typed by the model. `lists` finds the model of an owned object by name."""
    if not isinstance(value, dict) or node is None:
        return value
    result: dict[str, Any] = {}
    for name, inner in value.items():
        if name in node.fields:
            result[name] = typed_scalar(inner, node.fields[name])
        elif name in node.lists and isinstance(inner, list):
            entry = node.lists[name]
            line = (lists(entry.object) if entry.object else None) or entry
            result[name] = [typed(item, line, lists) for item in inner]
        else:
            result[name] = typed(inner, node.groups.get(name) or node.refs.get(name), lists)
    return result


def typed_scalar(value: Any, field: Field) -> Any:
    """One value in its Python type, or as it came if it does not fit."""
    kind = python_type(field)
    if value is None or kind is Any:
        return value
    try:
        return msgspec.convert(value, kind, strict=isinstance(value, bool) or kind in (bool, int, str))
    except msgspec.ValidationError:
        return value
