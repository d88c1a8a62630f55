"""One call over its tries: what each reply or silence leads to, and how the call ends. Pure decisions, no effects.

The first rule of all of them: a write that may have arrived is repeated only where a repeat cannot write twice, and
if it ends without an answer, it ends as *unknown* (DESIGN rule 1).
"""

from __future__ import annotations

import re
from typing import Generic, NoReturn, TypeVar
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

import msgspec

from tieout.errors import (
    ConflictError,
    DeadlineError,
    ForbiddenError,
    IntacctError,
    NotFoundError,
    OutcomeUnknownError,
    ReplyError,
    ServerError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    TooLargeError,
    UnreachableError,
    Whose,
)
from tieout.rest.call import Call, Repeat, Reply, Request
from tieout.rest.conflicts import ADVICE, meaning_of
from tieout.rest.effects import NoAnswer
from tieout.rest.failures import Action, Refusal, moved, refusal_of, strange_reply, too_large
from tieout.rest.metering import Metering
from tieout.rest.session import Session
from tieout.rest.tokens import Token
from tieout.rest.waits import server_wait, spoken

T = TypeVar("T")

ENTITY_HEADER = "X-IA-API-Param-Entity"
"""A misspelt name is accepted and ignored by Intacct (REST reference 2), so it stands in one place."""
ATTEMPTS = 5
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
"""Seconds; waits double from the first to the longest, with jitter, unless the server names its own."""

ITEM_STATUSES = range(400, 429)
"""Statuses under which a list of items speaks for each record; a throttle or a server error speaks for the request."""
AT_THE_DOOR = (TokenRefusedError, ForbiddenError, TooLargeError)
"""Refusals that say nothing of an earlier try of the same call: it was not looked at this time. So do a gateway's."""
MAY_HAVE_ACTED = (408, *range(500, 600))
"""Statuses under which the request may have been processed all the same."""
BOM = b"\xef\xbb\xbf"
SEE_OTHER = 303
SHORTEST_SECRET = 8
"""Characters: a shorter token is no secret, and taking it out of a reply would break words that hold it by chance."""
ENDS = 32_768
"""Bytes at each end of a long reply."""


class Done(msgspec.Struct, Generic[T], frozen=True):
    result: T


class Again(msgspec.Struct, frozen=True):
    action: Action
    error: TieoutError


class Attempt(Generic[T]):
    """The state of one call over its tries, and every decision about another one."""

    def __init__(self, session: Session, call: Call[T]) -> None:
        self.session = session.bounded()
        self.call = call
        self.label = f"{call.method} {call.path}"
        self.key = call.idempotency_key
        self.tries = 0
        self.renewed = False
        self.unanswered = False
        """An earlier try may have reached Intacct and its answer is not known."""
        self.last = TieoutError("no try was made.")
        """Why the last try was not the end."""
        self._bearer = ""
        self.metering = Metering(session, call, self.label)

    def remaining(self) -> float:
        return max(0.001, self.session.remaining())

    def time_for_a_try(self) -> float:
        """Seconds for the try that begins now."""
        return min(self.session.timeout, self.remaining())

    def request(self, token: Token | None) -> Request:
        """The next try. Raises DeadlineError where no time is left: a write is not sent without hope of an answer."""
        if self.session.remaining() <= 0:
            raise self.final(
                DeadlineError(
                    f"{self.label} was not sent: its time was used up before.",
                    whose=Whose.YOURS,
                    advice="Give it more time (`deadline`, or `within`), or ask for less at once.",
                )
            )
        self.tries += 1
        call = self.call
        headers = {"Accept": "application/json", **call.headers}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        if token is not None:
            self._bearer = token.value
            headers["Authorization"] = f"Bearer {token.value}"
            entity = call.entity if call.entity is not None else self.session.entity
            if entity:
                headers[ENTITY_HEADER] = entity
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        url = self.session.base_url + call.path
        if call.query:
            url += "?" + urlencode(call.query)
        return Request(call.method, url, headers, call.body)

    # What came back ------------------------------------------------------------------------------------------------

    def settle(self, reply: Reply) -> Done[T] | Again:
        """`judge`, with the try metered whatever it says. What may end in an error or a log is scrubbed first."""
        transactions = 0
        if not 200 <= reply.status < 300 or self._may_tell_an_error(reply.body):
            reply = self._scrubbed(reply)
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
        named = call.see_other and reply.status == SEE_OTHER
        if 300 <= reply.status < 400 and not named:
            raise self.final(moved(reply, self.label))
        if reply.body.startswith(BOM):
            reply = msgspec.structs.replace(reply, body=reply.body[len(BOM) :])
        if (
            200 <= reply.status < 300
            or named
            or (call.batch and reply.status in ITEM_STATUSES and _is_item_list(reply))
        ):
            try:
                again = call.parse_again if self.unanswered else None
                return Done((again or call.parse)(reply))
            except ReplyError as error:
                reply = self._scrubbed(reply)
                found = refusal_of(reply, self.label)  # a refusal can hide under 200
                if isinstance(found, Refusal) and found.error.message and (found.error.error_id or found.error.code):
                    return self._judge_refusal(found, reply)
                return self._strange(error, reply)
        found = refusal_of(reply, self.label) if reply.status >= 400 else strange_reply(reply, self.label)
        if isinstance(found, ReplyError):
            return self._strange(found, reply)
        return self._judge_refusal(found, reply)

    def _strange(self, error: ReplyError, reply: Reply) -> Again:
        """Not a reply that Intacct gives. Whatever it is, a write behind it may have been done."""
        if self.call.repeat is not Repeat.FREE:
            self.unanswered = True
        if reply.replayed:
            raise self.final(error)  # a repeat would be answered the same
        return Again(Action.RETRY, error)

    def _judge_refusal(self, found: Refusal, reply: Reply) -> Done[T] | Again:
        error, call = found.error, self.call
        cached = reply.replayed
        if found.action is Action.RENEW and not self.renewed and call.authorised and not cached:
            return Again(Action.RENEW, error)
        if found.action is Action.RENEW and not call.authorised:
            error.advice = (
                "The grant is dead: access was revoked, or the same Intacct user was connected a second time. Connect "
                "again, and give each connection a user of its own."
            )
        gone = isinstance(error, NotFoundError) and not error.gateway
        if self.unanswered and gone and call.repeat is Repeat.DELETE:
            return self._gone(error, reply)
        if isinstance(error, ConflictError):
            return self._judge_conflict(error, cached)
        if isinstance(error, ThrottledError) and (why := _oversize(call)):
            raise self.final(too_large(error, why))
        if cached:
            return self._judge_cached(error)
        if found.action is not Action.RETRY:
            door = reply.status == 401 or isinstance(error, AT_THE_DOOR) or error.gateway
            raise self.final(error) if door else error
        if reply.status in MAY_HAVE_ACTED and call.repeat is not Repeat.FREE:
            self.unanswered = True
        return Again(Action.RETRY, error)

    def _gone(self, error: TieoutError, reply: Reply) -> Done[T]:
        """Not there after an unanswered try of a delete: that try worked. Of many records only a list of them says
        which are gone."""
        if self.call.parse_again is None:
            if _KEYS.search(self.call.path):
                raise self.final(error)
            return Done(self.call.parse(Reply(204, reply.headers, b"")))
        try:
            return Done(self.call.parse_again(reply))
        except ReplyError as error:
            raise self.final(error) from None

    def _judge_conflict(self, error: ConflictError, cached: bool) -> Again:
        error.meaning = meaning_of(
            error, cached=cached, keyed=self.key is not None, new_key=self.call.new_key, unanswered=self.unanswered
        )
        error.advice = ADVICE[error.meaning]
        if cached:
            raise error
        if error.meaning == "in flight":
            return Again(Action.RETRY, error)
        raise self.final(error)

    def _judge_cached(self, error: IntacctError) -> Again:
        """Intacct repeats the answer it gave to the first request under this key, whatever that was (REST reference
        7.6): final, and for 48 hours no try under this key can end otherwise."""
        if isinstance(error, ThrottledError) and self.call.new_key and not self.unanswered:
            self.key = uuid4().hex  # a throttle processed nothing, and no other request knows the old key
            if self.call.rekeyed is not None:
                self.call.rekeyed(self.key)
            return Again(Action.RETRY, error)
        if isinstance(error, ServerError):
            self.unanswered = True  # Intacct broke down over it: whether it holds the record, the repeat does not say
            raise self.final(error, keys_work=False)
        if self.key is not None and isinstance(error, ThrottledError):
            error.advice = "Intacct repeats this for 48 hours under the same idempotency key; send under a new one."
        raise error

    def after_silence(self, silence: NoAnswer) -> float:
        """No usable reply: seconds to wait before the next try, or raises."""
        if silence.sent and self.call.repeat is not Repeat.FREE:
            self.unanswered = True
        host = self.session.base_url.split("://", 1)[-1].split("/", 1)[0]
        if silence.reply:
            error: TieoutError = ReplyError(
                f"{self.label} was answered, but {silence.reason}.",
                advice="Ask for less at once, or raise `max_reply`."
                if not silence.again
                else "Intacct or a proxy before it is in trouble; try again later.",
            )
        else:
            kind = DeadlineError if silence.timeout else UnreachableError
            error = kind(
                f"Intacct at {host} did not answer: {silence.reason}.",
                advice="Check the address and your network, then try again.",
            )
        if not silence.again:
            raise self.final(error) from None
        return self._wait(error, None)

    # How it goes on, or ends ---------------------------------------------------------------------------------------

    def before_retry(self, verdict: Again, reply: Reply) -> float:
        return self._wait(verdict.error, server_wait(reply))

    def _wait(self, error: TieoutError, asked: float | None) -> float:
        """Seconds until the next try; raises where there must not, or cannot, be one."""
        self.last = error
        own = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.tries - 1)) * (0.5 + self.session.jitter() / 2)
        wait = own if asked is None else asked
        if asked is not None and isinstance(error, IntacctError):
            error.retry_after = asked
        repeatable = self.call.repeat is not Repeat.NEVER or not self.unanswered
        if repeatable and self.tries < ATTEMPTS and wait < self.remaining():
            self.metering.slept = wait
            return wait
        if asked is not None:
            error.advice = f"Intacct asks to wait {spoken(asked)}; try again after that."
        raise self.final(error) from None

    def final(self, error: TieoutError, *, keys_work: bool = True) -> TieoutError:
        """The error to end with: whoever wrote and got no answer must be told that the outcome is unknown."""
        if not self.unanswered:
            return error
        if not self.call.authorised:
            error.advice = "The refresh token may have been replaced; if it is refused from now on, connect again."
            return error
        key = self.key if keys_work else None
        if isinstance(error, ConflictError) and error.meaning in _AFTER_SILENCE:
            advice = _AFTER_SILENCE[error.meaning]
        elif key is not None:
            advice = "To settle it without writing twice, send it again with `idempotency_key` of this error."
        else:
            advice = "Sending it again could write twice: look in Intacct whether it is there."
        why = error.message.rstrip(".")
        return OutcomeUnknownError(
            f"{self.label} was sent, but its outcome is unknown: {why}.", advice=advice, idempotency_key=key
        )

    def given_up(self, *, keys_work: bool = True) -> TieoutError:
        """The end after a try that would have been followed by another one."""
        return self.final(self.last, keys_work=keys_work)

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

    def interrupted(self, interrupt: BaseException) -> NoReturn:
        """Ctrl-C or cancellation goes on its way; if a write may have arrived, from an OutcomeUnknownError that says
        so (`tieout.errors.left_unknown`)."""
        if self.call.repeat is Repeat.FREE or not self.call.authorised or not self.unanswered:
            raise interrupt
        raise interrupt from self.final(UnreachableError("it was interrupted before Intacct answered."))

    def _may_tell_an_error(self, body: bytes) -> bool:
        """Whether a parser may find an error in what seems a success. Of a long reply that is one answer, as a page of
        rows, only the ends are looked at: to search all of it takes longer than to receive it, and what turns out to be
        none is scrubbed then."""
        if self.call.batch or self.call.repeat is not Repeat.FREE or len(body) <= 2 * ENDS:
            return b"error" in body
        return b"error" in body[:ENDS] or b"error" in body[-ENDS:]

    def _scrubbed(self, reply: Reply) -> Reply:
        """A reply that may end in an error's text, without our secrets, should a server echo them."""
        body = reply.body
        for secret in (self._bearer, *self.call.secrets):
            if len(secret) < SHORTEST_SECRET:
                continue
            for form in {secret, secret.replace("/", "\\/"), quote_plus(secret)} - {""}:
                body = body.replace(form.encode("utf-8", "replace"), b"***")
        return reply if body is reply.body else msgspec.structs.replace(reply, body=body)


_AFTER_SILENCE = {
    "reserved": "It was processed, but Intacct no longer keeps its answer: look for the record in Intacct.",
    "duplicate": "The record in its way may be the one it wrote itself: look in Intacct.",
}


class _Items(msgspec.Struct):
    result: list[msgspec.Raw] = msgspec.field(name="ia::result")


def _is_item_list(reply: Reply) -> bool:
    try:
        msgspec.json.decode(reply.body, type=_Items)
    except msgspec.MsgspecError:
        return False
    return True


MAX_RECORDS = 500
MAX_BYTES = 1_000_000
"""Of one request (REST reference 4.4, 8.7); 429 is what Intacct is said to answer above (4.7)."""
_KEYS = re.compile(r"/objects/[^?]*/[^/?]*,[^/?]*$")


def _oversize(call: Call[T]) -> str:
    """What of a request is more than Intacct takes at once; empty if nothing is."""
    body = call.body or b""
    count = call.path.rpartition("/")[2].count(",") + 1 if _KEYS.search(call.path) else 0
    if body[:1] == b"[":
        try:
            count = len(msgspec.json.decode(body, type=list[msgspec.Raw]))
        except msgspec.MsgspecError:
            count = 0
    if count > MAX_RECORDS:
        return f"{count} records"
    return f"{len(body):,} bytes" if len(body) > MAX_BYTES and call.method in ("POST", "PATCH") else ""
