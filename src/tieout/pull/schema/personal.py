"""Fields that are sensitive personal data, which no pull brings unless they are named. Knows names, never values."""

from __future__ import annotations

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


def is_personal(path: str) -> bool:
    """Whether a field is sensitive personal data: social security, birth date, bank and ACH numbers."""
    *groups, last = path.lower().split(".")
    if last in _PERSONAL:
        return True
    return last in _PERSONAL_IN_GROUP and any(group in _PERSONAL_GROUPS for group in groups)
