"""Addresses that others name lead into the open Internet or nowhere."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.rest.test_sockets import Server
from tieout.errors import ConfigurationError
from tieout.rest.call import Request
from tieout.rest.effects import NoAnswer
from tieout.rest.public import PublicTransport, checked_url, is_public

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::",
        "::10.0.0.1", "::ffff:0:a00:1", "64:ff9b:1::a00:1", "fec0::1", "3fff::1", "168.63.129.16",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "", "https://", "//x.example", "https://x y/", "https://x.example:99999/", "https://[::1", "https://x.example/\n",
        "http://x.example/", "ftp://x.example/", "https://u:geheim@x.example/", "https://x.example/#f",
        "https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://LOCALHOST./", "https://a.localhost/", "https://x\\y/",
    ],
)  # fmt: skip
def test_urls_that_none_may_ask(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked_url(url)
    assert "geheim" not in str(refused.value)
    with pytest.raises(ConfigurationError):
        PublicTransport().send(Request("POST", url, {}), 1)


def reached(url: str, **options: object) -> int:
    return PublicTransport(**options).send(Request("POST", url, {"x": "y"}, b"body"), 5).status  # type: ignore[arg-type]


@pytest.mark.parametrize("found", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], []])
def test_names_that_lead_home(found: list[str]) -> None:
    with pytest.raises(NoAnswer) as refused:
        reached("https://x.example/", resolve=lambda *_: found)
    assert not refused.value.sent
    assert not refused.value.again


def test_a_name_that_leads_nowhere() -> None:
    def nowhere(*_: object) -> list[str]:
        raise socket.gaierror("no such host")

    with pytest.raises(NoAnswer, match=r"no host x\.example"):
        reached("https://x.example/", resolve=nowhere)


def test_the_address_that_was_judged_is_dialled_under_the_name_that_was_asked() -> None:
    """A second look at the name would lead elsewhere: it is not taken."""
    heard = bytearray()

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"content-length: 2\r\n\r\nok")

    server = Server(answer)
    script = server.script

    def keep(connection: socket.socket) -> None:
        heard.extend(b"x")
        script(connection)

    server.script = keep
    port = server.url.rpartition(":")[2].removesuffix("/x")
    looks = iter([["127.0.0.1"]])
    try:
        assert reached(f"http://hook.example:{port}/x", allow_local=True, resolve=lambda *_: next(looks)) == 200
        assert heard == b"x"
    finally:
        server.close()


def test_an_answer_has_a_time_and_a_size() -> None:
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"content-length: 99999999\r\n\r\n")
        while not stop.wait(0.05):
            connection.sendall(b"x")

    server = Server(trickle)
    started = time.monotonic()
    try:
        with pytest.raises(NoAnswer):
            PublicTransport(allow_local=True).send(Request("POST", server.url, {}), 0.5)
        assert time.monotonic() - started < 30  # and not the months that the whole answer would take
    finally:
        stop.set()
        server.close()

    def flood(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"content-length: 99999999\r\n\r\n" + b"x" * 200_000)
        stop.wait(5)

    stop.clear()
    server = Server(flood)
    try:
        assert len(PublicTransport(allow_local=True).send(Request("POST", server.url, {}), 5).body) == 65_536
    finally:
        stop.set()
        server.close()


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would look the name up anew."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"content-length: 0\r\n\r\n")

    server = Server(answer)
    try:
        assert reached(server.url, allow_local=True) == 200
    finally:
        server.close()
