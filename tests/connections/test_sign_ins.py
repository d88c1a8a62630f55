"""Signing in by browser: what is checked of an answer, what works once, and what every failure says."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from tests.connections.support import Wire, come_back, register, sign_in
from tieout.connections import Begun, Connections, Finished, SignInError
from tieout.errors import ConfigurationError, Exit, NotAuthorisedError, UnknownNameError
from tieout.simulator import Simulator
from tieout.store.access_tables import authorizations, grants, tokens

BACK = "https://127.0.0.1:4711/callback"
OTHER = "https://127.0.0.1:4711/other"
RETURN = "https://vendor.example/back"
ENTITY = "company-config/entity"


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    register(connections)


class Person:
    """Somebody at a browser, and the program that sent them."""

    def __init__(self, connections: Connections, simulator: Simulator, wire: Wire) -> None:
        self.connections, self.simulator, self.wire = connections, simulator, wire

    def begin(self, name: str = "us", **given: Any) -> Begun:
        known = {"app": "demo", "base_url": self.simulator.origin, "environment": "simulator"}
        return self.connections.sign_ins.begin(name, **(known | given))

    def answer(self, begun: Begun, user: str = "admin", **given: Any) -> str:
        return come_back(self.simulator, begun.url, user, **given)

    def finish(self, answer: str, **given: Any) -> Finished:
        return self.connections.sign_ins.finish(answer, **({"transport": self.wire.transport} | given))

    def refused(self, answer: str, **given: Any) -> SignInError:
        """The failure of an answer, which holds nothing of it."""
        with pytest.raises(SignInError) as caught:
            self.finish(answer, **given)
        secrets = [value for name, value in parse_qsl(urlsplit(answer).query) if name in ("code", "state")]
        said = f"{caught.value} {caught.value!r} {caught.value.to_dict()}"
        assert not [secret for secret in secrets if secret in said]
        return caught.value

    def works(self, name: str = "us", owner: str = "default") -> bool:
        """By a new token: the refresh token is good."""
        with self.connections.store.begin() as transaction:
            transaction.execute(tokens.delete())
        with self.connections.open(name, owner=owner, transport=self.wire.transport) as client:
            return bool(client.references(ENTITY))

    def outcomes(self) -> list[tuple[str, str]]:
        """What the audit log says of sign-ins: what, and the reason."""
        told = [e for e in self.connections.audit.entries() if e.what.startswith("sign-in")]
        return [(entry.what, str(entry.facts.get("reason", ""))) for entry in told]


@pytest.fixture
def person(connections: Connections, simulator: Simulator, wire: Wire) -> Person:
    return Person(connections, simulator, wire)


@pytest.mark.parametrize("place", [{"company": "demo", "entity": "E110"}, {"company": "demo|E110"}])
def test_a_sign_in_connects(person: Person, place: dict[str, str]) -> None:
    begun = person.begin(promised_user="admin", **place, return_url=RETURN)
    assert (begun.connection.state, begun.clash, begun.redirect_uri) == ("unconnected", None, BACK)
    done = person.finish(person.answer(begun))
    assert (done.id, done.return_url, done.connection) == (begun.id, RETURN, person.connections.get("us"))
    assert (done.connection.id, done.connection.entity, done.connection.kind) == (
        begun.connection.id,
        "E110",
        "authorization_code",
    )
    assert (done.landed.user, done.landed.company, done.landed.reason) == ("admin", "demo", "")
    assert person.works()
    assert person.outcomes() == [("sign-in begun", ""), ("sign-in finished", "")]


def test_what_is_asked_of_sage(person: Person) -> None:
    begun = person.begin()
    query = parse_qs(urlsplit(begun.url).query)
    assert begun.url.startswith(f"{person.simulator.origin}/ia/api/v1/oauth2/authorize?")
    assert (query["client_id"], query["redirect_uri"], query["scope"]) == (["demo-client"], [BACK], ["offline_access"])
    assert (query["response_type"], query["code_challenge_method"]) == (["code"], ["S256"])
    state = query["state"][0]
    assert len(state) >= 43
    assert state not in repr(begun)
    with person.connections.store.read() as transaction:
        kept = repr(transaction.execute(select(authorizations)).all())
    assert state not in kept
    assert person.begin("other").url != begun.url


def test_without_pkce(person: Person) -> None:
    begun = person.begin(pkce=False)
    assert "code_challenge" not in begun.url
    assert person.finish(person.answer(begun)).connection.state == "connected"


def test_the_verifier_is_bound_to_its_sign_in(person: Person) -> None:
    first, second = person.begin(), person.begin("ca")
    with person.connections.store.begin() as transaction:
        sealed = {row.id: row.verifier_sealed for row in transaction.execute(select(authorizations))}
        assert len(set(sealed.values())) == 2
        moved = update(authorizations).where(authorizations.c.id == first.id)
        transaction.execute(moved.values(verifier_sealed=sealed[second.id]))
    assert "damaged or was moved" in str(person.refused(person.answer(first)))


def test_an_answer_works_once(person: Person) -> None:
    answer = person.answer(person.begin())
    person.finish(answer)
    again = person.refused(answer)
    assert (again.reason, again.connection_id) == ("used", person.connections.get("us").id)
    assert "the connection was made" in str(again)
    assert person.works()  # the replay was not even sent: it would have ended what the code gave


def test_an_answer_of_somebody_else_is_refused_and_disturbs_nothing(person: Person) -> None:
    begun = person.begin(owner="a")
    answer = person.answer(begun)
    forged = answer.replace("state=", "state=x")
    assert person.refused(forged).reason == "unknown_state"
    assert person.refused(answer, owner="b").reason == "unknown_state"
    assert person.refused(answer, state_cookie="another browser's").reason == "unknown_state"
    assert person.refused(answer, redirect_uri=OTHER).reason == "wrong_redirect"
    assert person.refused(answer.replace("/callback", "/other")).reason == "wrong_redirect"
    assert person.refused(answer + "&iss=https://evil.example").reason == "bad_answer"
    issuer = urlencode({"iss": person.simulator.origin})
    done = person.finish(f"{answer}&{issuer}", owner="a", state_cookie=begun.id, redirect_uri=BACK)
    assert done.connection.state == "connected"


def test_a_query_string_is_enough(person: Person) -> None:
    answer = person.answer(person.begin())
    assert person.finish(urlsplit(answer).query).connection.state == "connected"


def test_too_late(person: Person) -> None:
    begun = person.begin(lifetime=60)
    with person.connections.store.begin() as transaction:
        transaction.execute(update(authorizations).values(expires=authorizations.c.expires - 60))
    assert person.refused(person.answer(begun)).reason == "expired"
    with person.connections.store.begin() as transaction:
        transaction.execute(update(authorizations).values(expires=1.0))
    person.begin("other")  # sweeps
    with person.connections.store.read() as transaction:
        assert len(transaction.execute(select(authorizations)).all()) == 1
    with pytest.raises(ConfigurationError, match="3600 seconds at most"):
        person.begin(lifetime=3601)


def test_denied(person: Person) -> None:
    begun = person.begin(return_url=RETURN)
    answer = person.answer(begun, allow=False)
    denied = person.refused(answer)
    assert (denied.reason, denied.return_url) == ("denied", RETURN)
    assert (denied.connection_id, denied.exit_code) == (begun.connection.id, Exit.NOT_AUTHORISED)
    assert person.refused(answer).reason == "used"
    assert person.outcomes()[1:] == [("sign-in failed", "denied")]
    assert person.wire.fetched == 0


def test_without_offline_access_nothing_is_stored(person: Person) -> None:
    missing = person.refused(person.answer(person.begin(scope=())))
    assert missing.reason == "no_refresh_token"
    assert "offline_access" in missing.advice
    with person.connections.store.read() as transaction:
        assert transaction.execute(select(grants)).all() == []


def test_a_code_that_sage_refuses(person: Person) -> None:
    answer = person.answer(person.begin())
    query = dict(parse_qsl(urlsplit(answer).query)) | {"code": "no-such-code-was-given"}
    assert person.refused(f"{BACK}?{urlencode(query)}").reason == "code_refused"
    assert person.refused(answer).reason == "used"


def test_a_client_secret_that_sage_refuses(person: Person) -> None:
    begun = person.begin()
    person.connections.apps.set_secret("demo", "not the secret")
    assert person.refused(person.answer(begun)).reason == "client_refused"


@pytest.mark.parametrize("how", ["broken", "lost"])
def test_no_answer_from_the_token_endpoint(person: Person, how: str) -> None:
    """The code may be used up: it is not sent again."""
    answer = person.answer(person.begin())
    setattr(person.wire, how, 1)
    failed = person.refused(answer)
    assert (failed.reason, failed.exit_code, person.wire.fetched) == ("unreachable", Exit.UNREACHABLE, 1)
    assert "a code works once" in str(failed)
    setattr(person.wire, how, 0)
    assert person.refused(answer).reason == "used"


def test_another_user_than_promised(person: Person) -> None:
    sign_in(person.connections, person.simulator, "us", "us")
    begun = person.begin("ca", promised_user="ca", company="demo")
    wrong = person.refused(person.answer(begun, "us"))
    assert wrong.reason == "wrong_user"
    assert wrong.landed is not None
    assert (wrong.landed.user, wrong.landed.also) == ("us", ("us",))
    assert "us signed in, but ca was meant" in wrong.message
    assert person.works("us")  # by what came now: its own refresh token is dead since
    assert person.connections.get("ca").state == "unconnected"


def test_another_company(person: Person) -> None:
    person.simulator.add_company("second", "empty")
    wrong = person.refused(person.answer(person.begin(company="demo"), company="second"))
    assert wrong.reason == "wrong_company"
    assert "admin@second signed in; demo was meant" in wrong.message
    assert person.connections.get("us").state == "unconnected"
    begun = person.begin()
    person.finish(person.answer(begun, company="second"))
    assert (person.connections.get("us").company, person.works()) == ("second", True)
    wrong = person.refused(person.answer(person.begin()))
    assert wrong.reason == "wrong_company"
    assert "belongs there" in wrong.message
    with pytest.raises(ConfigurationError, match="is to second, not to demo"):
        person.begin(company="demo")


def test_of_two_callbacks_at_once_one_redeems(person: Person) -> None:
    answer = person.answer(person.begin())
    gate = threading.Barrier(4)

    def come() -> str:
        gate.wait()
        try:
            return person.finish(answer).connection.state
        except SignInError as error:
            return error.reason

    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(lambda _: come(), range(4)))
    assert found == ["connected", "used", "used", "used"]
    assert person.wire.fetched == 1
    assert person.works()


def test_cancelled(person: Person) -> None:
    begun = person.begin()
    with pytest.raises(UnknownNameError):
        person.connections.sign_ins.cancel(begun.id, "b")
    second = person.begin()
    person.connections.sign_ins.cancel(second.id)
    person.finish(person.answer(begun))  # the first one still could
    third = person.begin()
    person.connections.sign_ins.cancel(third.id)
    cancelled = person.refused(person.answer(third))
    assert (cancelled.reason, "was cancelled" in str(cancelled)) == ("used", True)
    assert person.connections.get("us").state == "connected"


def test_a_connection_that_was_only_prepared_goes_with_its_sign_in(person: Person) -> None:
    begun = person.begin(environment="sandbox")
    assert person.begin().connection.environment == "simulator"  # nothing was signed in yet: the label may change
    with person.connections.store.begin() as transaction:
        transaction.execute(authorizations.delete().where(authorizations.c.id != begun.id))
    person.connections.sign_ins.cancel(begun.id)
    assert person.connections.names() == ()
    assert person.refused(person.answer(begun)).reason == "unknown_state"


def test_what_cannot_be_begun(person: Person) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a redirect URI of the application 'demo'. It has: " + BACK):
        person.begin(redirect_uri="https://evil.example/callback")
    with pytest.raises(UnknownNameError):
        person.begin(app="none")
    person.connections.apps.draft("new", redirect_uris=[BACK])
    with pytest.raises(ConfigurationError, match="has no client id and secret yet"):
        person.begin(app="new")
    with pytest.raises(NotAuthorisedError):
        person.connections.get("us")


def test_reconnecting_keeps_the_connection_and_what_the_name_meant(person: Person) -> None:
    first = person.finish(person.answer(person.begin())).connection
    begun = person.begin("any name", connection_id=first.id, environment="production", base_url=None)
    assert (begun.connection, begun.clash) == (first, None)
    again = person.finish(person.answer(begun)).connection
    assert (again.id, again.grant_id, again.environment) == (first.id, first.grant_id, "simulator")
    with pytest.raises(UnknownNameError):
        person.begin(connection_id=first.id, owner="b")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80), place=st.integers(0, 200), cut=st.integers(0, 200))
def test_any_answer_is_told_apart(person: Person, text: str, place: int, cut: int) -> None:
    """Mangled answers end in one sentence that repeats nothing of them."""
    state, code = "s" * 43, "c" * 40
    whole = f"{BACK}?code={code}&state={state}"
    mangled = whole[:place] + text + whole[place : max(place, cut)]
    for answer in (text, mangled, f"state={state}&{text}", f"code={code}&state={text}"):
        with pytest.raises(SignInError) as caught:
            person.connections.sign_ins.finish(answer)
        assert caught.value.reason in ("bad_answer", "unknown_state")
        assert state not in str(caught.value)
        assert code not in str(caught.value)
