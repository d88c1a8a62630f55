"""What surrounds every call, written once: token, entity header, pacing, retry, renewal, metering, deadline.

An exchange of effects; it knows no transport, no thread and no event loop. What a reply leads to is `attempt`'s.
"""

from __future__ import annotations

from typing import TypeVar

from tieout.errors import BudgetError, TieoutError
from tieout.rest.attempt import Attempt, Done
from tieout.rest.call import Call, Repeat, Reply, Request
from tieout.rest.effects import Exchange, NoAnswer, Send, Sleep, Slot
from tieout.rest.failures import Action
from tieout.rest.limiter import NoPlace
from tieout.rest.pace import signal_of
from tieout.rest.session import Session
from tieout.rest.waits import server_wait

T = TypeVar("T")


def perform(session: Session, call: Call[T]) -> Exchange[T]:
    """Carry out a call -> its parsed result.

    Raises IntacctError when Intacct refuses, UnreachableError or ReplyError when no usable answer came and the
    call cannot have changed anything, OutcomeUnknownError when a write was sent and nobody can tell."""
    attempt = Attempt(session, call)
    try:
        return (yield from _tries(attempt))
    except Exception:
        raise
    except BaseException as interrupt:  # noqa: BLE001 - Ctrl-C, cancellation, the end of an iteration
        attempt.interrupted(interrupt)
    finally:
        attempt.metering.close(unknown=attempt.unanswered)


def _tries(attempt: Attempt[T]) -> Exchange[T]:
    call, session = attempt.call, attempt.session
    if session.allows is not None and call.authorised and call.repeat is not Repeat.FREE:
        session.allows(call)
    token = (yield from session.tokens.token(session)) if call.authorised else None
    if token is not None and session.before_write is not None and call.repeat is not Repeat.FREE:
        yield from session.before_write(session, call, token)
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
            wait = attempt.after_silence(silence)
        else:
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
            wait = attempt.before_retry(verdict, reply)
        yield from _keyed(attempt)
        yield Sleep(wait)


def _keyed(attempt: Attempt[T]) -> Exchange[None]:
    """Before a write that may have arrived goes out again: raises, unless its key keeps it from being done twice."""
    session, call = attempt.session, attempt.call
    if not attempt.unanswered or call.repeat is not Repeat.KEYED or session.keys_work is None:
        return
    try:
        works = yield from session.keys_work(session, call)
    except TieoutError:
        raise attempt.given_up() from None
    if not works:
        raise attempt.given_up(keys_work=False)


def _send(attempt: Attempt[T], request: Request) -> Exchange[Reply]:
    """One try, inside a slot. The wait for the slot counts towards the deadline; a try without an answer is metered
    here, any other once it is judged."""
    metering = attempt.metering
    asked = metering.ask()
    claim = yield Slot(timeout=attempt.remaining())
    reply: Reply | None = None
    try:
        metering.begin(asked)
        reply = yield Send(request, attempt.time_for_a_try())
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
