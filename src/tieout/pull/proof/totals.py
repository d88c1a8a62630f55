"""What Intacct says of all rows of an object at once: how many there are, exact sums, the latest modified stamp.

One request, one billable transaction, however many rows. What a company refuses of it is left out of the next try, and
remembered where it is known to be the reason. Compares nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from tieout.errors import IntacctError, InvalidRequestError, RefusedError, ReplyError, TieoutError
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.subject import Subject
from tieout.pull.schema.types import Column

COUNT = "count:key"
MAX_TRIES = 6
"""Requests for the totals of one table: each one more is a field that the company refused."""
NOT_QUERYABLE = "REST-1106"


class Told(msgspec.Struct, kw_only=True):
    """Intacct's totals of one moment, and what they cost in billable transactions: refused requests are not billed."""

    count: int = 0
    sums: dict[str, Decimal | None] = msgspec.field(default_factory=dict)
    """By path."""
    refused: dict[str, str] = msgspec.field(default_factory=dict)
    """Path of a sum that Intacct would not give -> why."""
    newest: datetime | None = None
    """The latest modified stamp of all."""
    stamped: bool = False
    """Whether `newest` was asked for and answered: None then means that no row has one."""
    asked_at: datetime | None = None
    """Intacct's clock when it was asked, as near as its Date header and our stopwatch can tell."""
    transactions: int = 0


def totals(subject: Subject, summed: Sequence[Column], *, stamp: Column | None = None) -> Told:
    """Count and sums of all rows, and the latest `stamp`, of one moment.

    That `count`, `sum` and `max` are there is documented; that `count` takes a key, `max` a moment, and one request all
    of them, is not (REST reference 5.1, 5.5). A count that is refused is asked for by a page of one row.

    Raises what the client raises where the rows cannot even be counted."""
    return _Asking(subject, summed, stamp).run()


def tells_newest(subject: Subject, stamp: Column | None) -> bool:
    """Whether the latest stamp can be asked for: rows have stamps, and Intacct has not refused it before."""
    learnt = subject.client.memory.unqueryable(subject.model.name)
    return stamp is not None and f"max:{stamp.path}" not in learnt


class _Asking:
    def __init__(self, subject: Subject, summed: Sequence[Column], stamp: Column | None) -> None:
        self._subject, self._summed = subject, summed
        self._max = f"max:{stamp.path}" if stamp is not None else ""
        self._told = Told()
        learnt = subject.client.memory.unqueryable(subject.model.name)
        sums = [f"sum:{column.path}" for column in summed]
        self._leave_out([name for name in sums if name in learnt], "refused before")
        self._wanted = [name for name in (COUNT, *sums, self._max) if name and name not in learnt]

    def run(self) -> Told:
        suspect: tuple[str, IntacctError] | None = None
        for number in range(1, MAX_TRIES + 1):
            if not set(self._wanted) - {COUNT}:
                break  # a page of one row counts as well
            try:
                self._ask()
            except TieoutError as error:
                if is_connection_wide(error) and not isinstance(error, ReplyError):
                    raise
                culprits, named = self._culprits(error) if number < MAX_TRIES else (list(self._wanted), False)
                self._leave_out(culprits, _reason(error))
                suspect = None
                if isinstance(error, IntacctError) and error.error_id == NOT_QUERYABLE and len(culprits) == 1:
                    suspect = culprits[0], error
                    if named:
                        self._learn(*suspect)
            else:
                if suspect is not None:  # without this one it went through
                    self._learn(*suspect)
                return self._told
        self._told.count = self._subject.count()
        self._told.transactions += 1
        return self._told

    def _ask(self) -> None:
        from tieout.rest import Query
        from tieout.rest.aggregates import totals_decoder
        from tieout.rest.operations import query_page
        from tieout.rest.rows import not_understood, row_type

        subject, told, wanted = self._subject, self._told, tuple(self._wanted)
        query = Query(object=subject.model.name, fields=wanted, where=subject.where, private=subject.private)
        parse = totals_decoder(row_type(subject.model, wanted), wanted)
        subject.share.check()
        began = time.monotonic()
        page = subject.client.call(query_page(query, 1, 1, parse))
        took = timedelta(seconds=time.monotonic() - began)
        told.transactions += 1
        told.asked_at = page.date - took if page.date is not None else None
        row = page.rows[0] if page.rows else dict.fromkeys(wanted)
        odd = set(page.rows[0].misfits) if page.rows else set()
        if odd - {self._max}:
            raise not_understood("an aggregate query")
        told.sums = {c.path: row[f"sum:{c.path}"] for c in self._summed if f"sum:{c.path}" in wanted}
        if self._max in wanted and not odd:  # in another form than a moment, it says nothing
            told.newest, told.stamped = row[self._max], True
        if COUNT in wanted:
            told.count = row[COUNT] or 0
        else:
            told.count = subject.count()
            told.transactions += 1

    def _culprits(self, error: TieoutError) -> tuple[list[str], bool]:
        """What to leave out, and whether the refusal named it. Else what is documented least, one after the other: the
        latest stamp, the count, plain numbers where money remains, all. All at once where it is no refusal."""
        wanted = self._wanted
        field = error.placeholders.get("FIELD", "") if isinstance(error, IntacctError) else ""
        named = [name for name in wanted if field in (name, name.partition(":")[2])]
        if named:
            return named, True
        if not isinstance(error, InvalidRequestError | RefusedError):
            return list(wanted), False
        for first in (self._max, COUNT):
            if first in wanted:
                return [first], False
        numbers = [f"sum:{column.path}" for column in self._summed if not column.money]
        found = [name for name in wanted if name in numbers]
        return (found if 0 < len(found) < len(wanted) else list(wanted)), False

    def _leave_out(self, names: Sequence[str], why: str) -> None:
        self._told.refused |= {name.removeprefix("sum:"): why for name in names if name.startswith("sum:")}
        self._wanted = [name for name in getattr(self, "_wanted", ()) if name not in names]

    def _learn(self, name: str, error: IntacctError) -> None:
        self._subject.client.memory.keep_unqueryable(self._subject.model.name, name, error.message)


def _reason(error: TieoutError) -> str:
    return error.error_id if isinstance(error, IntacctError) and error.error_id else error.message
