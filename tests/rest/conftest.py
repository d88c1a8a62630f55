"""A scripted world for exchanges: the rules of the rest room are tested without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tieout.rest.call import Reply, Request
from tieout.rest.effects import All, Exchange, NoAnswer, Send, Sleep, Slot, Stream, Work
from tieout.rest.limiter import Limiter, NoPlace
from tieout.rest.meter import CountingMeter
from tieout.rest.session import Session
from tieout.rest.tokens import Token

Step = Reply | BaseException | Callable[[Request], Reply]


class World:
    """Performs effects from a script: replies in order (or errors), sleeps that only move the clock, and what runs
    together one after the other."""

    def __init__(self, *steps: Step, always: Step | None = None) -> None:
        self.steps = list(steps)
        self.always = always
        """What answers when the script has ended."""
        self.sent: list[Request] = []
        self.slept: list[float] = []
        self.now = 0.0
        self.limiter = Limiter(1, clock=lambda: self.now)
        self.streamed: Callable[[Any], object] = lambda _: None
        self.timeout_seen: Callable[[float], object] = lambda _: None

    def run(self, exchange: Exchange[Any]) -> Any:
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                effect = exchange.throw(error) if error is not None else exchange.send(answer)
            except StopIteration as done:
                return done.value
            answer, error = None, None
            match effect:
                case Send(request, timeout):
                    self.sent.append(request)
                    self.timeout_seen(timeout)
                    step = self.always if self.always is not None and not self.steps else self.steps.pop(0)
                    if isinstance(step, BaseException):
                        error = step
                    else:
                        try:
                            answer = step(request) if callable(step) else step
                        except NoAnswer as silence:
                            error = silence
                case Sleep(seconds):
                    self.slept.append(seconds)
                    self.now += seconds
                case Slot(limiter, timeout):
                    claim = (limiter or self.limiter).claim(lambda: None)
                    assert claim.granted or timeout is not None, "a slot was not given back"
                    if claim.granted:
                        answer = claim
                    else:
                        claim.release()
                        self.now += timeout
                        error = NoPlace((limiter or self.limiter).held)
                case Stream(value):
                    self.streamed(value)
                case Work(function):
                    answer = function()
                case All(exchanges):
                    answer = [self.run(each) for each in exchanges]


class Tokens:
    """Token `t0`, then `t1` ... each time one is refused."""

    def __init__(self) -> None:
        self.given = 0

    def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]:
        yield from ()
        if refused is not None:
            assert refused.value == f"t{self.given}", "the refused token is not the one in use"
            self.given += 1
        return Token(f"t{self.given}", 1e12)


@pytest.fixture
def world() -> Callable[..., World]:
    return World


def session(world: World, **options: Any) -> Session:
    return Session(
        base_url="https://api.example/ia/api/v1",
        tokens=Tokens(),
        meter=CountingMeter(),
        clock=lambda: world.now,
        jitter=lambda: 1.0,
        **options,
    )


def json_reply(status: int, text: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"content-type": "application/json"} | named, text.encode())


def created(key: str = "7") -> Reply:
    return json_reply(
        201, f'{{"ia::result":{{"key":"{key}","id":"V{key}","href":"/objects/x/{key}"}},"ia::meta":{{}}}}'
    )


def refused(status: int, error_id: str, message: str = "no", **headers: str) -> Reply:
    error = {"code": "x", "message": message, "errorId": error_id, "supportId": "S%7E1"}
    body = json.dumps({"ia::result": {"ia::error": error}})
    return json_reply(status, body, **headers)
