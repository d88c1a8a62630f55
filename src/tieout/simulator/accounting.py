"""Money on documents: base amounts at the document's rate, totals from lines, what is due, whether an entry balances
(REST reference 4.4, 8.4, 9.1).

Works on values already checked. Refuses to know SQL, states and who asks.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator.refusal import Refusal
from tieout.simulator.rules import AP_PAYMENT, AR_PAYMENT, JOURNAL_ENTRY
from tieout.simulator.values import parse_decimal

CENT = Decimal("0.01")

_AMOUNTS = (("txnAmount", "baseAmount"), ("txnCurrency.amount", "baseCurrency.amount"))
"""Where a line has its amount in the transaction's and in the base currency."""
_RATES = ("currency.exchangeRate.rate", "exchangeRate.rate", "currency.exchangeRate")
TXN_CURRENCIES = ("currency.txnCurrency", "txnCurrency.currency", "txnCurrency")
BASE_CURRENCIES = ("currency.baseCurrency", "baseCurrency.currency", "baseCurrency", "basePayment.baseCurrency")

_TOTALS = (
    ("totalTxnAmount", "txn", ""),
    ("totalBaseAmount", "base", ""),
    ("totalTxnAmountDue", "txn", "paymentInformation.totalTxnAmountPaid"),
    ("totalBaseAmountDue", "base", "paymentInformation.totalBaseAmountPaid"),
    ("totalEntered", "base", ""),
    ("txnTotalEntered", "txn", ""),
    ("totalDue", "base", "totalPaid"),
    ("txnTotalDue", "txn", "txnTotalPaid"),
    ("txnTotalDue", "txn", "paymentInformation.txnTotalPaid"),
    ("totalDue", "base", "paymentInformation.totalPaid"),
    ("paymentInformation.totalDue", "base", "paymentInformation.totalPaid"),
    ("paymentInformation.totalTxnAmountDue", "txn", "paymentInformation.txnTotalPaid"),
    ("baseCurrency.totalAmountEntered", "base", ""),
    ("baseCurrency.totalDue", "base", "baseCurrency.totalPaid"),
    ("txnCurrency.totalEntered", "txn", ""),
    ("txnCurrency.totalDue", "txn", "txnCurrency.totalPaid"),
    ("basePayment.totalEntered", "base", ""),
    ("basePayment.totalDue", "base", "basePayment.totalPaid"),
    ("reimbursement.totalEntered", "base", ""),
    ("reimbursement.totalDue", "base", "reimbursement.totalPaid"),
    ("subtotalInTxnCurrency", "txn", ""),
    ("totalInTxnCurrency", "txn", ""),
    ("subtotal", "base", ""),
    ("total", "base", ""),
)
"""(the owner's total, which of the line's amounts, what is taken off it): every document names them its own way."""
_NO_SUM = (AP_PAYMENT, AR_PAYMENT)
"""Their totals are those of what they pay (`payments`), their lines are Sage's own."""
_QUANTITY, _PRICE = "unitQuantity", "unitPrice"
SUBTOTALS = ("isSubtotal", "isSubTotal")
LINE_PATHS = (
    *(path for pair in _AMOUNTS for path in pair),
    _QUANTITY,
    _PRICE,
    "txnType",
    "dimensions.location.key",
    *SUBTOTALS,
)
"""What must be known of a line."""


def owner_paths(paths: Iterable[str]) -> list[str]:
    """What must be known of a document, of the paths that it has."""
    wanted = {*_RATES, *TXN_CURRENCIES, *BASE_CURRENCIES, *(paid for _, _, paid in _TOTALS), "baseLocation.key"}
    return [path for path in paths if path in wanted or path == "state"]


def rate(owner: Mapping[str, Any]) -> Decimal:
    """Base currency for one unit of the transaction's; 1 without one."""
    for path in _RATES:
        found = parse_decimal(owner.get(path)) if owner.get(path) is not None else None
        if found is not None and found > 0:
            return found
    return Decimal(1)


def currency(owner: Mapping[str, Any], paths: Iterable[str]) -> str | None:
    for path in paths:
        if isinstance(owner.get(path), str):
            return str(owner[path])
    return None


def rounded(amount: Decimal) -> str:
    return f"{amount.quantize(CENT, ROUND_HALF_UP):f}"


def line_values(paths: Container[str], values: dict[str, Any], owner: Mapping[str, Any]) -> None:
    """Fill in what a line takes from its amount: the base amount at the owner's rate, the total, prices."""
    for txn, base in _AMOUNTS:
        amount = parse_decimal(values[txn]) if values.get(txn) is not None else None
        if amount is None:
            continue
        if base in paths:
            values[base] = rounded(amount * rate(owner))
        if txn == "txnAmount" and "totalTxnAmount" in paths and values.get("totalTxnAmount") is None:
            values["totalTxnAmount"] = rounded(amount)
    if values.get("txnAmount") is not None and "reimbursementAmount" in paths:
        values["reimbursementAmount"] = values["txnAmount"]
    price = parse_decimal(values[_PRICE]) if values.get(_PRICE) is not None else None
    if price is not None and "price" in paths:
        values["priceInTxnCurrency"] = f"{price:.10f}"
        values["price"] = f"{price * rate(owner):.10f}"
    if values.get(_QUANTITY) is not None and "quantity" in paths:
        values["quantity"] = values[_QUANTITY]


def line_currencies(paths: Container[str], values: dict[str, Any], owner: Mapping[str, Any]) -> None:
    """A line is in its document's currencies, at its rate."""
    pairs = (
        ("txnCurrency", TXN_CURRENCIES),
        ("baseCurrency", BASE_CURRENCIES),
    )
    for name, sources in pairs:
        word = currency(owner, sources)
        for path in (f"currency.{name}", f"{name}.currency", name):
            if word is not None and path in paths and values.get(path) is None:
                values[path] = word
                break
    for target, source in (
        ("currency.exchangeRate.rate", "currency.exchangeRate.rate"),
        ("currency.exchangeRate.date", "currency.exchangeRate.date"),
        ("currency.exchangeRate.typeId", "currency.exchangeRate.typeId"),
    ):
        if target in paths and owner.get(source) is not None:
            values[target] = owner[source]


def totals(
    object: str, paths: Container[str], owner: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """The owner's totals from its lines; what is due is the total less what is paid. Subtotal lines do not count."""
    sums = _sums(owner, lines)
    if object in _NO_SUM or not sums:
        return {}
    found: dict[str, str] = {}
    for total, kind, paid in _TOTALS:
        if total not in paths or kind not in sums or (paid and paid not in paths):
            continue
        taken = parse_decimal(owner.get(paid)) if paid and owner.get(paid) is not None else None
        found[total] = rounded(sums[kind] - (taken or Decimal(0)))
    return found


def _sums(owner: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    counted = [line for line in lines if not any(line.get(name) == "subtotal" for name in SUBTOTALS)]
    if not lines:
        return {"txn": Decimal(0), "base": Decimal(0)}
    for txn, base in _AMOUNTS:
        if txn in lines[0]:
            sums = {"txn": _sum(counted, txn)}
            if base in lines[0]:
                sums["base"] = _sum(counted, base)
            return sums
    if _QUANTITY in lines[0] and _PRICE in lines[0]:
        extended = [_number(line, _QUANTITY) * _number(line, _PRICE) for line in counted]
        cents = [amount.quantize(CENT, ROUND_HALF_UP) for amount in extended]
        base_cents = [(amount * rate(owner)).quantize(CENT, ROUND_HALF_UP) for amount in cents]
        return {"txn": sum(cents, Decimal(0)), "base": sum(base_cents, Decimal(0))}
    return {}


def _number(line: Mapping[str, Any], path: str) -> Decimal:
    found = parse_decimal(line[path]) if line.get(path) is not None else None
    return found if found is not None else Decimal(0)


def _sum(lines: Iterable[Mapping[str, Any]], path: str) -> Decimal:
    return sum((_number(line, path) for line in lines), Decimal(0))


def check_balance(
    model: Model,
    owner: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    operation: str,
    entities: Mapping[str, str],
) -> None:
    """A journal entry that is not a draft balances; over several entities it balances in each, or names a base location
    (REST reference 9.2). That a draft need not is INFERRED. `entities`: key of a location -> id of its entity."""
    if model.name != JOURNAL_ENTRY or owner.get("state") == "draft":
        return
    balances: dict[str | None, Decimal] = {}
    for line in lines:
        entity = entities.get(str(line.get("dimensions.location.key")))
        amount = _number(line, "txnAmount")
        balances[entity] = balances.get(entity, Decimal(0)) + (amount if line.get("txnType") == "debit" else -amount)
    if sum(balances.values(), Decimal(0)):
        raise Refusal.unbalanced(operation, model.name)
    uneven = sorted(entity for entity, balance in balances.items() if balance and entity is not None)
    if uneven and owner.get("baseLocation.key") is None:
        raise Refusal.unbalanced(operation, model.name, ", ".join(uneven))
