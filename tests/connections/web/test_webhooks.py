"""The vendor hears of every connection that came, failed or died: once, signed, and never at an address of our own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest
from sqlalchemy import select, update

from tests.connections.support import Wire, register, sign_in, signed_in
from tests.connections.web.conftest import BOTH
from tests.connections.web.receiver import SECRET, Receiver, programs
from tests.forks import Forks
from tieout.connections import Connections
from tieout.connections import webhooks as module
from tieout.connections.sign_in_errors import SignInError
from tieout.connections.webhooks import Delivered, new_secret, signed, verify_webhook
from tieout.errors import ConfigurationError, NotAuthorisedError, TieoutError
from tieout.rest.call import Reply, Request
from tieout.rest.effects import NoAnswer
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store.access_tables import tokens
from tieout.store.connect_tables import installation, webhook_events


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    register(connections)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def heard(connections: Connections, receiver: Receiver) -> Receiver:
    """A receiver that is the webhook."""
    connections.webhooks.set(receiver.url, SECRET, allow_local=True)
    return receiver


def overdue(connections: Connections) -> None:
    """As if the pause before the next try were over."""
    with connections.store.begin() as transaction:
        transaction.execute(update(webhook_events).values(due=0.0))


@BOTH
def test_a_connection_that_came_is_told_with_what_the_vendor_needs_and_no_secret(
    connections: Connections, simulator: Simulator, heard: Receiver
) -> None:
    made = sign_in(connections, simulator, "us", "us", owner="tenant-7", entity="E110").connection
    assert connections.webhooks.deliver() == Delivered(delivered=1)
    (event,) = heard.events
    assert event["type"] == "connection.connected"
    assert event["data"] == {
        "id": made.id, "owner": "tenant-7", "name": "us", "company": "demo", "environment": "simulator",
        "entity": "E110", "reason": "", "repair": "",
    }  # fmt: skip
    assert connections.webhooks.deliver() == Delivered()
    assert len(heard.calls) == 1
    connections.add_simulator("ws", simulator.origin, transport=Wire(simulator).transport)
    assert connections.webhooks.deliver().delivered == 1
    assert heard.told()[1][:2] == ("connection.connected", "ws")


def test_nothing_is_written_where_no_webhook_is_set(connections: Connections, simulator: Simulator) -> None:
    sign_in(connections, simulator, "us")
    assert connections.webhooks.get() is None
    assert connections.webhooks.events() == []
    assert connections.webhooks.deliver() == Delivered()


def test_a_sign_in_that_landed_elsewhere_has_failed(
    connections: Connections, simulator: Simulator, heard: Receiver
) -> None:
    waiting = connections.prepare("us", base_url=simulator.origin, environment="simulator")
    connections.land(waiting, signed_in(simulator, "ca"), app="demo", promised_user="us")
    simulator.add_company("second", "empty")
    bound = connections.prepare("eu", base_url=simulator.origin, environment="simulator", company="second")
    connections.land(bound, signed_in(simulator, "us"), app="demo")
    other = connections.prepare("x", base_url=simulator.origin, environment="simulator", owner="tenant-7")
    connections.land(other, signed_in(simulator, "us"), app="demo")
    assert connections.webhooks.deliver().delivered == 3
    assert heard.told() == [
        ("connection.failed", "eu", "wrong_company"),
        ("connection.failed", "us", "wrong_user"),
        ("connection.failed", "x", "other_owner"),
    ]
    assert "default" not in str([event["data"] for event in heard.events if event["data"]["name"] == "x"])


@BOTH
def test_a_sign_in_that_failed_before_it_landed_is_told_too(
    connections: Connections, simulator: Simulator, heard: Receiver
) -> None:
    """Denied at Sage: there is nothing to land."""
    begun = connections.sign_ins.begin("us", app="demo", environment="simulator", base_url=simulator.origin)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    with pytest.raises(SignInError, match="denied"):
        connections.sign_ins.finish(urlencode({"state": state, "error": "access_denied"}))
    assert connections.webhooks.deliver().delivered == 1
    assert heard.told() == [("connection.failed", "us", "denied")]
    assert state not in str(heard.calls)


DYING = """
import sys, json
from pathlib import Path
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.errors import NotAuthorisedError
from tieout.store import open_store
with open_store(sys.argv[1]) as store:
    connections = Connections(store, Vault(Keys(Path(sys.argv[2]))))
    print("ready", flush=True)
    input()
    refused = 0
    for name in ("us", "us-two"):
        try:
            with connections.open(name) as client:
                client.references("company-config/entity")
        except NotAuthorisedError:
            refused += 1
    print(json.dumps(refused))
"""


@BOTH
def test_a_death_in_another_process_is_told_once_for_each_connection_that_it_takes_along(
    connections: Connections, heard: Receiver, state_url: str, forked: Forks, tmp_path: Path
) -> None:
    with Simulator("empty", switches={"rotation": "strict"}) as simulator, SimulatorThread(simulator) as server:
        for name in ("us", "us-two"):
            sign_in(connections, simulator, name, "us", origin=server.base_url)
        sign_in(connections, simulator, "ca", "ca", origin=server.base_url)
        assert connections.webhooks.deliver().delivered == 3
        heard.calls.clear()
        signed_in(simulator, "us")  # elsewhere: the refresh token that is kept here is good for nothing
        with connections.store.begin() as transaction:
            transaction.execute(tokens.delete())
        assert programs(forked, DYING, state_url, str(tmp_path), count=2) == [2, 2]
    assert connections.get("us").state == "dead"
    assert connections.webhooks.deliver().delivered == 2
    assert heard.told() == [("connection.died", "us", "refused"), ("connection.died", "us-two", "refused")]
    assert all(event["data"]["repair"] == "Connect again." for event in heard.events)


# --- signatures -------------------------------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_convention() -> None:
    """Worked out here by hand, and in the way of the convention's own libraries."""
    headers = signed("msg_1", b'{"a":1}', SECRET, 1_700_000_000.9)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    by_hand = hmac.new(key, b'msg_1.1700000000.{"a":1}', hashlib.sha256).digest()
    assert headers == {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": f"v1,{base64.b64encode(by_hand).decode()}",
    }


def test_a_receiver_takes_what_was_signed_in_the_last_five_minutes_only() -> None:
    body = b'{"type":"connection.died"}'
    headers = {name.title(): value for name, value in signed("msg_1", body, SECRET, 1000.0).items()}
    for now in (700.0, 1000.0, 1300.0):
        assert verify_webhook(headers, body, SECRET, now=lambda now=now: now)["type"] == "connection.died"
    for now in (699.0, 1301.0):
        with pytest.raises(NotAuthorisedError, match="five minutes"):
            verify_webhook(headers, body, SECRET, now=lambda now=now: now)
    during = {**headers, "Webhook-Signature": f"v1,AAAA {headers['Webhook-Signature']} v2,x"}
    assert verify_webhook(during, body, SECRET, now=lambda: 1000.0)


@pytest.mark.parametrize(
    "forged",
    [
        {"webhook-id": "msg_2"}, {"webhook-timestamp": "1001"}, {"webhook-timestamp": "²"}, {"webhook-signature": ""},
        {"webhook-signature": "v1,"}, {"webhook-signature": "v1,ä"}, {"webhook-id": ""},
        {"webhook-timestamp": "9" * 5000}, {"webhook-timestamp": "9" * 400},
    ],
)  # fmt: skip
def test_whatever_was_changed_is_refused(forged: dict[str, str]) -> None:
    body = b'{"type":"connection.died"}'
    headers = signed("msg_1", body, SECRET, 1000.0) | forged
    with pytest.raises(NotAuthorisedError):
        verify_webhook(headers, body, SECRET, now=lambda: 1000.0)


def test_another_body_or_secret_is_refused() -> None:
    headers = signed("msg_1", b"{}", SECRET, 1000.0)
    for body, secret in ((b"{} ", SECRET), (b"{}", new_secret()), (b"{}", "another text as a secret")):
        with pytest.raises(NotAuthorisedError, match="signature"):
            verify_webhook(headers, body, secret, now=lambda: 1000.0)


@pytest.mark.parametrize("secret", ["", "short", "whsec_c2hvcnQ=", "whsec_!!"])
def test_a_secret_that_is_none(connections: Connections, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="secret"):
        connections.webhooks.set("https://vendor.example/hook", secret)


def test_the_secret_is_sealed_and_shown_nowhere(connections: Connections) -> None:
    connections.webhooks.set("https://vendor.example/hook", SECRET)
    with connections.store.read() as transaction:
        stored = str(transaction.execute(select(installation)).all())
    assert SECRET not in stored
    assert "c2VjcmV0" not in stored + repr(connections.webhooks.get()) + str(list(connections.audit.entries()))
    assert connections.webhooks.clear()
    assert not connections.webhooks.clear()
    assert connections.webhooks.get() is None


# --- delivery ---------------------------------------------------------------------------------------------------------


class Scripted:
    """Answers with a status, or not at all."""

    def __init__(self, *answers: int | NoAnswer) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []

    def send(self, request: Request, timeout: float) -> Reply:
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NoAnswer):
            raise answer
        return Reply(answer, {}, b"")

    def close(self) -> None: ...


@BOTH
def test_a_refused_event_is_tried_ten_times_under_one_id_with_growing_pauses_and_then_given_up(
    connections: Connections, simulator: Simulator, heard: Receiver
) -> None:
    sign_in(connections, simulator, "us")
    heard.status = 500
    pauses = []
    for tried in range(1, 11):
        overdue(connections)
        before = time.time()
        done = connections.webhooks.deliver()
        assert (done.put_off, done.failed) == ((1, 0) if tried < 10 else (0, 1))
        assert connections.webhooks.deliver() == Delivered(waiting=int(tried < 10))  # not due yet
        with connections.store.read() as transaction:
            pauses.append(transaction.execute(select(webhook_events.c.due)).scalar_one() - before)
    assert len(heard.calls) == 10
    assert len({event["webhook-id"] for event, _ in heard.calls}) == 1
    assert 20 < pauses[0] < 60 < pauses[1] < 300 < pauses[2]
    assert 70_000 < max(pauses) < 100_000
    (event,) = connections.webhooks.events()
    assert (event.state, event.tries, event.error) == ("failed", 10, "the server answered 500")
    heard.status = 200
    assert connections.webhooks.again(event.id)
    assert not connections.webhooks.again(event.id)
    assert connections.webhooks.deliver().delivered == 1


def test_one_event_that_is_refused_does_not_hold_up_the_others_and_a_server_that_is_away_is_asked_once(
    connections: Connections, simulator: Simulator
) -> None:
    connections.webhooks.set("https://vendor.example/hook", SECRET)
    for name in ("a", "b", "c"):
        sign_in(connections, simulator, name)
    away = Scripted(NoAnswer("no answer in time", sent=True))
    assert connections.webhooks.deliver(transport=away) == Delivered(put_off=1, waiting=3)
    assert len(away.sent) == 1
    one_bad = Scripted(422, 200)
    assert connections.webhooks.deliver(transport=one_bad) == Delivered(delivered=1, put_off=1, waiting=2)
    assert [event.error for event in connections.webhooks.events(state="waiting")] != ["", ""]
    overdue(connections)
    assert connections.webhooks.deliver(1, transport=Scripted(204)) == Delivered(delivered=1, waiting=1)


def test_a_redirect_is_not_followed(connections: Connections, simulator: Simulator, heard: Receiver) -> None:
    sign_in(connections, simulator, "us")
    heard.status, heard.location = 307, heard.url
    assert connections.webhooks.deliver() == Delivered(put_off=1, waiting=1)
    assert len(heard.calls) == 1


DELIVERING = """
import sys, json
from pathlib import Path
import msgspec
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.store import open_store
with open_store(sys.argv[1]) as store:
    connections = Connections(store, Vault(Keys(Path(sys.argv[2]))))
    print("ready", flush=True)
    input()
    print(json.dumps(connections.webhooks.deliver().delivered))
"""


@BOTH
def test_two_processes_send_each_event_once(
    connections: Connections, simulator: Simulator, heard: Receiver, state_url: str, forked: Forks, tmp_path: Path
) -> None:
    for number in range(12):
        sign_in(connections, simulator, f"c{number}")
    assert sum(programs(forked, DELIVERING, state_url, str(tmp_path), count=2)) == 12
    assert len(heard.calls) == 12
    assert len({headers["webhook-id"] for headers, _ in heard.calls}) == 12


@BOTH
def test_an_event_that_is_being_sent_is_left_alone_until_its_sender_must_be_dead(
    connections: Connections, simulator: Simulator
) -> None:
    connections.webhooks.set("https://vendor.example/hook", SECRET)
    sign_in(connections, simulator, "us")
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Scripted):
        def send(self, request: Request, timeout: float) -> Reply:
            inside.set()
            assert go_on.wait(30)
            return super().send(request, timeout)

    slow, quick = Slow(500), Scripted(200)
    done: list[Delivered] = []
    thread = threading.Thread(target=lambda: done.append(connections.webhooks.deliver(transport=slow)))
    thread.start()
    assert inside.wait(30)
    assert connections.webhooks.deliver(transport=quick) == Delivered(waiting=1)
    with connections.store.begin() as transaction:  # half a minute later
        transaction.execute(update(webhook_events).values(lease_until=0.0))
    assert connections.webhooks.deliver(transport=quick) == Delivered(delivered=1)
    go_on.set()
    thread.join()
    (event,) = connections.webhooks.events()
    assert event.state == "delivered"  # the slow one's late word changes nothing


def test_a_server_with_the_page_sends_events_while_it_runs(
    connections: Connections, simulator: Simulator, heard: Receiver
) -> None:
    """Through the lifespan that servers run, also while the database is away for a moment."""
    from tieout.connections.web import delivering

    async def serve() -> None:
        async with delivering(connections, 0.01):
            for name in ("us", "ca"):
                await asyncio.to_thread(sign_in, connections, simulator, name, name)
                while len(heard.calls) < len(connections.names()):
                    await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(serve(), 60))
    assert heard.told() == [("connection.connected", "ca", ""), ("connection.connected", "us", "")]


def test_what_was_settled_a_month_ago_is_forgotten(connections: Connections, simulator: Simulator) -> None:
    connections.webhooks.set("https://vendor.example/hook", SECRET)
    sign_in(connections, simulator, "us")
    assert connections.webhooks.deliver(transport=Scripted(200)).delivered == 1
    with connections.store.begin() as transaction:
        transaction.execute(update(webhook_events).values(settled_at=time.time() - module.KEPT - 1))
    connections.webhooks.deliver(transport=Scripted(200))
    assert connections.webhooks.events() == []


def test_clearing_drops_what_waits(connections: Connections, simulator: Simulator) -> None:
    connections.webhooks.set("https://vendor.example/hook", SECRET)
    sign_in(connections, simulator, "us")
    connections.webhooks.clear()
    assert connections.webhooks.events() == []


def test_events_of_another_owner_are_not_there(connections: Connections, simulator: Simulator) -> None:
    connections.webhooks.set("https://vendor.example/hook", SECRET)
    sign_in(connections, simulator, "us", owner="tenant-7")
    assert connections.webhooks.events("tenant-8") == []
    assert [event.owner for event in connections.webhooks.events("tenant-7")] == ["tenant-7"]


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.example/hook", "https://127.0.0.1/hook", "https://localhost/hook", "https://10.0.0.1/",
        "https://[::1]/", "https://169.254.169.254/latest/meta-data", "https://me:pw@vendor.example/", "ftp://x/", "x",
    ],
)  # fmt: skip
def test_where_no_webhook_may_lead(connections: Connections, url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connections.webhooks.set(url, SECRET)
    assert "pw" not in str(refused.value)


def test_a_name_that_leads_home_gets_nothing(connections: Connections, simulator: Simulator) -> None:
    """The receiver listens on this machine, and the webhook's name leads here: DNS of an attacker's."""
    from tieout.rest.public import PublicTransport

    asked: list[tuple[str, int]] = []

    def lies(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["93.184.215.14", "127.0.0.1"]

    connections.webhooks.set("https://hook.example/", SECRET)
    sign_in(connections, simulator, "us")
    assert connections.webhooks.deliver(transport=PublicTransport(resolve=lies)).put_off == 1
    (event,) = connections.webhooks.events()
    assert asked == [("hook.example", 443)]
    assert "private network or to this machine" in event.error


def test_the_body_is_the_json_that_is_stored(connections: Connections, simulator: Simulator, heard: Receiver) -> None:
    sign_in(connections, simulator, 'a "quoted" näme')
    connections.webhooks.deliver()
    headers, body = heard.calls[0]
    assert json.loads(body)["data"]["name"] == 'a "quoted" näme'
    assert headers["content-type"] == "application/json"
    fields: dict[str, Any] = msgspec.json.decode(body)
    assert set(fields) == {"type", "timestamp", "data"}
    assert issubclass(NotAuthorisedError, TieoutError)
