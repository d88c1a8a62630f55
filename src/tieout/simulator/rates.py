"""Exchange rates: the company's own, and the daily ones that Sage keeps for everybody (REST reference 9.2, 9.3).

Knows currencies and days. Refuses to know documents.
"""

from __future__ import annotations

from decimal import Decimal

from tieout.simulator.rows import Rows
from tieout.simulator.values import parse_decimal

EXCHANGE_RATE = "company-config/exchange-rate"
DAILY = {
    ("USD", "USD"): 10000, ("CAD", "CAD"): 10000, ("GBP", "GBP"): 10000,
    ("EUR", "USD"): 10836, ("CAD", "USD"): 7312, ("GBP", "USD"): 12718,
    ("USD", "CAD"): 13675, ("EUR", "CAD"): 14821, ("GBP", "CAD"): 17394,
    ("USD", "GBP"): 7863, ("EUR", "GBP"): 8517, ("CAD", "GBP"): 5749,
}  # fmt: skip
"""Ten-thousandths by (transaction currency, base currency). Here they are the same every day."""


def find(rows: Rows, txn: str, base: str, day: str) -> Decimal | None:
    """The rate on a day: the company's latest up to then, else the daily one, else None."""
    table = rows.tables.existing(EXCHANGE_RATE)
    best: tuple[str, Decimal] | None = None
    if table is not None and "lines" in table.lines:
        for pair in rows.where(table, "fromCurrency", txn, ("key", "toCurrency")):
            if pair.get("toCurrency") != base:
                continue
            key = table.columns["key"].encode(pair["key"])
            for line in rows.lines(table, "lines", key, ("effectiveStartDate", "rate")):
                since = str(line.get("effectiveStartDate") or "")
                value = parse_decimal(line.get("rate"))
                if value and since <= day and (best is None or since >= best[0]):
                    best = (since, value)
    if best is not None:
        return best[1]
    daily = DAILY.get((txn, base))
    return Decimal(daily).scaleb(-4) if daily is not None else None
