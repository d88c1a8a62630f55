"""The wire itself: servers that trickle, cut off, overflow and lie, over real sockets, blocking and async alike."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.rest.body import Body
from tieout.rest.call import Reply, Request
from tieout.rest.effects import NoAnswer
from tieout.rest.transport import AsyncHttpTransport, HttpTransport

PAYLOAD = b'{"ia::result":{"key":"7"},"ia::meta":{"totalCount":1}}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


class Server:
    """Answers every connection with whatever `script` sends."""

    def __init__(self, script: Callable[[socket.socket], None]) -> None:
        self.script = script
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/x"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            received = b""
            while b"\r\n\r\n" not in received:
                part = connection.recv(65536)
                if not part:
                    return
                received += part
            self.script(connection)
        connection.close()

    def close(self) -> None:
        self.stopped.set()
        for connection in (self.listener, *self.open):
            connection.close()


@contextlib.contextmanager
def serving(script: Callable[[socket.socket], None]) -> Iterator[Server]:
    server = Server(script)
    try:
        yield server
    finally:
        server.close()


def ask_sync(
    url: str, timeout: float, *, headers: Mapping[str, str] = {}, body: bytes | None = None, **options: int
) -> Reply:
    transport = HttpTransport(**options)
    try:
        return transport.send(Request("POST", url, headers, body), timeout)
    finally:
        transport.close()


def ask_async(
    url: str, timeout: float, *, headers: Mapping[str, str] = {}, body: bytes | None = None, **options: int
) -> Reply:
    async def ask() -> Reply:
        transport = AsyncHttpTransport(**options)
        try:
            return await transport.send(Request("POST", url, headers, body), timeout)
        finally:
            await transport.close()

    return asyncio.run(ask())


both = pytest.mark.parametrize("ask", [ask_sync, ask_async])


@both
@pytest.mark.parametrize("before", [b"", HEAD, HEAD + b"content-length: 54\r\n\r\n"], ids=["at once", "head", "body"])
def test_a_server_that_trickles_is_cut_off_in_time(ask: Callable[..., Reply], before: bytes) -> None:
    """A byte at a time, each well inside any limit on a single read, for ever."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(before)
        for _ in range(200):
            if server.stopped.wait(0.05):
                return
            connection.sendall(b"x")

    with serving(trickle) as server:
        with pytest.raises(NoAnswer) as caught:
            ask(server.url, 0.4)
        assert caught.value.timeout, "the server gave up first"
        assert caught.value.sent


@both
def test_a_server_that_reads_slowly_cannot_hold_a_large_body_for_ever(ask: Callable[..., Reply]) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    with contextlib.closing(listener), pytest.raises(NoAnswer) as caught:
        ask(url, 0.3, body=b"x" * 20_000_000)
    assert caught.value.timeout


WHOLE = {
    "counted": HEAD + b"content-length: %d\r\n\r\n" % len(PAYLOAD) + PAYLOAD,
    "chunked": HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n" % len(PAYLOAD) + PAYLOAD + b"\r\n0\r\n\r\n",
    "packed": HEAD
    + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(gzip.compress(PAYLOAD, mtime=0))
    + gzip.compress(PAYLOAD, mtime=0),
}


@both
@pytest.mark.parametrize("form", WHOLE)
def test_a_whole_reply_arrives_whole(ask: Callable[..., Reply], form: str) -> None:
    with serving(lambda connection: connection.sendall(WHOLE[form])) as server:
        assert ask(server.url, 10).body == PAYLOAD


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(sorted(WHOLE)), share=st.floats(0, 0.999), ask=st.sampled_from([ask_sync, ask_async]))
def test_a_reply_cut_at_any_byte_is_never_taken_for_a_whole_one(form: str, share: float, ask) -> None:
    cut = WHOLE[form][: int(len(WHOLE[form]) * share)]
    with serving(lambda connection: connection.sendall(cut)) as server, pytest.raises(NoAnswer) as caught:
        ask(server.url, 10)
    assert caught.value.sent


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([b"", b"HTTP/1.1 ", HEAD, HEAD + b"\r\n"]), st.booleans())
def test_any_bytes_on_the_wire_are_a_reply_or_no_answer(tail: bytes, head: bytes, blocking: bool) -> None:
    ask = ask_sync if blocking else ask_async
    with serving(lambda connection: connection.sendall(head + tail)) as server, contextlib.suppress(NoAnswer):
        assert isinstance(ask(server.url, 10), Reply)


@both
def test_a_reply_that_unpacks_to_too_much_is_given_up_while_it_is_unpacked(ask: Callable[..., Reply]) -> None:
    import tracemalloc

    bomb = gzip.compress(b"\0" * 200_000_000, 1)
    reply = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb
    with serving(lambda connection: connection.sendall(reply)) as server:
        tracemalloc.start()
        try:
            with pytest.raises(NoAnswer, match="larger than 3,000,000 bytes") as caught:
                ask(server.url, 30, max_reply=3_000_000)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert caught.value.reply
    assert not caught.value.again
    assert peak < 30_000_000


@both
@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"xx"), ("gzip, gzip", b"xx"), ("gzip", b"plain text"), ("deflate", b"xx")]
)
def test_what_cannot_be_unpacked_is_no_answer(ask: Callable[..., Reply], encoding: str, body: bytes) -> None:
    reply = HEAD + f"content-encoding: {encoding}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    with serving(lambda connection: connection.sendall(reply)) as server, pytest.raises(NoAnswer) as caught:
        ask(server.url, 10)
    assert caught.value.reply


@both
@pytest.mark.parametrize("token", ["hidden\r\nword", "hidden\u00e9word", "hidden\ud800word"])
def test_a_token_that_no_header_can_hold_is_named_without_being_shown(ask: Callable[..., Reply], token: str) -> None:
    with pytest.raises(NoAnswer) as caught:
        ask("http://127.0.0.1:1/", 5, headers={"Authorization": f"Bearer {token}"})
    assert not caught.value.sent
    assert "hidden" not in repr(caught.value) + str(caught.value)
    assert caught.value.__suppress_context__


# Unpacking ---------------------------------------------------------------------------------------------------------


def packed(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(data)
    if encoding == "two members":
        return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])
    return data


NAMES = {"two members": "gzip", "none": ""}


@given(
    st.binary(max_size=2000),
    st.sampled_from(["gzip", "two members", "identity", "none"]),
    st.integers(1, 40),
    st.integers(0, 3000),
)
def test_unpacking_gives_the_bytes_back_in_whatever_pieces_they_come(
    data: bytes, form: str, step: int, most: int
) -> None:
    wire = packed(data, form)

    def unpack(limit: int) -> bytes:
        body = Body(NAMES.get(form, form), limit)
        for at in range(0, len(wire), step):
            body.add(wire[at : at + step])
        return body.whole()

    assert unpack(len(data)) == data
    if form == "gzip":
        cut = Body("gzip")
        cut.add(wire[: 1 + most % (len(wire) - 1)])
        with pytest.raises(NoAnswer, match="cut off"):
            cut.whole()
    if most < len(data):
        with pytest.raises(NoAnswer, match="larger than"):
            unpack(most)
