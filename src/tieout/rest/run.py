"""The books of one run of batches: which request became of which records what, and what is left open.

Decides what an error of a whole request means for its records. Sends nothing by itself and cuts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from tieout.errors import (
    BudgetError,
    ConflictError,
    ForbiddenError,
    IntacctError,
    NotFoundError,
    OutcomeUnknownError,
    ServerError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
)
from tieout.rest import operations
from tieout.rest.attempt import AT_THE_DOOR
from tieout.rest.batch import BatchResult, Outcome, Sent, State, all_failed
from tieout.rest.call import Call
from tieout.rest.effects import Exchange
from tieout.rest.perform import perform
from tieout.rest.session import Session

REPLAY_DAYS = 59
"""A key is reserved for 60 days (REST reference 7.6); a replay after that could post a second time."""
NOT_TRIED = (TokenRefusedError, ForbiddenError, ThrottledError, BudgetError)
"""Intacct, or we ourselves, refused to look at the request: none of its records was processed."""


class Run:
    """Outcomes by position while requests go out. Requests of one run may be under way at once: each writes only the
    places of its own records."""

    def __init__(
        self,
        session: Session,
        records: Sequence[Any],
        keys: Sequence[str] | None = None,
        before: BatchResult | None = None,
    ) -> None:
        self._session = session
        self._records = records
        self._keys = keys
        """Of records that have one already."""
        self._before = before
        self._outcomes: list[Outcome | None] = list(before.outcomes) if before is not None else [None] * len(records)
        self._requests: list[Sent] = list(before.unsettled) if before is not None else []
        self._settled = False
        self.stopped: TieoutError | None = None
        """Why nothing more is sent."""

    def may_ask(self, request: Sent) -> bool:
        """Whether a replay is still safe; if not, its records say why they stay unknown."""
        young = datetime.now(UTC) - request.first_sent <= timedelta(days=REPLAY_DAYS)
        if young or request.idempotency_key is None:  # what is deleted cannot be deleted twice
            return True
        error = OutcomeUnknownError(
            f"The request of {request.first_sent:%Y-%m-%d} never had an answer, and asking again after {REPLAY_DAYS} "
            "days could post twice.",
            advice="Look for the records in Intacct.",
            idempotency_key=request.idempotency_key,
        )
        self._write(request, all_failed(len(request.positions), error, "unknown"))
        return False

    def carry_out(self, request: Sent) -> Exchange[None]:
        """Send one request and write down what became of its records. Raises no TieoutError."""
        if self._before is None:
            self._requests.append(request)
            interrupted = OutcomeUnknownError(
                f"{request.method} {request.path.partition(',')[0]} was interrupted before its answer came.",
                advice="`retry_unknown` asks again without writing twice.",
                idempotency_key=request.idempotency_key,
            )
            self._write(request, all_failed(len(request.positions), interrupted, "unknown"))
        call = operations.batch(
            request.method,
            request.path,
            request.body,
            request.keys,
            idempotency_key=request.idempotency_key,
            atomic=request.atomic,
            entity=request.entity,
            new_key=self._before is None and request.idempotency_key is not None,
            rekeyed=partial(self._rekey, request.positions),
            again=self._before is not None,
        )
        try:
            if self._before is not None and not (yield from self._key_works(call)):
                self._write(request, all_failed(len(request.positions), _no_keys(request), "unknown"))
                return
            outcomes = yield from perform(self._session, call)
        except TieoutError as error:
            outcomes = self._refused(request, error)
        else:
            self._settled = True
        self._write(request, outcomes)

    def _rekey(self, positions: tuple[int, ...], key: str) -> None:
        """A request goes on under another key: asking again must use that one."""
        at = next(at for at, request in enumerate(self._requests) if request.positions == positions)
        self._requests[at] = msgspec.structs.replace(self._requests[at], idempotency_key=key)

    def _key_works(self, call: Call[list[Outcome]]) -> Exchange[bool]:
        """Whether its key keeps a replay from being carried out twice."""
        if call.idempotency_key is None or self._session.keys_work is None:
            return True
        return (yield from self._session.keys_work(self._session, call))

    def _refused(self, request: Sent, error: TieoutError) -> list[Outcome]:
        """What an error of the whole request means for its records."""
        count = len(request.positions)
        door = isinstance(error, AT_THE_DOOR) or (isinstance(error, IntacctError) and error.gateway)
        gone = self._before is not None and isinstance(error, NotFoundError) and request.method == "DELETE"
        if gone and count == 1 and not door:
            self._settled = True
            return [Outcome(position=0, state="posted", key=request.keys[0])]
        answered = isinstance(error, IntacctError) and not isinstance(error, (ServerError, *NOT_TRIED))
        if not answered:
            self.stopped = self.stopped or error
        state: State = "failed"
        if isinstance(error, (OutcomeUnknownError, ServerError)):
            state = "unknown"
            self._settled = True
        elif not answered:
            state = "unprocessed"
        if self._before is not None and (not answered or door or isinstance(error, ConflictError)):
            state = "unknown"  # this refusal says nothing about the first time
        self._settled = self._settled or answered
        return all_failed(count, error, state)

    def _write(self, request: Sent, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            at = request.positions[outcome.position]
            known = self._before.outcomes[at] if self._before is not None else None
            if known is None or known.state == "unknown":
                key = outcome.key or request.keys[outcome.position]
                self._outcomes[at] = msgspec.structs.replace(outcome, position=at, key=key)

    def result(self) -> BatchResult:
        """What is known by now. A record whose request did not go out is `unprocessed`."""
        outcomes = [
            outcome
            or Outcome(position=at, state="unprocessed", key=self._keys[at] if self._keys else None, error=self.stopped)
            for at, outcome in enumerate(self._outcomes)
        ]
        unsettled = [
            request for request in self._requests if any(outcomes[at].state == "unknown" for at in request.positions)
        ]
        return BatchResult(self._records, outcomes, unsettled)

    def finished(self) -> BatchResult:
        """The result; raises what stopped the run if not one request came to an end."""
        if self.stopped is not None and not self._settled:
            raise self.stopped
        return self.result()

    def rescue(self, error: BaseException) -> None:
        """Hand what is known to whoever catches an interruption (`BatchResult.rescued`)."""
        if isinstance(error, GeneratorExit) or self.stopped is error:
            return
        result = self.result()
        vars(error)["batch_result"] = result
        error.add_note(f"{result!r}: `BatchResult.rescued(error)` has it.")


def _no_keys(request: Sent) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"{request.method} {request.path} never had an answer, and Intacct keeps no idempotency keys for this object: "
        "sent again, it could be carried out twice.",
        advice="Look for the records in Intacct.",
    )
