"""Names of columns and tables, given once and for all.

A column keeps Sage's spelling with `.` written as `__` (`vendor__id`); names are unique without case and at most 63
bytes long, since the live vendor has both `accountLabel` and `accountlabel` (REST reference 10.3, 24).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from tieout.catalogue.model import Field
from tieout.pull.schema.types import Column, kind_of

MAX_NAME_BYTES = 63
DELETED = "_tieout_deleted"
"""The column every table has besides: when a full read no longer saw the row; null while Intacct shows it."""
SYNCED = "_tieout_synced"
"""Another one: when the row was last written, by Intacct's clock. What was read and found to be the same is not
written; null in rows from before tables had it."""


def name_columns(fields: Mapping[str, Field], known: Mapping[str, str] | None = None) -> list[Column]:
    """Columns for fields, in order. `known` holds names given earlier (path -> name); they never change."""
    names = dict(known or {})
    taken = {DELETED, SYNCED, *(name.lower() for name in names.values())}
    columns = []
    for path, field in fields.items():
        name = names.get(path)
        if name is None:
            name = _free_name(path, taken)
            taken.add(name.lower())
        kind, scale = kind_of(field)
        columns.append(Column(path=path, name=name, kind=kind, scale=scale, money=field.scale is not None))
    return columns


def label(path: str) -> str:
    """A path in words: `vendor.id` -> `Vendor id`, `nsp::RENEWAL_DATE` -> `Renewal date`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", path.replace("nsp::", ""))
    words = [word for word in re.split(r"[\s._:]+", spaced) if word]
    shouted = len(words) > 1 and spaced.isupper()  # else capitals are an abbreviation, as in `URL1`
    text = " ".join(word if word.isupper() and not shouted else word.lower() for word in words)
    return text[:1].upper() + text[1:]


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
