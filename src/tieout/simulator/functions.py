"""The SQL functions that the company's database has beside SQLite's own: comparing odd values, exact sums."""

from __future__ import annotations

import sqlite3
from decimal import ROUND_HALF_UP, Context, Decimal

from tieout.simulator.values import (
    EXACT,
    Stored,
    decimal_of,
    number_of,
    plain_number_of,
    render_scaled,
    text_of,
    truth_of,
    verbatim,
)


def _fold(stored: Stored) -> str | None:
    text = text_of(stored)
    return None if text is None else text.casefold()


def _money_text(stored: Stored, scale: int) -> str | None:
    return render_scaled(stored, scale) if type(stored) is int else text_of(stored)


def _has(stored: Stored, word: str) -> int:
    value = verbatim(stored)
    return int(isinstance(value, list) and word in value)


class _Exact:
    """Adds any numbers exactly. What is no number does not count."""

    def __init__(self) -> None:
        self.total = Decimal(0)
        self.count = 0
        self.scale = 0

    def step(self, stored: Stored, scale: int, /) -> None:
        number = decimal_of(stored, scale)
        if number is not None:
            self.total = EXACT.add(self.total, number)
            self.count += 1
        self.scale = scale

    def answer(self, number: Decimal) -> str:
        unit = Decimal(1).scaleb(-self.scale)
        return f"{number.quantize(unit, ROUND_HALF_UP, EXACT) if self.scale else number:f}"


class ExactSum(_Exact):
    """Sum as text, None of no values."""

    def finalize(self) -> str | None:
        if not self.count:
            return None
        exponent = self.total.as_tuple().exponent
        fits = isinstance(exponent, int) and exponent >= -self.scale
        return self.answer(self.total) if fits else f"{self.total:f}"


class ExactAverage(_Exact):
    """Mean as text, money rounded half up to its own precision (INFERRED), None of no values."""

    def _mean(self) -> Decimal:
        return Context(prec=28).divide(self.total, Decimal(self.count))

    def finalize(self) -> str | None:
        return self.answer(self._mean()) if self.count else None


def register(db: sqlite3.Connection) -> None:
    db.create_function("ia_text", 1, text_of, deterministic=True)
    db.create_function("ia_fold", 1, _fold, deterministic=True)
    db.create_function("ia_scaled", 2, number_of, deterministic=True)
    db.create_function("ia_number", 1, plain_number_of, deterministic=True)
    db.create_function("ia_truth", 1, truth_of, deterministic=True)
    db.create_function("ia_money_text", 2, _money_text, deterministic=True)
    db.create_function("ia_has", 2, _has, deterministic=True)
    # typeshed declares one argument only; sqlite3 passes as many as are registered
    db.create_aggregate("ia_sum", 2, ExactSum)  # type: ignore[arg-type]
    db.create_aggregate("ia_avg", 2, ExactAverage)  # type: ignore[arg-type]
