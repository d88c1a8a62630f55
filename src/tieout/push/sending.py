"""Sends batches so that nothing is posted twice: ledger first, then the request, then the outcome by position.

Knows requests and outcomes, no files and no mapping (DESIGN rules 1 and 2). Requests run beside each other; the ledger
is written by one thread.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, TypeVar

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
from tieout.push.flights import Flights
from tieout.push.report import error_facts
from tieout.rest import Outcome, operations
from tieout.rest.batch import MAX_BATCH, MAX_BODY
from tieout.store.crashpoints import reached
from tieout.store.ledger import Batch, Entry, Result, Scope, State

if TYPE_CHECKING:
    from tieout.push.opening import Opened
    from tieout.push.stage import Staged
    from tieout.store.leases import Lease

T = TypeVar("T")

REPLAY_DAYS = 59
"""A key is reserved for 60 days (REST reference 7.6); a replay after that could post a second time."""

NOT_TRIED = (TokenRefusedError, ForbiddenError, ThrottledError, NotAuthorisedError, BudgetError)
"""Intacct, or we ourselves, refused to look at the request: none of its records was processed."""
NOT_KNOWN = (OutcomeUnknownError, ReplyError)
"""Nobody can tell what became of the request. Only the same bytes under the same key may follow. A server error comes
as OutcomeUnknownError, also where Intacct remembers and repeats it, and so does a refusal at the door or silence after
a try that may have arrived."""
PER_RECORD = (InvalidRequestError, RefusedError)
"""A whole request refused for what may be one record's fault: it is cut in two until the guilty one is alone."""


class Outgoing(msgspec.Struct):
    """A document on its way."""

    seq: int
    record: Entry
    """What the ledger writes of it before it goes out; `attempt` is how often Intacct refused it before."""
    body: bytes

    @classmethod
    def of(cls, staged: Staged) -> Outgoing:
        rows, totals = staged.texts()
        record = Entry(staged.source_id, staged.payload_hash, rows, totals, staged.entries, staged.attempt)
        return cls(staged.seq, record, staged.body)


class Request(msgspec.Struct):
    """One batch on its way, with what its positions mean."""

    desk: Opened
    batch: Batch
    sources: Sequence[str]
    outgoing: Sequence[Outgoing] = ()
    """Empty where an earlier run sent it."""

    @property
    def is_first(self) -> bool:
        """It was never sent before."""
        return bool(self.outgoing)


Answer: TypeAlias = "list[Outcome] | TieoutError"
OnResults: TypeAlias = Callable[[Request, Sequence[Result], bool], None]
"""Told what the ledger now says of a request's records, and whether that is final for this run."""


class Sender:
    """Sends the documents of one run. `settled` are the records, (entity, source id), of earlier runs that it settled.

    With `in_flight` of 1 requests go out in the order given, and none before the one before it is settled."""

    def __init__(
        self,
        lease: Lease,
        run_id: str,
        *,
        in_flight: int = 1,
        atomic: bool = False,
        results: OnResults = lambda *_: None,
    ) -> None:
        self._lease = lease
        self._run_id = run_id
        self._atomic = atomic
        self._results = results
        self._flights: Flights[Request, Answer] = Flights(in_flight, _ask)
        self.settled: set[tuple[str, str]] = set()
        self.notes: list[str] = []

    # Earlier runs --------------------------------------------------------------------------------------------------

    def replay(self, desk: Opened) -> None:
        """Settle what interrupted runs left open: the same bytes under the same key, and nothing else."""
        for batch in desk.ledger.open_batches():
            sources = desk.ledger.source_ids(batch.id)
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
                batch.body = desk.ledger.body(batch.id)
            except ConfigurationError as error:
                self.notes.append(
                    f"{batch.count} records sent on {batch.created_at[:10]} never had an answer, and what was sent "
                    f"cannot be read: {error} They stay unknown, and nothing else is sent for them."
                )
                continue
            request = Request(desk, batch, sources)
            self._conclude(request, _ask(request))
            self.settled.update((desk.entity, source_id) for source_id in sources)

    # This run ------------------------------------------------------------------------------------------------------

    def send(self, batches: Iterable[tuple[Opened, Sequence[Outgoing]]]) -> None:
        """Send batches. After a request whose outcome is unknown no further one begins.

        Raises TokenRefusedError, ForbiddenError, UnreachableError ... where Intacct takes nothing at all, after what
        was under way has ended; the ledger then says which records were not processed, and a rerun goes on from
        there."""
        flights = self._flights
        coming = iter(batches)
        halves: deque[tuple[Opened, Sequence[Outgoing]]] = deque()
        trouble: TieoutError | None = None
        is_open = True
        while True:
            following = (halves.popleft() if halves else next(coming, None)) if is_open and not flights.full else None
            if following is not None:
                flights.start(self._begin(*following))
                if not flights.full:
                    continue
            if not flights.under_way:
                break
            request, answer = flights.landed()
            try:
                known = self._conclude(request, answer)
            except TieoutError as error:
                trouble = trouble or error
                is_open = False
                continue
            is_open = is_open and known
            if isinstance(answer, PER_RECORD) and len(request.outgoing) > 1 and not self._atomic:
                halves.extendleft(reversed([(request.desk, half) for half in _halves(request.outgoing)]))
        if trouble is not None:
            raise trouble

    def _begin(self, desk: Opened, outgoing: Sequence[Outgoing]) -> Request:
        """Write a batch into the ledger: after this its bytes outlive a crash."""
        batch = make_batch(desk.ledger.scope, desk.object, outgoing, atomic=self._atomic)
        desk.ledger.begin_batch(self._lease, self._run_id, batch, [each.record for each in outgoing])
        reached("push.after_ledger_write")
        return Request(desk, batch, [each.record.source_id for each in outgoing], outgoing)

    def _conclude(self, request: Request, answer: Answer) -> bool:
        """Record what became of each position -> whether that is known of all of them. Raises where Intacct takes
        nothing at all."""
        batch, first = request.batch, request.is_first
        if isinstance(answer, list):
            reached("push.after_send")
            doubtful = next((outcome for outcome in answer if outcome.state == "unknown"), None)
            if doubtful is None:
                self._resolve(request, [_from_outcome(outcome) for outcome in answer])
                return True
            self._leave_partly_open(request, answer, doubtful)
            return False
        error = answer
        if isinstance(error, NOT_KNOWN):
            self._leave_open(request, error)
            return False
        if isinstance(error, (*NOT_TRIED, UnreachableError)):
            if first:  # else this refusal says nothing about the first time
                state: State = "unprocessed" if isinstance(error, IntacctError) else "pending"
                self._resolve(request, [_result(p, state, error) for p in range(batch.count)])
            raise error
        if not isinstance(error, IntacctError):
            raise error
        clash = isinstance(error, ConflictError) and (not first or error.meaning in ("in flight", "reserved"))
        if clash or (not first and (error.gateway or isinstance(error, TooLargeError))):
            # The first time may be in the way of this one, or was not looked at. Of a key never used before a
            # conflict is a plain refusal, unless Intacct says that it was.
            self._leave_open(request, error)
            return False
        cuttable = first and batch.count > 1 and isinstance(error, PER_RECORD) and not self._atomic
        state = "unprocessed" if cuttable else "failed"
        self._resolve(request, [_result(p, state, error) for p in range(batch.count)], final=not cuttable)
        return True

    def _resolve(self, request: Request, results: Sequence[Result], *, final: bool = True) -> None:
        request.desk.ledger.resolve(self._lease, request.batch.id, results)
        self._results(request, results, final)

    def _leave_open(self, request: Request, error: TieoutError) -> None:
        results = [_result(position, "unknown", error) for position in range(request.batch.count)]
        self._keep_open(request, results, error.message)

    def _leave_partly_open(self, request: Request, outcomes: Sequence[Outcome], doubtful: Outcome) -> None:
        """Intacct broke off at some records. What it posted is posted; of all others only the same bytes under the
        same key can tell, and a refused one must not go out under another key while they may still go out again."""
        why = doubtful.error.message if doubtful.error is not None else "Intacct does not say what became of them."
        results = [_from_outcome(outcome) for outcome in outcomes]
        for result in results:
            result.state = "posted" if result.state == "posted" else "unknown"
        self._keep_open(request, results, why)

    def _keep_open(self, request: Request, results: Sequence[Result], why: str) -> None:
        request.desk.ledger.leave_open(self._lease, request.batch.id, why, results)
        count = sum(result.state == "unknown" for result in results)
        self.notes.append(
            f"{count} {'record was' if count == 1 else 'records were'} sent and the outcome is unknown: "
            f"{why.rstrip('.')}. The next push asks again with the same bytes under the same key, which cannot post "
            "twice."
        )
        self._results(request, results, True)


def _ask(request: Request) -> Answer:
    """Send a batch's bytes -> its outcomes, or the error that met the whole request."""
    batch = request.batch
    call = operations.batch(
        batch.method, batch.path, batch.body, [None] * batch.count, idempotency_key=batch.idempotency_key
    )
    try:
        return request.desk.client.call(call)
    except TieoutError as error:
        return error


def _halves(outgoing: Sequence[Outgoing]) -> tuple[Sequence[Outgoing], Sequence[Outgoing]]:
    """The same documents in two requests, under the next epoch: the first one's refusal is definite."""
    again = [
        msgspec.structs.replace(each, record=msgspec.structs.replace(each.record, attempt=each.record.attempt + 1))
        for each in outgoing
    ]
    half = len(again) // 2
    return again[:half], again[half:]


def batches(
    documents: Iterable[tuple[Opened, Outgoing]], *, most: int = MAX_BATCH, largest: int = MAX_BODY
) -> Iterator[tuple[Opened, list[Outgoing]]]:
    """Documents in requests of one entity each, of at most `most` records and `largest` bytes, in the order given.

    A single record over the limit makes a request of its own: Intacct decides."""
    waiting: dict[int, tuple[Opened, list[Outgoing]]] = {}
    sizes: dict[int, int] = {}
    for desk, outgoing in documents:
        which = id(desk)
        _, pending = waiting.setdefault(which, (desk, []))
        size = sizes.get(which, 2)
        if pending and (len(pending) >= most or size + len(outgoing.body) + 1 > largest):
            yield waiting.pop(which)
            _, pending = waiting.setdefault(which, (desk, []))
            size = 2
        pending.append(outgoing)
        sizes[which] = size + len(outgoing.body) + 1
    yield from waiting.values()


def make_batch(scope: Scope, object: str, outgoing: Sequence[Outgoing], *, atomic: bool = False) -> Batch:
    """The request for some documents: its exact bytes and its idempotency key."""
    body = b"[" + b",".join(each.body for each in outgoing) + b"]"
    path = operations.object_path(object)
    epoch = max(each.record.attempt for each in outgoing)
    sources = [each.record.source_id for each in outgoing]
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


def chunks(items: Iterable[T], size: int = MAX_BATCH) -> Iterator[list[T]]:
    """Items in pieces that one request takes (REST reference 4.3)."""
    coming = iter(items)
    while piece := list(islice(coming, size)):
        yield piece
