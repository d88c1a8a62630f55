"""A limit on what may be spent. Whoever would overspend is refused before anything is sent.

What a call will cost at most is reserved before it is sent and settled when its outcome is known, so that calls under
way at once can never overspend together. Knows no wire.
"""

from __future__ import annotations

import threading
from typing import Any

from tieout.errors import BudgetError, ConfigurationError


class Budget:
    """So many billable transactions, calls or bytes, for one client or shared by several. None: no limit.

    `transactions` counts pages read and records written (REST reference 8.6), `calls` every request with its retries,
    `bytes` the bodies both ways. How long an answer is nobody knows before it comes: `bytes` may be passed by the
    answers under way, the other two never. A write without a known outcome stays counted.
    """

    def __init__(self, transactions: int | None = None, *, calls: int | None = None, bytes: int | None = None) -> None:
        self.transactions, self.calls, self.bytes = (
            _limit(name, value) for name, value in (("transactions", transactions), ("calls", calls), ("bytes", bytes))
        )
        self._lock = threading.Lock()
        self._spent = {"transactions": 0, "calls": 0, "bytes": 0}

    @property
    def spent(self) -> dict[str, int]:
        """{`transactions`, `calls`, `bytes`}: settled and reserved together."""
        with self._lock:
            return dict(self._spent)

    @property
    def left(self) -> dict[str, int | None]:
        """{`transactions`, `calls`, `bytes`}: what may still be spent; None where there is no limit."""
        limits = {"transactions": self.transactions, "calls": self.calls, "bytes": self.bytes}
        with self._lock:
            return {
                name: None if limit is None else max(limit - self._spent[name], 0) for name, limit in limits.items()
            }

    def reserve(self, what: str, *, transactions: int = 0, calls: int = 0, bytes: int = 0) -> None:
        """Take so much, or nothing and raise BudgetError. `what` is the request, for the message."""
        asked = {"transactions": transactions, "calls": calls, "bytes": bytes}
        with self._lock:
            for name, amount in asked.items():
                limit: int | None = getattr(self, name)
                if limit is not None and amount and self._spent[name] + amount > limit:
                    raise _overspent(what, name, amount, self._spent[name], limit)
            for name, amount in asked.items():
                self._spent[name] += amount

    def give_back(self, *, transactions: int = 0) -> None:
        """What was reserved and not used."""
        with self._lock:
            self._spent["transactions"] -= transactions

    def received(self, bytes: int) -> None:
        """The length of an answer, known only now."""
        with self._lock:
            self._spent["bytes"] += bytes

    def __repr__(self) -> str:
        spent = self.spent
        limits = [
            f"{name} {spent[name]:,} of {limit:,}" for name in spent if (limit := getattr(self, name)) is not None
        ]
        return f"Budget({', '.join(limits) or 'no limit'})"


def _limit(name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise ConfigurationError(f"A budget of {name} is a whole number from 0, not {value!r}.")
    limit: int | None = value
    return limit


def _overspent(what: str, name: str, asked: int, spent: int, limit: int) -> BudgetError:
    budget = f"the budget of {_amount(limit, name)}"
    part = f"{spent:,} of {budget} {'is' if spent == 1 else 'are'}" if spent < limit else f"{budget} is"
    error = BudgetError(
        f"{what} was not sent: it may cost {_amount(asked, name)}, and {part} spent.",
        advice="Allow a larger budget, or ask for less.",
    )
    error.spent = f"{part} spent"
    return error


def _amount(number: int, name: str) -> str:
    return f"{number:,} {name.removesuffix('s') if number == 1 else name}"
