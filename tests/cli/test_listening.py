"""The listener of `tieout connect --listen`: one callback over HTTPS on 127.0.0.1, and nobody else gets anything."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Run
from tests.connections.support import come_back
from tieout.cli import signing_in
from tieout.cli.listening import Listener
from tieout.errors import BusyError, ConfigurationError, TieoutError
from tieout.simulator.app import SimulatorThread
from tieout.simulator.server import Simulator
from tieout.store import open_store

SAGE = "https://sage.example/authorize?state=hush"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, target: str, host: str | None = None, method: str = "GET") -> tuple[int, str, dict[str, str]]:
    """What a browser that trusts the certificate gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    server = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    try:
        server.request(method, target, headers={"Host": host} if host else {})
        reply = server.getresponse()
        return reply.status, reply.read().decode(), {name.lower(): value for name, value in reply.getheaders()}
    finally:
        server.close()


def good(url: str) -> str | None:
    """Reads an answer: `?good` is one, `?bad` one that failed."""
    if url.endswith("?bad"):
        raise TieoutError("It was <denied>.")
    return url if url.endswith("?good") else None


def listener(port: int) -> Listener[str]:
    return Listener(f"https://127.0.0.1:{port}/callback", SAGE, good)


def test_one_callback_and_then_closed(capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    with listener(port) as waiting:
        for target, host, status in (
            ("/favicon.ico", None, 404),
            ("/callback/?good", None, 404),
            ("/callback?good", "evil.example", 421),
            ("/callback?good", f"localhost:{port}", 421),
            ("/callback?state=guessed", None, 400),
            ("/start-guessed", None, 404),
        ):
            assert ask(port, target, host)[0] == status
        assert ask(port, "/callback?good", method="POST")[0] == 501
        start = urlsplit(waiting.start_url).path
        assert ask(port, start)[2]["location"] == SAGE
        assert ask(port, start)[0] == 404  # who saw it in the list of processes comes too late
        assert waiting.wait(0) is None
        status, page, headers = ask(port, "/callback?good")
        assert (status, "You can close this window" in page) == (200, True)
        assert (headers["cache-control"], headers["referrer-policy"]) == ("no-store", "no-referrer")
        assert waiting.wait(20) == f"https://127.0.0.1:{port}/callback?good"
        assert ask(port, "/callback?good")[0] == 410
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/callback?good")
    assert capfd.readouterr() == ("", "")


def test_an_answer_that_failed_is_told_at_both_ends() -> None:
    port = free_port()
    with listener(port) as waiting:
        status, page, _ = ask(port, "/callback?bad")
        assert (status, "It was &lt;denied&gt;." in page) == (400, True)
        with pytest.raises(TieoutError, match="It was <denied>"):
            waiting.wait(20)


def test_who_says_nothing_keeps_nobody_waiting() -> None:
    port = free_port()
    with listener(port) as waiting, socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/callback?good")[0] == 200
        assert waiting.wait(20)


def test_the_key_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context: ssl.SSLContext, name: str) -> None:
        seen.append(stat.S_IMODE(os.stat(name).st_mode))
        load(context, name)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    with listener(free_port()):
        assert seen == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_listen() -> None:
    port = free_port()
    with listener(port), pytest.raises(BusyError, match=f"Nothing can listen on 127.0.0.1:{port}"):
        listener(port)
    for uri in ("https://app.example/callback", f"http://127.0.0.1:{port}/callback"):
        with pytest.raises(ConfigurationError, match="paste the address instead"):
            Listener(uri, SAGE, good)


def test_the_whole_way(tieout: Run, tmp_path: Path) -> None:
    """A real process, a real browser's way, and nothing of it in the list of processes."""
    port = free_port()
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "other", "--simulator", running.url, "--user", "ca").code == 0
        with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
            from tieout.connections import Connections, Vault
            from tieout.connections.keys import Keys

            apps = Connections(store, Vault(Keys(tmp_path))).apps
            apps.draft("demo", redirect_uris=[f"https://127.0.0.1:{port}/callback"], scope="non-production")
            apps.approve("demo", "demo-client", "demo-secret")
        command = [sys.executable, "-m", "tieout", "connect", "us", "--simulator", running.url, "--listen"]
        with subprocess.Popen(
            [*command, "--no-browser", "--port", str(port), "--user", "us@demo"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting:
            assert waiting.stdout is not None
            assert waiting.stderr is not None
            said = next(line for line in waiting.stderr if "/start-" in line).strip()
            url = ask(port, urlsplit(said).path)[2]["location"]
            answer = come_back(simulator, url, "us")
            assert ask(port, f"{urlsplit(answer).path}?{urlsplit(answer).query}")[0] == 200
            assert waiting.wait(30) == 0
            assert waiting.stdout.read().startswith("connected us: us@demo")
            assert not [part for part in urlsplit(answer).query.split("&") if part in waiting.stderr.read()]
    refused = tieout("connect", "x", "--simulator", running.url, "--listen", "--port", "1", "--user", "admin@demo")
    assert (refused.code, "Register https://127.0.0.1:1/callback for it at Sage" in refused.err) == (2, True)


def test_nobody_comes(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "PATIENCE", 0.5)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        shown = tieout("connect", "us", "--simulator", running.url, "--listen", "--json")
    assert (shown.code, shown.json["reason"]) == (3, "expired")
    assert opened
    assert "state=" not in opened[0]
    assert tieout("connect", "--json").json == []  # nothing is left of it
