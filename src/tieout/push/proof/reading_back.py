"""Reads posted records back for the tie-out: several requests under way, compared in the order of asking.

Knows requests, not what a proof makes of the answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from tieout.errors import NotFoundError, TieoutError
from tieout.push.dispatch.flights import Flights
from tieout.push.proof.tieout import CONNECTION_WIDE, Answer, Expected, Proof, Read
from tieout.rest import operations, reading

if TYPE_CHECKING:
    from tieout.push.opening import Opened
    from tieout.store.ledger import LedgerRecord

Answers: TypeAlias = "dict[str, Answer] | TieoutError"
OnRead: TypeAlias = Callable[[Mapping[str, Read]], None]


class _Asked(msgspec.Struct, eq=False):
    """Some records of one proof, and what Intacct answered as soon as it has."""

    desk: Opened
    proof: Proof
    posted: Sequence[LedgerRecord]
    expected: Mapping[str, Expected] | None
    then: OnRead | None
    answers: Answers | None = None


class ReadingBack:
    """Reads the records of proofs, lines included, up to 500 a request (REST reference 4.3).

    What Intacct refuses for an object is in its proof's `refused`, and so is what any object would meet, which is
    raised if `strict`: NotAuthorisedError, UnreachableError, BudgetError ..."""

    def __init__(self, places: int, *, strict: bool) -> None:
        self._flights: Flights[_Asked, Answers] = Flights(places, _answers)
        self._waiting: deque[_Asked] = deque()
        self._strict = strict

    def add(
        self,
        desk: Opened,
        proof: Proof,
        posted: Sequence[LedgerRecord],
        expected: Mapping[str, Expected] | None,
        then: OnRead | None = None,
    ) -> None:
        """Tell a proof of posted records and ask Intacct for them; with None as `expected` they were deleted. `then` is
        told what was read, by source id: after that of all that was added before, and also where nothing could be."""
        if expected is not None:
            proof.told(posted, expected)
        asked = _Asked(desk, proof, posted, expected, then)
        self._waiting.append(asked)
        if proof.refused or not any(record.sage_key for record in posted):
            asked.answers = {}
        else:
            self._flights.start(asked)
        self._conclude()
        while self._flights.full:
            self._land()

    def finish(self) -> None:
        """Wait for what is under way, and compare it."""
        while self._waiting:
            self._land()
        self._flights.close()

    def _land(self) -> None:
        if self._flights.under_way:
            asked, answers = self._flights.landed()
            asked.answers = answers
        self._conclude()

    def _conclude(self) -> None:
        """Compare what has been answered, as far as nothing that was asked before it is still out."""
        while self._waiting and self._waiting[0].answers is not None:
            asked = self._waiting.popleft()
            try:
                self._compare(asked, asked.proof)
            except CONNECTION_WIDE as error:
                if self._strict:
                    raise
                asked.proof.refused = asked.proof.refused or error.message

    def _compare(self, asked: _Asked, proof: Proof) -> None:
        answers, read = asked.answers, dict[str, Read]()
        if isinstance(answers, TieoutError):
            if self._strict and isinstance(answers, CONNECTION_WIDE):
                raise answers
            proof.refused = proof.refused or answers.message
        found = answers if isinstance(answers, dict) else {}
        if asked.expected is None:
            proof.confirm_deleted(asked.posted, found)
        else:
            read = proof.compare(asked.posted, asked.expected, found)
        if asked.then is not None:
            asked.then(read)


def _answers(asked: _Asked) -> Answers:
    """What Intacct answers to each key, or the error that met a whole request."""
    desk, found = asked.desk, dict[str, Answer]()
    keys = list(dict.fromkeys(record.sage_key for record in asked.posted if record.sage_key))
    try:
        for some in reading.chunks(desk.object, keys):
            try:
                answers = desk.client.call(operations.get_many(desk.object, some))
            except NotFoundError as error:
                if len(some) > 1:
                    raise
                answers = [error]  # one key is answered like a single read
            found.update(zip(some, answers, strict=True))
    except TieoutError as error:
        return error
    return found
