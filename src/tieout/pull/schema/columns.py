"""Which fields of an object become columns, of which type and under which name. Knows no database and no request.

A column keeps Sage's spelling with `.` written as `__` (`vendor__id`); names are unique without case and at most 63
bytes long, since the live vendor has both `accountLabel` and `accountlabel` (REST reference 10.3, 24).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from tieout.catalogue import nearest
from tieout.catalogue.model import Field, Model, scalars
from tieout.errors import CheckError, Problem

MAX_NAME_BYTES = 63
NUMBER_SCALE = 10
"""Digits after the point for `type: number`, whose precision no model tells."""

MODIFIED = "audit.modifiedDateTime"
DELETED = "_tieout_deleted"
"""The column every table has besides: when a full read no longer saw the row; null while Intacct shows it."""

# Whole last segments, compared without case. Names, not values: a field is personal whatever it holds today.
_PERSONAL = frozenset(
    {
        "ssn",
        "nsp::vssn",
        "socialsecuritynumber",
        "birthdate",
        "dateofbirth",
        "bankaccountnumber",
        "bankroutingnumber",
        "routingnumber",
        "returnaccountnumber",
        "bsbnumber",
        "sortcode",
        "debtorbanknumber",
        "iban",
    }
)
# `accountNumber` alone also names harmless things; below these groups it is a bank account.
_PERSONAL_GROUPS = frozenset({"ach", "bankaccountdetails"})
_PERSONAL_IN_GROUP = frozenset(
    {"accountnumber", "routingnumber", "bankroutingnumber", "bankid", "companyidentification"}
)


class Kind(StrEnum):
    """What a column holds, apart from the database that holds it."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"
    """Objects and arrays without known fields, kept as the text that arrived."""


class Column(msgspec.Struct, frozen=True):
    """One column. `scale` counts for decimals only."""

    path: str
    name: str
    kind: Kind
    scale: int = 0
    money: bool = False
    """`decimal-precision-N`: Intacct can sum it exactly."""


def kind_of(field: Field) -> tuple[Kind, int]:
    """Kind and scale of a field by the model's words (REST reference 6)."""
    if field.format == "date":
        return Kind.DATE, 0
    if field.format == "date-time":
        return Kind.TIMESTAMP, 0
    if field.scale is not None:
        return Kind.DECIMAL, min(field.scale, 37)
    if field.format is not None and field.format.startswith("percent-precision-"):
        return Kind.DECIMAL, NUMBER_SCALE
    match field.type:
        case "integer":
            return Kind.INTEGER, 0
        case "number":
            return Kind.DECIMAL, NUMBER_SCALE
        case "boolean":
            return Kind.BOOLEAN, 0
        case "object" | "array":
            return Kind.JSON, 0
        case _:
            return Kind.TEXT, 0


def is_personal(path: str) -> bool:
    """Whether a field is sensitive personal data: social security, birth date, bank and ACH numbers."""
    *groups, last = path.lower().split(".")
    if last in _PERSONAL:
        return True
    return last in _PERSONAL_IN_GROUP and any(group in _PERSONAL_GROUPS for group in groups)


def queryable(model: Model) -> dict[str, Field]:
    """Fields that a query may select, without links, which add nothing to a table (REST reference 5.6)."""
    return {
        path: field
        for path, field in scalars(model)
        if not field.write_only and path.rpartition(".")[2] != "href" and field.format != "outbound-binary"
    }


def choose(
    model: Model, wanted: Iterable[str] | None, unqueryable: Iterable[str] = ()
) -> tuple[dict[str, Field], tuple[str, ...]]:
    """The fields to read, `key` first, and those left out by default (personal, or learnt not to be queryable).

    Raises CheckError that names every unknown field of `wanted` with the nearest right one.
    """
    possible = queryable(model)
    refused = set(unqueryable)
    if wanted is None:
        left_out = tuple(p for p in possible if is_personal(p) or p in refused)
        chosen = [p for p in possible if p not in left_out]
    else:
        chosen = list(dict.fromkeys(wanted))
        problems = [_unknown(path, model, possible) for path in chosen if path not in possible]
        if problems:
            raise CheckError(f"The field list of {model.name}", problems, advice="Nothing was read.")
        left_out = tuple(p for p in chosen if p in refused)
        chosen = [p for p in chosen if p not in refused]
        if MODIFIED in possible and MODIFIED not in chosen and MODIFIED not in refused:
            chosen.append(MODIFIED)  # without it the next run could not be incremental
    ordered = dict.fromkeys(["key", *chosen])
    return {path: possible.get(path, Field()) for path in ordered}, left_out


def _unknown(path: str, model: Model, possible: Mapping[str, Field]) -> Problem:
    known = dict(scalars(model)).get(path)
    if known is not None:
        why = "can be written but not read" if known.write_only else "is a link, which a table does not need"
        return Problem(path=path, reason=why)
    if path.partition(".")[0] in model.lists:
        return Problem(
            path=path, reason=f"is in the list {path.partition('.')[0]!r}, which is pulled as a table of its own"
        )
    return Problem(path=path, reason="there is no such field", nearest=next(iter(nearest(path, list(possible), 1)), ""))


def name_columns(fields: Mapping[str, Field], known: Mapping[str, str] | None = None) -> list[Column]:
    """Columns for fields, in order. `known` holds names given earlier (path -> name); they never change."""
    names = dict(known or {})
    taken = {DELETED, *(name.lower() for name in names.values())}
    columns = []
    for path, field in fields.items():
        name = names.get(path)
        if name is None:
            name = _free_name(path, taken)
            taken.add(name.lower())
        kind, scale = kind_of(field)
        columns.append(Column(path=path, name=name, kind=kind, scale=scale, money=field.scale is not None))
    return columns


def own_sums(columns: Iterable[Column], model: Model) -> list[Column]:
    """Columns to add up: money and numbers (hours, quantities) of the object itself and its groups. A vendor's total
    on every bill proves nothing about bills."""
    through_refs = {path.partition(".")[0] for path in model.refs}
    numbers = {path for path, field in scalars(model) if field.type == "number"}
    return [
        c
        for c in columns
        if c.kind is Kind.DECIMAL and (c.money or c.path in numbers) and c.path.partition(".")[0] not in through_refs
    ]


def table_name(object: str) -> str:
    """`accounts-payable/bill-line` -> `bill_line`; `x/document::Sales Invoice` -> `document_sales_invoice`."""
    last = object.rpartition("/")[2]
    words = "".join(c if c.isalnum() else " " for c in last).split()
    return shorten("_".join(words).lower() or "records")


def shorten(name: str) -> str:
    """At most 63 bytes, cut at a character, with a hash of the whole so that two long names stay two."""
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore") + "_" + digest


def _free_name(path: str, taken: set[str]) -> str:
    name = wish = shorten(path.replace("::", "__").replace(".", "__"))
    number = 2
    while name.lower() in taken:
        suffix = f"_{number}"
        name = wish.encode()[: MAX_NAME_BYTES - len(suffix)].decode(errors="ignore") + suffix
        number += 1
    return name
