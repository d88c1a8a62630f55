"""Sends batches so that nothing is posted twice: ledger first, then the request, then the outcome by position.

Knows requests and outcomes, no files and no mapping (DESIGN rules 1 and 2).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import (
    BudgetError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotAuthorisedError,
    OutcomeUnknownError,
    RefusedError,
    ReplyError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    TooLargeError,
    UnreachableError,
)
from tieout.push.documents import ENCODER, Document
from tieout.push.report import error_facts
from tieout.rest import Outcome, operations
from tieout.rest.batch import cut
from tieout.store.crashpoints import reached
from tieout.store.ledger import Batch, Ledger, LedgerRecord, Result, Scope, State

if TYPE_CHECKING:
    from tieout.rest import Intacct
    from tieout.store.leases import Lease

REPLAY_DAYS = 59
"""A key is reserved for 60 days (REST reference 7.6); a replay after that could post a second time."""

NOT_TRIED = (TokenRefusedError, ForbiddenError, ThrottledError, NotAuthorisedError, BudgetError)
"""Intacct, or we ourselves, refused to look at the request: none of its records was processed."""
NOT_KNOWN = (OutcomeUnknownError, ReplyError)
"""Nobody can tell what became of the request. Only the same bytes under the same key may follow. A server error comes
as OutcomeUnknownError, also where Intacct remembers and repeats it."""
PER_RECORD = (InvalidRequestError, RefusedError)
"""A whole request refused for what may be one record's fault: it is cut in two until the guilty one is alone."""


class Outgoing(msgspec.Struct):
    """A document on its way: its bytes, and how often Intacct refused it before."""

    document: Document
    body: bytes
    attempt: int

    @classmethod
    def of(cls, document: Document, attempt: int) -> Outgoing:
        return cls(document, ENCODER.encode(document.body), attempt)


class Sender:
    """Sends the documents of one run. `outcomes` maps source ids to what the ledger now says of them."""

    def __init__(
        self,
        client: Intacct,
        ledger: Ledger,
        lease: Lease,
        object: str,
        run_id: str,
        settled: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._lease = lease
        self._object = object
        self._run_id = run_id
        self._settled = settled
        self.outcomes: dict[str, Result] = {}
        self.notes: list[str] = []

    # Earlier runs --------------------------------------------------------------------------------------------------

    def replay(self) -> None:
        """Settle what interrupted runs left open: the same bytes under the same key, and nothing else."""
        for batch in self._ledger.open_batches():
            sources = self._ledger.source_ids(batch.id)
            if len(sources) != batch.count:
                self.notes.append(f"Request {batch.id} of {batch.created_at} has lost records; it is not sent again.")
                continue
            if _age(batch) > timedelta(days=REPLAY_DAYS):
                self.notes.append(
                    f"{batch.count} records sent on {batch.created_at[:10]} never had an answer, and asking again "
                    f"after {REPLAY_DAYS} days could post them twice. Look for them in Intacct."
                )
                continue
            try:
                batch.body = self._ledger.body(batch.id)
            except ConfigurationError as error:
                self.notes.append(
                    f"{batch.count} records sent on {batch.created_at[:10]} never had an answer, and what was sent "
                    f"cannot be read: {error} They stay unknown, and nothing else is sent for them."
                )
                continue
            self._exchange(batch, sources, first=False)

    # This run ------------------------------------------------------------------------------------------------------

    def send(self, documents: Sequence[Outgoing]) -> None:
        """Send in batches, in the order given. Stops after a request whose outcome is unknown.

        Raises TokenRefusedError, ForbiddenError, UnreachableError ... where Intacct takes nothing at all; the ledger
        then says which records were not processed, and a rerun goes on from there."""
        for span in cut([outgoing.body for outgoing in documents]):
            if not self._send_batch([documents[position] for position in span]):
                return

    def _send_batch(self, outgoing: Sequence[Outgoing]) -> bool:
        """One batch -> False if its outcome is unknown."""
        batch = make_batch(self._ledger.scope, self._object, outgoing)
        records = [announced(each) for each in outgoing]
        self._ledger.begin_batch(self._lease, self._run_id, batch, records)
        reached("push.after_ledger_write")
        known, error = self._exchange(batch, [each.document.source_id for each in outgoing], first=True)
        if not known:
            return False
        if isinstance(error, PER_RECORD) and len(outgoing) > 1:
            half = len(outgoing) // 2
            again = [msgspec.structs.replace(each, attempt=each.attempt + 1) for each in outgoing]
            return self._send_batch(again[:half]) and self._send_batch(again[half:])
        return True

    # Both ----------------------------------------------------------------------------------------------------------

    def _exchange(self, batch: Batch, sources: Sequence[str], *, first: bool) -> tuple[bool, TieoutError | None]:
        """Send a batch's bytes and record what became of each position -> whether that is known of all of them, and
        the error that met the whole request."""
        call = operations.post(batch.object, batch.body, count=batch.count, idempotency_key=batch.idempotency_key)
        tries = self._tries()
        try:
            outcomes = self._client.call(call)
        except NOT_KNOWN as error:
            self._leave_open(batch, sources, error)
            return False, error
        except (*NOT_TRIED, UnreachableError) as error:
            if not first:
                raise  # this refusal says nothing about the first time
            if self._tries() - tries > 1:
                # An earlier try of this very call may have arrived before the door was shut.
                self._leave_open(batch, sources, error)
                raise
            state: State = "unprocessed" if isinstance(error, IntacctError) else "pending"
            self._resolve(batch, sources, [_result(p, state, error) for p in range(batch.count)])
            raise
        except IntacctError as error:
            clash = isinstance(error, ConflictError) and (not first or error.meaning in ("in flight", "reserved"))
            if clash or (not first and (error.gateway or isinstance(error, TooLargeError))):
                # The first time may be in the way of this one, or was not looked at. Of a key never used before a
                # conflict is a plain refusal, unless Intacct says that it was.
                self._leave_open(batch, sources, error)
                return False, error
            cuttable = first and batch.count > 1 and isinstance(error, PER_RECORD)
            state = "unprocessed" if cuttable else "failed"
            self._resolve(batch, sources, [_result(p, state, error) for p in range(batch.count)], final=not cuttable)
            return True, error
        reached("push.after_send")
        doubtful = next((outcome for outcome in outcomes if outcome.state == "unknown"), None)
        if doubtful is not None:
            self._leave_partly_open(batch, sources, outcomes, doubtful)
            return False, None
        self._resolve(batch, sources, [_from_outcome(outcome) for outcome in outcomes])
        return True, None

    def _tries(self) -> int:
        """Requests made so far."""
        return self._client.usage.calls

    def _resolve(self, batch: Batch, sources: Sequence[str], results: Sequence[Result], *, final: bool = True) -> None:
        self._ledger.resolve(self._lease, batch.id, results)
        self.outcomes.update(zip(sources, results, strict=True))
        if final:
            self._settled(len(results))

    def _leave_open(self, batch: Batch, sources: Sequence[str], error: TieoutError) -> None:
        results = [_result(position, "unknown", error) for position in range(batch.count)]
        self._keep_open(batch, sources, results, error.message)

    def _leave_partly_open(
        self, batch: Batch, sources: Sequence[str], outcomes: Sequence[Outcome], doubtful: Outcome
    ) -> None:
        """Intacct broke off at some records. What it posted is posted; of all others only the same bytes under the
        same key can tell, and a refused one must not go out under another key while they may still go out again."""
        why = doubtful.error.message if doubtful.error is not None else "Intacct does not say what became of them."
        results = [_from_outcome(outcome) for outcome in outcomes]
        for result in results:
            result.state = "posted" if result.state == "posted" else "unknown"
        self._keep_open(batch, sources, results, why)

    def _keep_open(self, batch: Batch, sources: Sequence[str], results: Sequence[Result], why: str) -> None:
        self._ledger.leave_open(self._lease, batch.id, why, results)
        self.outcomes.update(zip(sources, results, strict=True))
        count = sum(result.state == "unknown" for result in results)
        self.notes.append(
            f"{count} {'record was' if count == 1 else 'records were'} sent and the outcome is unknown: "
            f"{why.rstrip('.')}. The next push asks again with the same bytes under the same key, which cannot post "
            "twice."
        )
        self._settled(len(results))


def make_batch(scope: Scope, object: str, outgoing: Sequence[Outgoing]) -> Batch:
    """The request for some documents: its exact bytes and its idempotency key."""
    body = b"[" + b",".join(each.body for each in outgoing) + b"]"
    path = operations.object_path(object)
    epoch = max(each.attempt for each in outgoing)
    sources = [each.document.source_id for each in outgoing]
    return Batch(
        id=str(uuid.uuid4()),
        object=object,
        method="POST",
        path=path,
        body=body,
        idempotency_key=idempotency_key(scope, "POST", path, epoch, sources, body),
        epoch=epoch,
        count=len(outgoing),
    )


def idempotency_key(scope: Scope, method: str, path: str, epoch: int, sources: Sequence[str], body: bytes) -> str:
    """64 hex digits over whose request it is, which records it carries, and every byte of it.

    The source ids are in it because two different records may well have the same content: under one key Intacct
    would answer the second with the first one's result. The epoch is in it because Intacct also replays a failure."""
    facts = [scope.company, scope.environment, scope.entity, scope.push, method, path, epoch, list(sources)]
    return hashlib.sha256(msgspec.json.encode(facts) + b"\n" + body).hexdigest()


def announced(outgoing: Outgoing) -> LedgerRecord:
    document = outgoing.document
    return LedgerRecord(
        source_id=document.source_id,
        payload_hash=document.payload_hash,
        state="sending",
        rows=tuple(document.rows),
        entries=tuple(document.entries) if document.is_grouped else (),
        totals=document.totals,
        attempt=outgoing.attempt,
    )


def _result(position: int, state: State, error: TieoutError) -> Result:
    return Result(position=position, state=state, error=error_facts(error))


def _from_outcome(outcome: Outcome) -> Result:
    return Result(
        position=outcome.position,
        state=outcome.state,
        sage_key=outcome.key,
        sage_id=outcome.id,
        href=outcome.href,
        sage_state=outcome.sage_state,
        error=error_facts(outcome.error) if outcome.error is not None else None,
    )


def _age(batch: Batch) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(batch.created_at)


def chunks(keys: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """Keys in pieces that one read takes (REST reference 4.3)."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
