"""Errors are part of the product: they travel, they print, they say all they know, and they never hold a secret."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import pytest

from tieout import errors
from tieout.errors import (
    CheckError,
    ConflictError,
    Detail,
    IntacctError,
    OutcomeUnknownError,
    Problem,
    RefusedError,
    ThrottledError,
    TieoutError,
    UnknownNameError,
    UnreachableError,
    Whose,
    left_unknown,
)
from tieout.rest import ClientCredentials, Intacct, RefreshToken
from tieout.rest.call import Reply, Request
from tieout.rest.effects import NoAnswer


def conflict() -> ConflictError:
    error = ConflictError("taken", status=409, error_id="X-1", details=[Detail(error_id="Y-2", message="m")])
    error.meaning = "duplicate"
    return error


SAMPLES = [
    TieoutError("It broke.", advice="Mend it.", whose=Whose.SAGE),
    UnknownNameError("object", "vendrs", nearest=["vendors"]),
    CheckError("This query", [Problem("fields[0]", "is not there", nearest="id")]),
    UnreachableError("No answer."),
    OutcomeUnknownError("Sent.", idempotency_key="k1"),
    RefusedError("no", status=422, error_id="REST-7001", code="c", support_id="S%7E1", placeholders={"FIELD": "x"}),
    ThrottledError("slow", status=429, retry_after=7.5),
    conflict(),
]


def family() -> Iterator[type[TieoutError]]:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, TieoutError):
            yield kind


def raiser(number: int) -> None:
    raise SAMPLES[number]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_copying_whole(error: TieoutError) -> None:
    error.add_note("seen on the way")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (str(twin), repr(twin), twin.to_dict()) == (str(error), repr(error), error.to_dict())
        assert (twin.args, twin.__notes__, twin.exit_code) == (error.args, error.__notes__, error.exit_code)


def test_an_error_crosses_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for number in (1, 5, 7):
            with pytest.raises(type(SAMPLES[number])) as caught:
                pool.submit(raiser, number).result(60)
            assert caught.value.to_dict() == SAMPLES[number].to_dict()


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_a_dict_of_an_error_is_json_and_holds_every_public_fact(error: TieoutError) -> None:
    told = msgspec.json.decode(msgspec.json.encode(error.to_dict()))
    assert told["error"] == type(error).__name__
    facts = {name for name in vars(error) if not name.startswith("_")} - {"whose"}
    assert facts <= set(told)


def test_a_repr_says_what_one_would_look_for() -> None:
    shown = repr(SAMPLES[5])
    assert shown == ("RefusedError('no', status=422, error_id='REST-7001', code='c', support_id='S%7E1')")
    assert "meaning='duplicate'" in repr(conflict())
    assert "Y-2: m" in repr(conflict())


def test_every_class_of_the_family_says_whose_move_it_is_and_has_an_exit_code() -> None:
    for kind in family():
        assert isinstance(kind.whose, Whose)
        assert 1 <= kind.exit_code <= 7
        assert kind.__name__ in (errors.__doc__ or ""), "the tree at the top shows the whole family"


def test_an_interruption_is_followed_to_what_it_left_unknown() -> None:
    unknown = OutcomeUnknownError("Sent.", idempotency_key="k")
    interrupt = KeyboardInterrupt()
    interrupt.__cause__ = unknown
    late = TimeoutError()
    late.__cause__ = interrupt
    assert left_unknown(late) is unknown
    assert left_unknown(ValueError()) is None


# Secrets -----------------------------------------------------------------------------------------------------------

SECRET, REFRESH, TOKEN, BODY = "s3cret/word", "r3fresh-value", "t0ken-value", "b0dy-value"
ECHO = "@ECHO@"
"""Where the server below repeats what a request held."""


def error_body(**more: Any) -> bytes:
    error = {"code": ECHO, "message": f"you sent {ECHO}", "errorId": "REST-7001", "supportId": ECHO, **more}
    error["details"] = [{"message": ECHO, "errorId": "GL-1", "target": ECHO}]
    error["additionalInfo"] = {"placeholders": {"FIELD": ECHO}}
    return msgspec.json.encode({"ia::result": {"ia::error": error}})


STRANGE = [
    *(Reply(status, {}, error_body()) for status in (200, 400, 401, 403, 404, 409, 413, 422, 429, 500)),
    Reply(207, {}, msgspec.json.encode({"ia::result": [{"ia::status": 422, "ia::error": {"message": ECHO}}]})),
    Reply(400, {}, msgspec.json.encode({"error": "invalid_grant", "error_description": ECHO})),
    Reply(401, {}, msgspec.json.encode({"error": {"errorId": "GW-0040", "message": ECHO}})),
    Reply(500, {"content-type": "text/html"}, f"<html>{ECHO}</html>".encode()),
    Reply(302, {"location": f"https://x/?t={TOKEN}"}, b""),
    Reply(200, {}, f'{{"ia::result": "{ECHO}'.encode()),
    NoAnswer("the connection broke", sent=True),
]


class Echo:
    """Grants a token, or does not, and answers everything else with one reply that repeats what was sent to it: the
    header, and the form as it came, decoded, and with slashes escaped as PHP does."""

    def __init__(self, step: Any, token: bool) -> None:
        self.step, self.token = step, token

    def send(self, request: Request, timeout: float) -> Reply:
        signing_in = "oauth2" in request.url
        if signing_in and self.token:
            return Reply(200, {}, msgspec.json.encode({"access_token": TOKEN, "refresh_token": REFRESH + "2"}))
        if isinstance(self.step, NoAnswer):
            raise self.step
        held = request.headers.get("Authorization", "")
        if signing_in:
            form = (request.body or b"").decode()
            held += f" {form} {unquote(form)} {unquote(form)}".replace("/", "\\/", 1)
        return Reply(self.step.status, self.step.headers, self.step.body.replace(ECHO.encode(), held.encode()))

    def close(self) -> None: ...


@pytest.mark.parametrize("granted", [True, False])
@pytest.mark.parametrize("step", STRANGE, ids=repr)
@pytest.mark.parametrize("kind", ["client credentials", "refresh token"])
def test_no_error_log_or_traceback_shows_a_secret_even_if_the_server_echoes_it(
    step: Any, granted: bool, kind: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tieout.rest import attempt

    monkeypatch.setattr(attempt, "ATTEMPTS", 1)
    caplog.set_level(logging.DEBUG)
    if kind == "refresh token":
        tokens: Any = RefreshToken(client_id="c", client_secret=SECRET, refresh_token=REFRESH)
    else:
        tokens = ClientCredentials(client_id="c", client_secret=SECRET, user="u", company="co")
    intacct = Intacct(tokens=tokens, transport=Echo(step, granted), check=False)
    asked = [
        lambda: intacct.raw("GET", "/services/x"),
        lambda: intacct.create("vendors", {"name": BODY}),
        lambda: intacct.create_many("vendors", [{"name": BODY}]).raise_if_any(),
        lambda: intacct.delete("vendors", "1"),
        lambda: intacct.references("vendors"),
    ]
    seen = repr(intacct) + repr(tokens) + repr(intacct.log)
    for ask in asked:
        try:
            ask()
        except TieoutError as error:
            seen += "".join(traceback.format_exception(error)) + str(error) + repr(error) + repr(error.to_dict())
            seen += repr(vars(error))
            if isinstance(error, IntacctError):
                seen += repr(error.placeholders)
    seen += caplog.text + repr(list(intacct.log.search()))
    for secret in (SECRET, quote(SECRET, safe=""), REFRESH, TOKEN, BODY):
        assert secret not in seen
