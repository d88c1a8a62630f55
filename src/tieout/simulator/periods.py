"""Date macros of the query service (REST reference 5.3): `currentMonth` -> its first and last day. Knows only days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

Period = tuple[date, date]


def _day(of: date) -> Period:
    return of, of


def _week(of: date) -> Period:
    first = of - timedelta(days=of.weekday())
    return first, first + timedelta(days=6)


def _months(of: date, length: int) -> Period:
    first = date(of.year, (of.month - 1) // length * length + 1, 1)
    after = date(first.year + (first.month - 1 + length) // 12, (first.month - 1 + length) % 12 + 1, 1)
    return first, after - timedelta(days=1)


def _before(period: Callable[[date], Period]) -> Callable[[date], Period]:
    return lambda of: period(period(of)[0] - timedelta(days=1))


def _month(of: date) -> Period:
    return _months(of, 1)


def _quarter(of: date) -> Period:
    return _months(of, 3)


def _year(of: date) -> Period:
    return _months(of, 12)


def period(macro: str, of: date, *, sunday: bool = False) -> Period:
    """`sunday`: weeks begin with it, not with Monday; which day Sage's week begins with is UNKNOWN."""
    if not (sunday and macro in ("currentWeek", "lastWeek")):
        return MACROS[macro](of)
    first, last = MACROS[macro](of + timedelta(days=1))
    return first - timedelta(days=1), last - timedelta(days=1)


MACROS: dict[str, Callable[[date], Period]] = {
    "today": _day,
    "yesterday": _before(_day),
    "currentWeek": _week,
    "lastWeek": _before(_week),
    "currentMonth": _month,
    "priorMonth": _before(_month),
    "currentQuarter": _quarter,
    "priorQuarter": _before(_quarter),
    "currentYear": _year,
    "priorYear": _before(_year),
}
