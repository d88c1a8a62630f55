"""Sends batches so that nothing is posted twice: ledger first, then the request, then the outcome by position.

Knows requests and outcomes, no files and no mapping (DESIGN rules 1 and 2). Requests run beside each other; the ledger
is written by one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from tieout.errors import (
    BudgetError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    IntacctError,
    InvalidRequestError,
    NotAuthorisedError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    ReplyError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    TooLargeError,
    UnreachableError,
)
from tieout.push.dispatch.flights import Flights
from tieout.push.dispatch.names import all_fit, kept, refuse_odd_keys
from tieout.push.dispatch.requests import Bundle, halves, make_batch, object_of
from tieout.push.report import error_facts
from tieout.rest import Outcome, operations
from tieout.rest.outcomes import Made, read_made
from tieout.store.crashpoints import reached
from tieout.store.ledger import Batch, Result, State
from tieout.store.ledger_facts import Posted

if TYPE_CHECKING:
    from tieout.push.opening import Opened
    from tieout.rest.call import Call, Reply
    from tieout.store.leases import Lease
    from tieout.store.ledger import Ledger

REPLAY_DAYS = 59
"""A key is reserved for 60 days (REST reference 7.6); a replay after that could post a second time."""

MOST_STANDING = 100_000
"""Posted records that stand with their requests, before they get rows: whoever reads the ledger meanwhile goes through
all of them."""

NOT_TRIED = (TokenRefusedError, ForbiddenError, ThrottledError, NotAuthorisedError, BudgetError)
"""Intacct, or we ourselves, refused to look at the request: none of its records was processed."""
NOT_KNOWN = (OutcomeUnknownError, ReplyError)
"""Nobody can tell what became of the request. Only the same bytes under the same key may follow. A server error comes
as OutcomeUnknownError, also where Intacct remembers and repeats it, and so does a refusal at the door or silence after
a try that may have arrived."""
PER_RECORD = (InvalidRequestError, RefusedError)
"""A whole request refused for what may be one record's fault: it is cut in two until the guilty one is alone."""


class Request(msgspec.Struct):
    """One batch on its way, with what its positions mean."""

    desk: Opened
    batch: Batch
    sources: Sequence[str]
    outgoing: Bundle = Bundle()
    """Empty where an earlier run sent it."""
    again: bool = False
    """It was sent before and nobody knows what became of it."""


Answer: TypeAlias = "list[Outcome] | Made | TieoutError"
OnPosted: TypeAlias = Callable[[Request], None]
"""Told that the ledger has all records of a request as posted."""
OnResults: TypeAlias = Callable[[Request, Sequence[Result], bool], None]
"""Told what the ledger now says of a request's records, and whether that is final for this run."""
LookUp: TypeAlias = Callable[[Request, Sequence[int]], Mapping[int, Result]]
"""Looks in Intacct what became of some positions of a request -> those it can tell of. Sends nothing that changes."""


class Sender:
    """Sends the documents of one run. `settled` are the records, (entity, source id), of earlier runs that it settled.

    With `in_flight` of 1 requests go out in the order given, and none before the one before it is settled. `look_up` is
    asked where asking again cannot help."""

    def __init__(
        self,
        lease: Lease,
        run_id: str,
        *,
        in_flight: int = 1,
        atomic: bool = False,
        results: OnResults = lambda *_: None,
        posted: OnPosted = lambda *_: None,
        look_up: LookUp = lambda *_: {},
    ) -> None:
        self._lease = lease
        self._run_id = run_id
        self._atomic = atomic
        self._results = results
        self._posted = posted
        self._look_up = look_up
        self._flights: Flights[Request, Answer] = Flights(in_flight, _ask)
        self._at_once = max(1, in_flight // 2)
        """Answers that are written in one transaction; meanwhile Intacct has the other half to do."""
        self._left: dict[str, str] = {}
        """Batch -> what is to be said of what stays unknown in it."""
        self._cut: deque[tuple[Opened, Bundle]] = deque()
        """Halves of requests that were refused as a whole: they go out next."""
        self._ledgers: dict[str, Ledger] = {}
        """By entity, those that requests of this run are in."""
        self.settled: set[tuple[str, str]] = set()

    @property
    def notes(self) -> list[str]:
        """What a reader must know of requests whose outcome stays unknown."""
        return list(self._left.values())

    # What has no answer yet ----------------------------------------------------------------------------------------

    def replay(self, desk: Opened) -> None:
        """Settle what interrupted runs left open: by the same bytes under the same key, or by looking in Intacct."""
        for batch in desk.ledger.open_batches():
            sources = desk.ledger.source_ids(batch.id)
            if len(sources) != batch.count:
                self._left[batch.id] = (
                    f"Request {batch.id} of {batch.created_at} has lost records; it is not sent again."
                )
                continue
            try:
                batch.body = desk.ledger.body(batch.id)
            except ConfigurationError as error:
                self._left[batch.id] = (
                    f"{batch.count} records sent on {batch.created_at[:10]} never had an answer, and what was sent "
                    f"cannot be read: {error} They stay unknown, and nothing else is sent for them."
                )
                continue
            self._ask_again(Request(desk, batch, sources, again=True))
            if batch.step == 0:
                self.settled.update((desk.entity, source_id) for source_id in sources)

    def _ask_again(self, request: Request) -> bool:
        """Ask again about a request, where that cannot do anything twice, else look -> whether all is known now."""
        batch = request.batch
        if _age(batch) > timedelta(days=REPLAY_DAYS) and batch.idempotency_key:
            self._left[batch.id] = (
                f"{batch.count} records sent on {batch.created_at[:10]} never had an answer, and asking again "
                f"after {REPLAY_DAYS} days could post them twice. Look for them in Intacct."
            )
        elif not _key_works(request):
            self._left[batch.id] = (
                f"{batch.count} records sent on {batch.created_at[:10]} never had an answer, and Intacct keeps no "
                f"idempotency keys for {object_of(batch)}: sent again, they could be there twice. Look for them in "
                "Intacct."
            )
        else:
            answer = _ask(request)
            if self._conclude(request, answer):
                return True
            if not _is_dead_end(answer):
                return False  # no answer this time either; the next one may come
        return self._look(request)

    def _look(self, request: Request) -> bool:
        """Look in Intacct what became of the records that are unknown -> whether all is known now."""
        ledger, batch = request.desk.ledger, request.batch
        records = ledger.of_batch(batch.id)
        unknown = [position for position, record in enumerate(records) if record.state != "posted"]
        found = self._look_up(request, unknown)
        if not found:
            return False
        results = [
            found.get(position)
            or Result(position=position, state="posted" if record.state == "posted" else "unknown", error=record.error)
            for position, record in enumerate(records)
        ]
        if all(result.state != "unknown" for result in results):
            self._resolve(request, results)
            return True
        ledger.leave_open(self._lease, batch.id, "Intacct does not show what became of all of them", results)
        self._results(request, results, True)
        return False

    # This run ------------------------------------------------------------------------------------------------------

    def send(self, batches: Iterable[tuple[Opened, Bundle]]) -> None:
        """Send batches. After a request whose outcome is unknown no further one begins until those under way have
        landed and each open one was asked for once more; if all is known then, it goes on.

        Raises TokenRefusedError, ForbiddenError, UnreachableError ... where Intacct takes nothing at all, after what
        was under way has ended; the ledger then says which records were not processed, and a rerun goes on from
        there."""
        flights = self._flights
        coming = iter(batches)
        cut = self._cut
        doubtful: list[Request] = []
        trouble: TieoutError | None = None
        while True:
            is_open = trouble is None and not doubtful
            try:
                following = (cut.popleft() if cut else next(coming, None)) if is_open and not flights.full else None
                if following is not None:
                    self._turn([], [self._made(*following)])
            except TieoutError as error:  # what is under way has to land first
                trouble = error
                continue
            if following is not None and not flights.full:
                continue
            if not flights.under_way:
                if trouble is None and doubtful and self._all_settled(doubtful):
                    doubtful = []
                    continue
                break
            landed = flights.landed_by_now(self._at_once)
            made = [(request, answer) for request, answer in landed if isinstance(answer, Made)]
            if is_open and len(made) == len(landed):  # nothing to be learnt from: what follows them is as it would be
                try:
                    self._follow(made, coming)
                except TieoutError as error:
                    trouble = error
                continue
            for request, answer in landed:
                try:
                    known = self._conclude(request, answer)
                except TieoutError as error:
                    trouble = trouble or error
                    continue
                if not known:
                    doubtful.append(request)
        flights.close()
        if trouble is not None:
            raise trouble

    def spread(self) -> None:
        """Give a row to every record that was posted and stands with its request: for whoever reads the ledger next."""
        for ledger in self._ledgers.values():
            ledger.spread(self._lease)

    def _all_settled(self, doubtful: Sequence[Request]) -> bool:
        """Ask once more about each open request -> whether all is known by now."""
        known = []
        for request in doubtful:
            try:
                known.append(self._ask_again(msgspec.structs.replace(request, again=True)))
            except TieoutError:
                return False  # nothing is lost: the ledger has it open, and the next run goes on
        return all(known)

    def _made(self, desk: Opened, outgoing: Bundle) -> Request:
        """The request for some documents."""
        batch = make_batch(desk.ledger.scope, desk.object, outgoing, atomic=self._atomic)
        return Request(desk, batch, outgoing.sources, outgoing)

    def _follow(self, made: Sequence[tuple[Request, Made]], coming: Iterator[tuple[Opened, Bundle]]) -> None:
        """A turn in which as many requests go out as came back. What came is written, whatever becomes of those."""
        following: list[Request] = []
        trouble: TieoutError | None = None
        try:
            begun = [self._cut.popleft() for _ in range(min(len(self._cut), len(made)))]
            begun += islice(coming, len(made) - len(begun))
            following = [self._made(*each) for each in begun]
        except TieoutError as error:
            trouble = error
        self._turn(made, following)
        if trouble is not None:
            raise trouble

    def _turn(self, made: Sequence[tuple[Request, Made]], following: Sequence[Request]) -> None:
        """Write in one transaction what all was posted and what goes out in its place, whose bytes outlive a crash from
        then on; then send it. Where what follows cannot be written, what came is."""
        for _ in made:
            reached("push.after_send")
        for request in following:
            self._ledgers[request.desk.entity] = request.desk.ledger
        try:
            if following and sum(each.standing for each in self._ledgers.values()) >= MOST_STANDING:
                self.spread()
            self._commit(made, following)
        except TieoutError:
            if made and following:
                self._commit(made, [])
            raise
        for request in following:
            reached("push.after_ledger_write")
            self._flights.start(request)

    def _commit(self, made: Sequence[tuple[Request, Made]], following: Sequence[Request]) -> None:
        requests = [*(request for request, _ in made), *following]
        with requests[0].desk.store.begin():  # one for all desks of a push
            self._write(made, following)
        for request, _ in made:
            self._left.pop(request.batch.id, None)
            self._posted(request)

    def _write(self, made: Sequence[tuple[Request, Made]], following: Sequence[Request]) -> None:
        for request, answer in made:
            posted = Posted(answer.keys, answer.ids, answer.hrefs, answer.states)
            request.desk.ledger.resolve_posted(self._lease, request.batch.id, posted)
        for request in following:
            batch = request.batch
            ledger = request.desk.ledger.at(batch.operation, batch.step)
            ledger.begin_batch(self._lease, self._run_id, batch, request.outgoing.records)

    def _conclude(self, request: Request, answer: Answer) -> bool:
        """Record what became of each position -> whether that is known of all of them. Raises where Intacct takes
        nothing at all."""
        batch, first = request.batch, not request.again
        if isinstance(answer, Made):
            self._turn([(request, answer)], [])
            return True
        if isinstance(answer, list):
            reached("push.after_send")
            doubtful = next((outcome for outcome in answer if outcome.state == "unknown"), None)
            if doubtful is None:
                self._resolve(request, [_from_outcome(outcome, batch) for outcome in answer])
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
        if not first and batch.method == "DELETE" and isinstance(error, NotFoundError) and not error.gateway:
            if batch.count > 1:  # of several, only a list of them tells which are gone
                self._leave_open(request, error)
                return False
            self._resolve(request, [Result(position=0, state="posted", sage_key=batch.keys[0])])
            return True
        clash = isinstance(error, ConflictError) and (not first or error.meaning in ("in flight", "reserved"))
        if clash or (not first and (error.gateway or isinstance(error, TooLargeError))):
            # The first time may be in the way of this one, or was not looked at. Of a key never used before a
            # conflict is a plain refusal, unless Intacct says that it was.
            self._leave_open(request, error)
            return False
        cuttable = batch.count > 1 and isinstance(error, PER_RECORD) and not batch.atomic
        if cuttable and request.outgoing:  # of what an earlier run sent, the plan of this run sends the records again
            self._cut.extendleft(reversed([(request.desk, half) for half in halves(request.outgoing)]))
        state = "unprocessed" if cuttable else "failed"
        self._resolve(request, [_result(p, state, error) for p in range(batch.count)], final=not cuttable)
        return True

    def _resolve(self, request: Request, results: Sequence[Result], *, final: bool = True) -> None:
        request.desk.ledger.resolve(self._lease, request.batch.id, results)
        self._left.pop(request.batch.id, None)
        self._results(request, results, final)

    def _leave_open(self, request: Request, error: TieoutError) -> None:
        results = [_result(position, "unknown", error) for position in range(request.batch.count)]
        self._keep_open(request, results, error.message)

    def _leave_partly_open(self, request: Request, outcomes: Sequence[Outcome], doubtful: Outcome) -> None:
        """Intacct broke off at some records. What it posted is posted; of all others only the same bytes under the
        same key can tell, and a refused one must not go out under another key while they may still go out again."""
        why = doubtful.error.message if doubtful.error is not None else "Intacct does not say what became of them."
        results = [_from_outcome(outcome, request.batch) for outcome in outcomes]
        for result in results:
            result.state = "posted" if result.state == "posted" else "unknown"
        self._keep_open(request, results, why)

    def _keep_open(self, request: Request, results: Sequence[Result], why: str) -> None:
        request.desk.ledger.leave_open(self._lease, request.batch.id, why, results)
        count = sum(result.state == "unknown" for result in results)
        self._left[request.batch.id] = (
            f"{count} {'record was' if count == 1 else 'records were'} sent and the outcome is unknown: "
            f"{why.rstrip('.')}. The next push asks again with the same bytes under the same key, which cannot post "
            "twice."
        )
        self._results(request, results, True)


def _ask(request: Request) -> Answer:
    """Send a batch's bytes -> its outcomes, where there is nothing to say of them but their names only these, or the
    error that met the whole request."""
    batch = request.batch
    call = operations.batch(
        batch.method,
        batch.path,
        batch.body or None,
        batch.keys or [None] * batch.count,
        idempotency_key=batch.idempotency_key or None,
        atomic=batch.atomic,
        again=request.again,
    )
    asked: Call[Any] = call
    if batch.step == 0 and not batch.keys and not request.again and batch.method == "POST":
        asked = msgspec.structs.replace(call, parse=lambda reply: _all_made(reply, batch.count) or call.parse(reply))
    try:
        found: Answer = request.desk.client.call(asked)
        if isinstance(found, list):
            refuse_odd_keys(found)
        return found
    except TieoutError as error:
        return error


def _all_made(reply: Reply, count: int) -> Made | None:
    made = read_made(reply, count)
    return made if made is not None and all_fit(made) else None


def _is_dead_end(answer: Answer) -> bool:
    """Whether asking again under the same key can never tell more: the key is used up, or Intacct repeats that it does
    not know (REST reference 7.6)."""
    if isinstance(answer, list):
        return any(outcome.state == "unknown" and outcome.replayed for outcome in answer)
    if isinstance(answer, OutcomeUnknownError):
        return not answer.idempotency_key
    return isinstance(answer, ConflictError) and answer.meaning != "in flight"


def _key_works(request: Request) -> bool:
    """Whether the same request again cannot do anything twice: under its key, or because a record is deleted once."""
    object = object_of(request.batch)
    return request.batch.method == "DELETE" or not object or request.desk.client.model(object).idempotence


def _result(position: int, state: State, error: TieoutError) -> Result:
    return Result(position=position, state=state, error=error_facts(error))


def _from_outcome(outcome: Outcome, batch: Batch) -> Result:
    return Result(
        position=outcome.position,
        state=outcome.state,
        sage_key=outcome.key or (batch.keys[outcome.position] if batch.keys else None),
        sage_id=kept("id", outcome.id),
        href=kept("href", outcome.href),
        sage_state=kept("state", outcome.sage_state),
        error=error_facts(outcome.error) if outcome.error is not None else None,
    )


def _age(batch: Batch) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(batch.created_at)
