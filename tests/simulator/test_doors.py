"""The same simulator behind a real port: sockets, Host check, gzip, threads."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulator.conftest import Caller

from tieout.simulator.app import WORKERS, PortTakenError, SimulatorThread, listen
from tieout.simulator.faults import Fault

if TYPE_CHECKING:
    from tieout.simulator.server import Simulator

DEPARTMENT = "/ia/api/v1/objects/company-config/department"


@pytest.fixture
def running(simulator: Simulator) -> Iterator[SimulatorThread]:
    with SimulatorThread(simulator) as thread:
        yield thread


def ask(
    port: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def test_a_call_over_the_wire(running: SimulatorThread, caller: Caller) -> None:
    body = json.dumps([{"id": f"D{n}", "name": "Küche " * 20} for n in range(100)]).encode()
    status, headers, answer = ask(running.port, "POST", DEPARTMENT, caller.headers, body)
    assert status == 201
    assert headers["date"] == "Fri, 20 Mar 2026 10:00:00 GMT"
    assert "server" not in headers
    assert json.loads(answer)["ia::meta"]["totalSuccess"] == 100
    status, headers, packed = ask(running.port, "GET", DEPARTMENT, caller.headers | {"accept-encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(packed))["ia::meta"]["totalCount"] == 100
    key = json.loads(answer)["ia::result"][0]["key"]
    status, headers, nothing = ask(running.port, "DELETE", f"{DEPARTMENT}/{key}", caller.headers)
    assert (status, nothing) == (204, b"")


def test_tokens_name_the_address_they_came_from(running: SimulatorThread) -> None:
    _, _, body = ask(running.port, "GET", "/.well-known/openid-configuration")
    assert json.loads(body)["token_endpoint"] == f"{running.base_url}/oauth2/token"
    assert running.base_url == f"http://127.0.0.1:{running.port}/ia/api/v1"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "0.0.0.0", "", "[::1]"])
def test_other_hosts_are_refused(running: SimulatorThread, host: str) -> None:
    """A web page whose name was pointed at 127.0.0.1 gets nothing."""
    status, _, body = ask(running.port, "GET", "/_simulator/", {"host": host})
    assert status == 400
    assert b"companies" not in body


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:8765", "127.0.0.1:1"])
def test_our_own_names_are_answered(running: SimulatorThread, host: str) -> None:
    assert ask(running.port, "GET", "/_simulator/", {"host": host})[0] == 200


def test_only_the_loopback_is_bound(running: SimulatorThread) -> None:
    assert running._socket.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_named(simulator: Simulator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError, match=str(port)):
            SimulatorThread(simulator, port=port)


def test_many_callers_at_once(running: SimulatorThread, caller: Caller) -> None:
    """Eight threads post ten each: eighty records, no key given twice."""
    keys: list[str] = []

    def work(worker: int) -> None:
        for number in range(10):
            body = json.dumps({"id": f"W{worker}-{number}", "name": "x"}).encode()
            status, _, answer = ask(running.port, "POST", DEPARTMENT, caller.headers, body)
            assert status == 201
            keys.append(json.loads(answer)["ia::result"]["key"])

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 80
    assert caller.get("/objects/company-config/department").json()["ia::meta"]["totalCount"] == 80


def test_a_connection_is_kept_for_the_next_request(running: SimulatorThread, caller: Caller) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    for method, status in (("GET", 200), ("HEAD", 200), ("DELETE", 400), ("PUT", 405), ("OPTIONS", 200), ("GET", 200)):
        connection.request(method, DEPARTMENT, headers=caller.headers)
        reply = connection.getresponse()
        reply.read()
        assert (method, reply.status, reply.will_close) == (method, status, False)
    connection.close()


def test_a_body_in_pieces_and_a_question_before_it(running: SimulatorThread, caller: Caller) -> None:
    """`Transfer-Encoding: chunked`, and `Expect: 100-continue` as curl sends it for longer bodies."""
    token = caller.headers["authorization"]
    head = f"POST {DEPARTMENT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\n"
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain, plain.makefile("rb") as answers:
        plain.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 24\r\n\r\n".encode())
        assert answers.readline().startswith(b"HTTP/1.1 100")
        plain.sendall(b'{"id":"A","name":"Adam"}')
        assert answers.readline() == b"\r\n"
        assert b" 201 " in answers.readline()
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain, plain.makefile("rb") as answers:
        plain.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        plain.sendall(b'8\r\n{"id":"B\r\n11\r\n","name":"Berta"}\r\n0\r\n\r\n')
        assert b" 201 " in answers.readline()
    assert len(caller.get("/objects/company-config/department").json()["ia::result"]) == 2


def test_a_request_whose_sender_dies_in_the_middle_of_it_was_never_made(
    running: SimulatorThread, caller: Caller
) -> None:
    """Half a body is no body: kept under the idempotency key, its refusal would meet the whole one for good."""
    headers = caller.headers | {"idempotency-key": "K-1"}
    body = b'{"id":"A","name":"Adam"}'
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as plain, plain.makefile("rb") as answers:
        plain.sendall(f"POST {DEPARTMENT} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}Content-Length: 24\r\n\r\n".encode())
        plain.sendall(body[:10])
        plain.shutdown(socket.SHUT_WR)
        assert answers.read() == b""
    assert ask(running.port, "POST", DEPARTMENT, headers, body)[0] == 201


@pytest.mark.parametrize(("how", "seen"), [("reset", ConnectionResetError), ("close", http.client.RemoteDisconnected)])
def test_how_a_connection_ends(running: SimulatorThread, caller: Caller, how: Any, seen: type[Exception]) -> None:
    running.simulator.traffic.faults.add(Fault(connection=how, path="/objects/*"))
    with pytest.raises(seen) as caught:
        ask(running.port, "GET", DEPARTMENT, caller.headers)
    assert type(caught.value) is seen


def test_requests_that_wait_hold_no_worker(running: SimulatorThread, caller: Caller) -> None:
    """More silent requests than there are workers, and the next one is answered all the same."""
    running.simulator.traffic.faults.add(Fault(connection="hang", path="/objects/*", delay=0.01))
    silent = []
    for _ in range(WORKERS + 5):
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.request("GET", DEPARTMENT, headers=caller.headers)
        silent.append(connection)
    assert ask(running.port, "GET", "/ia/api/v1/services/core/model?name=x/y", caller.headers)[0] == 200
    for connection in silent:
        connection.close()


def test_an_answer_in_two_pieces_waits_for_no_acknowledgement() -> None:
    """Else each call at the port takes some 40 ms, whatever the simulator does."""

    async def accepted() -> int:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[int] = loop.create_future()

        class Door(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                told.set_result(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()  # type: ignore[attr-defined]  # a Transport, as it is a connection's

        server = await loop.create_server(Door, sock=listen(0))
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        found = await told
        writer.close()
        server.close()
        return found

    assert asyncio.run(accepted()) == 1


def test_companies_may_be_reset_under_running_requests(simulator: Simulator, caller: Caller) -> None:
    """A request whose company is closed under it is answered by the company that is there now: its token is dead."""
    stop = threading.Event()
    seen: set[int] = set()

    def work(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            body = {"id": f"D{number}-{count}", "name": "x"}
            seen.add(
                caller.post("/objects/company-config/department", body, idempotency_key=f"{number}-{count}").status
            )

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(work, number) for number in range(3)]
        for _ in range(10):
            simulator.reset()
            caller.headers = Caller(simulator).headers
        stop.set()
        for each in running:
            each.result()
    assert seen <= {201, 401}
