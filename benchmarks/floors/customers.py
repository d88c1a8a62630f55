"""The customers that the push benchmarks send: a CSV file of 8 columns, the model, customer i as a function of i.

Text, money, a date, a reference, a yes or no. `nsp::SINCE` is a custom field, as customers have no date of their own
that may be written. Knows no server and no tieout.
"""

from __future__ import annotations

import csv
import datetime
from pathlib import Path
from typing import Any

OBJECT = "accounts-receivable/customer"
FIRST_KEY = 1_000_000
"""The key of customer 0: all keys have as many digits, so that answers have one length."""
COLUMNS = {
    "Customer": "id",
    "Name": "name",
    "Tax ID": "taxId",
    "Notes": "notes",
    "Limit": "creditLimit",
    "Since": "nsp::SINCE",
    "Terms": "term.id",
    "On hold": "isOnHold",
}
"""Column of the file -> path in Intacct."""
_TERMS = ("N15", "N30", "N45", "N60", "Due on receipt")
_FIRST_DAY = datetime.date(2012, 1, 2)


def identifier(i: int) -> str:
    return f"C-{i:07}"


def customer(i: int) -> tuple[str, str, str, str, str, str, str, str]:
    """Customer i, each column as it stands in the file."""
    return (
        identifier(i),
        f"Customer {i} of the North & South Trading Company",
        f"{10 + i % 89}-{1_000_000 + i * 7919 % 9_000_000}",
        f"moved from the old system, account {i * 31 % 1_000_003}",
        f"{i * 7919 % 5_000_000 / 100:.2f}",
        (_FIRST_DAY + datetime.timedelta(days=i % 5000)).isoformat(),
        _TERMS[i % len(_TERMS)],
        "true" if i % 11 == 0 else "false",
    )


def write(path: Path, count: int) -> None:
    """The file with customers 0 to count - 1."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        out.writerows(map(customer, range(count)))


def record(i: int) -> dict[str, Any]:
    """Customer i as Intacct returns it."""
    id, name, tax, notes, limit, since, terms, hold = customer(i)
    key = str(FIRST_KEY + i)
    return {
        "key": key,
        "id": id,
        "name": name,
        "taxId": tax,
        "notes": notes,
        "creditLimit": limit,
        "nsp::SINCE": since,
        "term": {"key": str(1 + i % len(_TERMS)), "id": terms},
        "isOnHold": hold == "true",
        "status": "active",
        "href": f"/objects/{OBJECT}/{key}",
    }


def model() -> dict[str, Any]:
    """What the model service says of them (REST reference 6)."""
    text = {"type": "string", "mutable": True}
    own = {"type": "string", "mutable": False, "readOnly": True}
    return {
        "fields": {
            "key": own,
            "href": own,
            "id": text | {"maxLength": 20},
            "name": text | {"maxLength": 100},
            "taxId": text | {"maxLength": 20},
            "notes": text | {"maxLength": 4000},
            "creditLimit": text | {"format": "decimal-precision-2"},
            "nsp::SINCE": text | {"format": "date"},
            "isOnHold": {"type": "boolean", "mutable": True},
            "status": text | {"enum": ["active", "activeNonPosting", "inactive"], "default": "active"},
        },
        "groups": {},
        "refs": {"term": {"apiObject": "accounts-receivable/term", "fields": {"key": text, "id": text, "href": own}}},
        "lists": [],
        "httpMethods": "OPTIONS,GET,DELETE,PATCH,POST",
        "idempotenceSupported": True,
        "apiObject": f"objects/{OBJECT}",
        "type": "rootObject",
    }
