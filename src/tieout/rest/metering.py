"""What the tries of one call cost and how long they took, told to the meter and settled with the budget. It decides
nothing about the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tieout.rest.batch import Outcome
from tieout.rest.call import Call, Reply
from tieout.rest.failures import Refusal, refusal_of
from tieout.rest.meter import Try, work_of

if TYPE_CHECKING:
    from tieout.rest.session import Session

LONGEST_PATH = 200


class Metering:
    """One call. `begin`, `end` and `record` surround each try, in this order; `close` ends the call."""

    def __init__(self, session: Session, call: Call[Any], label: str) -> None:
        self._session, self._call, self._label = session, call, label
        self._tries = 0
        self._waited = self._sent_at = self._seconds = 0.0
        self.slept = 0.0
        """Seconds that the call slept before its next try."""
        self._used: int | None = None
        if session.budget is not None:
            session.budget.reserve(label, transactions=call.transactions)

    def ask(self) -> float:
        """Before a place is asked for -> the time on the session's clock. Raises BudgetError."""
        if self._session.budget is not None:
            self._session.budget.reserve(self._label, calls=1, bytes=len(self._call.body or b""))
        return self._session.clock()

    def begin(self, asked: float) -> None:
        """The place asked for at `asked` is there; the request goes out."""
        self._tries += 1
        self._sent_at = self._session.clock()
        self._waited = self._sent_at - asked

    def end(self, reply: Reply | None) -> None:
        """The answer is there, or there will be none; an answer is recorded once it is judged."""
        self._seconds = self._session.clock() - self._sent_at
        if reply is None:
            self.record(None)
        elif self._session.budget is not None:
            self._session.budget.received(len(reply.body))

    def used(self, result: Any) -> int:
        """The call succeeded -> what it cost: of a batch of writes, the records that were posted."""
        call = self._call
        if call.batch and isinstance(result, list) and result and isinstance(result[0], Outcome):
            self._used = sum(outcome.state == "posted" for outcome in result)
        else:
            self._used = call.transactions
        return self._used

    def record(self, reply: Reply | None, transactions: int = 0) -> None:
        """One try, as it ended."""
        session, call = self._session, self._call
        object, operation = work_of(call.method, call.path.partition("?")[0])
        error_id, support_id = _traced(reply, self._label) if reply is not None and reply.status >= 400 else ("", "")
        session.meter.record(
            Try(
                method=call.method,
                path=shown(call.path),
                status=reply.status if reply is not None else 0,
                transactions=transactions,
                sent=len(call.body or b""),
                received=len(reply.body) if reply is not None else 0,
                seconds=self._seconds,
                time=session.now() - self._seconds,
                entity=call.entity if call.entity is not None else session.entity,
                company=session.pace.name if session.pace is not None else None,
                object=call.object or object,
                operation=operation,
                attempt=self._tries,
                waited=self._waited,
                slept=self.slept,
                error_id=error_id,
                support_id=support_id,
                replayed=reply is not None and reply.replayed,
            )
        )
        self.slept = 0.0

    def close(self, *, unknown: bool) -> None:
        """What was reserved and not used goes back. Where nobody knows whether it arrived, all of it counts."""
        if self._session.budget is not None:
            left = self._call.transactions - self._used if self._used is not None else self._call.transactions
            self._session.budget.give_back(transactions=0 if unknown and self._used is None else left)


def shown(path: str) -> str:
    """A path without a query string, shortened: a read of many keys names them all."""
    path = path.partition("?")[0]
    return path if len(path) <= LONGEST_PATH else path[: LONGEST_PATH - 1] + "…"


def _traced(reply: Reply, label: str) -> tuple[str, str]:
    """errorId (else the code) and supportId of a refusal."""
    found = refusal_of(reply, label)
    if not isinstance(found, Refusal):
        return "", ""
    return found.error.error_id or found.error.code, found.error.support_id
