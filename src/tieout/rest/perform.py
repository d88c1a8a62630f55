"""What surrounds every call, written once: token, entity header, pacing, retry, renewal, metering, deadline.

An exchange of effects; it knows no transport, no thread and no event loop.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Generic, TypeVar, cast
from urllib.parse import urlencode

import msgspec

from tieout.errors import (
    BudgetError,
    ConflictError,
    DeadlineError,
    NotFoundError,
    OutcomeUnknownError,
    ReplyError,
    TieoutError,
    UnreachableError,
    Whose,
)
from tieout.rest.budget import Budget
from tieout.rest.call import Call, Repeat, Reply, Request
from tieout.rest.effects import Exchange, NoAnswer, Send, Sleep, Slot
from tieout.rest.failures import Action, Refusal, moved, refusal_of
from tieout.rest.limiter import NoPlace
from tieout.rest.meter import Meter
from tieout.rest.metering import CACHED_HEADER, Metering
from tieout.rest.pace import Pace, signal_of
from tieout.rest.tokens import Token, TokenSource

T = TypeVar("T")

ENTITY_HEADER = "X-IA-API-Param-Entity"
"""A misspelt name is accepted and ignored by Intacct (REST reference 2), so it stands in one place."""
ATTEMPTS = 5
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds; waits double from the first to the longest, with jitter, unless the server names its own."""


ITEM_STATUSES = range(400, 429)
"""Statuses under which a list of items speaks for each record; a throttle or a server error speaks for the request."""
AT_THE_DOOR = (401, 403)
"""Refusals that say nothing about an earlier try of the same call: it was not looked at this time."""


class Session(msgspec.Struct, kw_only=True):
    """What an exchange needs to know of its client. No I/O."""

    base_url: str
    tokens: TokenSource
    meter: Meter
    pace: Pace | None = None
    """Who must learn which company this is; None where it does not matter."""
    budget: Budget | None = None
    entity: str | None = None
    timeout: float = 60.0
    """Seconds for one try."""
    deadline: float = 300.0
    """Seconds for a call in total, retries and waits included."""
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    """Unix time, for the log."""
    jitter: Callable[[], float] = random.random


def perform(session: Session, call: Call[T]) -> Exchange[T]:
    """Carry out a call -> its parsed result.

    Raises IntacctError when Intacct refuses, UnreachableError or ReplyError when no usable answer came and the
    call cannot have changed anything, OutcomeUnknownError when a write was sent and nobody can tell."""
    attempt = _Attempt(session, call)
    try:
        return (yield from _perform(session, call, attempt))
    finally:
        attempt.metering.close(unknown=attempt.unanswered)


def _perform(session: Session, call: Call[T], attempt: _Attempt[T]) -> Exchange[T]:
    token = (yield from session.tokens.token(session)) if call.authorised else None
    while True:
        if token is not None and session.pace is not None:
            session.pace.learn(token.value)
        try:
            reply = yield from _send(attempt, attempt.request(token))
        except NoPlace as crowded:
            raise attempt.crowded_out(crowded.held) from None
        except BudgetError as error:
            raise attempt.final(error) from None
        except NoAnswer as silence:
            yield Sleep(attempt.after_silence(silence))
            continue
        verdict = attempt.settle(reply)
        if isinstance(verdict, Done):
            return verdict.result
        if verdict.action is Action.RENEW and token is not None:
            attempt.renewed = True
            try:
                token = yield from session.tokens.token(session, refused=token)
            except TieoutError as error:
                raise attempt.final(error) from None
            continue
        yield Sleep(attempt.before_retry(verdict, reply))


def _send(attempt: _Attempt[T], request: Request) -> Exchange[Reply]:
    """One try, inside a slot. The wait for the slot counts towards the deadline; a try without an answer is metered
    here, any other once it is judged."""
    metering = attempt.metering
    asked = metering.ask()
    claim = yield Slot(timeout=attempt.remaining())
    reply: Reply | None = None
    try:
        metering.begin(asked)
        reply = yield Send(request, min(attempt.session.timeout, attempt.remaining()))
        claim.answered(signal_of(reply, server_wait(reply)))
        return reply
    except NoAnswer:
        raise
    except BaseException:  # cancelled or interrupted once it was under way
        attempt.unanswered |= attempt.call.repeat is not Repeat.FREE
        raise
    finally:
        claim.release()
        metering.end(reply)


class Done(msgspec.Struct, Generic[T], frozen=True):
    result: T


class Again(msgspec.Struct, frozen=True):
    action: Action
    error: TieoutError


class _Attempt(Generic[T]):
    """The state of one call over its tries, and every decision about another one."""

    def __init__(self, session: Session, call: Call[T]) -> None:
        self.session = session
        self.call = call
        self.label = f"{call.method} {call.path}"
        self.started = session.clock()
        self.tries = 0
        self.renewed = False
        self.unanswered = False
        """An earlier try may have reached Intacct and its answer is not known."""
        self.metering = Metering(session, call, self.label)

    def remaining(self) -> float:
        return max(0.001, self.session.deadline - (self.session.clock() - self.started))

    def request(self, token: Token | None) -> Request:
        self.tries += 1
        call = self.call
        headers = {"Accept": "application/json", **call.headers}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        if token is not None:
            headers["Authorization"] = f"Bearer {token.value}"
            entity = call.entity if call.entity is not None else self.session.entity
            if entity:
                headers[ENTITY_HEADER] = entity
        if call.idempotency_key is not None:
            headers["Idempotency-Key"] = call.idempotency_key
        url = self.session.base_url + call.path
        if call.query:
            url += "?" + urlencode(call.query)
        return Request(call.method, url, headers, call.body)

    def settle(self, reply: Reply) -> Done[T] | Again:
        """`judge`, with the try metered whatever it says."""
        transactions = 0
        try:
            verdict = self.judge(reply)
            if isinstance(verdict, Done):
                transactions = self.metering.used(verdict.result)
            return verdict
        finally:
            self.metering.record(reply, transactions)

    def judge(self, reply: Reply) -> Done[T] | Again:
        """A reply -> the result, or why to go on; raises where going on cannot help."""
        call = self.call
        if 300 <= reply.status < 400:
            raise self.final(moved(reply, self.label))
        if reply.status < 300 or (call.batch and reply.status in ITEM_STATUSES and _is_item_list(reply)):
            try:
                again = call.parse_again if self.unanswered else None
                return Done((again or call.parse)(reply))
            except ReplyError as error:
                found = refusal_of(reply, self.label)  # a refusal can hide under 200
                if isinstance(found, Refusal) and found.error.message and (found.error.error_id or found.error.code):
                    raise found.error from None
                if call.repeat is not Repeat.FREE:
                    self.unanswered = True
                return Again(Action.RETRY, error)
        found = refusal_of(reply, self.label)
        if isinstance(found, ReplyError):
            if call.repeat is not Repeat.FREE:
                self.unanswered = True
            return Again(Action.RETRY, found)
        return self._judge_refusal(found, reply)

    def _judge_refusal(self, found: Refusal, reply: Reply) -> Done[T] | Again:
        error = found.error
        if found.action is Action.RENEW and not self.renewed and self.call.authorised:
            return Again(Action.RENEW, error)
        if self.unanswered and isinstance(error, NotFoundError) and self.call.repeat is Repeat.DELETE:
            return self._gone(reply)
        if self.unanswered and isinstance(error, ConflictError):
            return Again(Action.RETRY, error)  # the earlier try is still in flight, or was processed
        if CACHED_HEADER in reply.headers:
            raise error
        if found.action is not Action.RETRY:
            raise self.final(error) if reply.status in AT_THE_DOOR else error
        if reply.status >= 500 and self.call.repeat is not Repeat.FREE:
            self.unanswered = True
        return Again(Action.RETRY, error)

    def _gone(self, reply: Reply) -> Done[T]:
        """Not there after an unanswered try of a delete: that try worked. Of many records only a list of them says
        which are gone."""
        if self.call.parse_again is None:
            return Done(cast("T", None))  # deleting one record has no result
        try:
            return Done(self.call.parse_again(reply))
        except ReplyError as error:
            raise self.final(error) from None

    def after_silence(self, silence: NoAnswer) -> float:
        """No reply: seconds to wait before the next try, or raises."""
        if silence.sent and self.call.repeat is not Repeat.FREE:
            self.unanswered = True
        host = self.session.base_url.split("://", 1)[-1].split("/", 1)[0]
        kind = DeadlineError if silence.timeout else UnreachableError
        error = kind(
            f"Intacct at {host} did not answer: {silence.reason}.",
            advice="Check the address and your network, then run the same command again.",
        )
        return self._wait(error, None)

    def crowded_out(self, held: float) -> TieoutError:
        """Nothing was sent this time: all places were taken, or the server wanted quiet, until the deadline."""
        waited = f"{self.label} waited its whole deadline of {self.session.deadline:g} seconds for its turn"
        if held:
            error = DeadlineError(
                f"{waited}: Intacct asked for {held:.0f} more seconds without requests.",
                advice="Try again after that, or allow a longer deadline.",
                whose=Whose.SAGE,
            )
        else:
            error = DeadlineError(
                f"{waited}: too many other calls were under way.",
                advice="Make fewer calls at once, or allow more concurrency or a longer deadline.",
                whose=Whose.YOURS,
            )
        return self.final(error)

    def before_retry(self, verdict: Again, reply: Reply) -> float:
        return self._wait(verdict.error, reply)

    def _wait(self, error: TieoutError, reply: Reply | None) -> float:
        repeatable = self.call.repeat is not Repeat.NEVER
        wait = server_wait(reply) if reply is not None else None
        if wait is None:
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.tries - 1)) * (0.5 + self.session.jitter() / 2)
        if not repeatable or self.tries >= ATTEMPTS or wait >= self.remaining():
            raise self.final(error) from None
        self.metering.slept = wait
        return wait

    def final(self, error: TieoutError) -> TieoutError:
        """The error to end with: whoever wrote and got no answer must be told that the outcome is unknown."""
        if not self.unanswered:
            return error
        key = self.call.idempotency_key
        again = "send it again with `idempotency_key` of this error" if key else "look in Intacct"
        return OutcomeUnknownError(
            f"{self.label} was sent, but its outcome is unknown: {error.message}",
            advice=f"To settle it without writing twice, {again}.",
            idempotency_key=key,
        )


def server_wait(reply: Reply) -> float | None:
    """The longest wait the server asks for, in seconds: `Retry-After` and every `X-IA-*Retry-After`, whose
    hyphens vary (REST reference 8.6)."""
    waits = []
    for name, value in reply.headers.items():
        if name.replace("-", "").endswith("retryafter"):
            try:
                seconds = float(value)
            except ValueError:
                continue
            if 0 < seconds < float("inf"):  # -1 is among the documented sample values
                waits.append(seconds)
    return max(waits, default=None)


class _Items(msgspec.Struct):
    result: list[msgspec.Raw] = msgspec.field(name="ia::result")


def _is_item_list(reply: Reply) -> bool:
    try:
        msgspec.json.decode(reply.body, type=_Items)
    except msgspec.MsgspecError:
        return False
    return True
