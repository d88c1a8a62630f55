"""The sentences in which the application behind the API speaks of records: a reference that is not valid, a dimension
that is missing.

Production clients look for these words (REST reference 8.4); which of its wordings Sage uses where is INFERRED. Knows
words only.
"""

from __future__ import annotations

import re

_INVALID = {
    "accounts-payable/vendor": "Vendor '{}' specified is not valid.",
    "accounts-receivable/customer": "Customer '{}' specified is not valid.",
    "projects/project": "Project '{}' specified is not valid.",
    "company-config/employee": "The employee '{}' is invalid.",
    "company-config/department": "The department '{}' is invalid.",
    "company-config/location": "The location '{}' is invalid.",
    "general-ledger/account": "Account {} is not valid",
}
"""Object -> how a record that is not there, or not for this use, is spoken of."""
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def label(object: str) -> str:
    """`expenses/employee-expense-type` -> `employee expense type`."""
    return object.partition("::")[0].rpartition("/")[2].replace("-", " ")


def invalid(object: str, value: str) -> str:
    """`Vendor 'V-9' specified is not valid.`"""
    found = _INVALID.get(object)
    return (
        found.format(value) if found is not None else f"{label(object).capitalize()} '{value}' specified is not valid."
    )


def inactive(object: str, value: str) -> str:
    """`Activate the vendor V-9, then try again.`"""
    return f"Activate the {label(object)} {value}, then try again."


def missing_dimension(name: str, account: str) -> str:
    """`name` as the `dimensions` group has it: `costType`, `nsp::region`."""
    words = _HUMP.sub(" ", name.removeprefix("nsp::"))
    return f"This transaction is missing the {words[:1].upper()}{words[1:]} dimension for the Account {account}"
