"""Secrets that cannot be mistaken are planted in a whole story of real processes, and searched for wherever it left
something: output, files, the state database, process lists, and what public objects and tracebacks show.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from tests.cli.terminal import at_terminal
from tests.simulator.browser import Application, control
from tieout.connections import Connections, SignInError
from tieout.errors import TieoutError
from tieout.simulator import Simulator, server
from tieout.simulator.app import SimulatorThread
from tieout.simulator.clients import Client
from tieout.simulator.http import Request

BACK = "https://127.0.0.1:8766/callback"
PROJECT = """
[pull.vendors]
object = "vendors"
connection = "ws"
destination = "duckdb:///company.duckdb"

[push.customers]
object = "customers"
connection = "ws"
source = "customers.jsonl"
"""
OURS = {"company.duckdb", "customers.jsonl"}
"""Files of the story that hold the user's own data, because they are for it."""


class Planted:
    """The secrets, by what they are. Tokens join as they are issued."""

    def __init__(self) -> None:
        mark = secrets.token_hex(6)
        self.all: dict[str, str] = {
            "client secret": f"pl4nted-client-{mark}",
            "wrong secret": f"pl4nted-wrong-{mark}",
            "sender password": f"pl4nted-sender-{mark}",
            "webhook secret": f"pl4nted-webhook-{mark}",
            "master key": secrets.token_hex(32),
            "tax number": f"987-65-{mark}",
        }

    def forms(self) -> Iterator[tuple[str, str, bytes]]:
        """Every secret as it could stand somewhere: plain, hex, percent-encoded, base64 at each alignment."""
        for what, secret in self.all.items():
            data = secret.encode()
            yield what, "plain", data
            yield what, "hex", data.hex().encode()
            yield what, "percent", quote(secret, safe="").encode()
            for shift in range(3):
                encoded = base64.b64encode(b"\0" * shift + data).rstrip(b"=")
                yield what, "base64", encoded[4 * (shift > 0) : -2]
        raw = bytes.fromhex(self.all["master key"])
        yield "master key", "bytes", raw
        yield "master key", "base64", base64.b64encode(raw)

    def found_in(self, text: str | bytes) -> set[tuple[str, str]]:
        data = text.encode() if isinstance(text, str) else text
        return {(what, form) for what, form, value in self.forms() if value in data}


class Story:
    """A project folder, its processes, and all that they showed."""

    def __init__(self, root: Path, url: str, planted: Planted) -> None:
        self.root, self.url, self.planted = root, url, planted
        self.temp = root.parent / "temp"
        for folder in (root, self.temp):
            folder.mkdir()
        (root / "tieout.toml").write_text(PROJECT)
        self.shown: dict[str, str] = {}
        self.arguments: set[bytes] = set()
        self.codes: dict[str, int] = {}
        key = planted.all["master key"]
        self.environment = {"TIEOUT_KEY": key, "TIEOUT_DEBUG": "1", "TMPDIR": str(self.temp), "HOME": str(root.parent)}

    def run(self, *arguments: str, **variables: str) -> int:
        """One command in a process of its own, whose arguments everybody on the machine can read."""
        child = subprocess.Popen(
            [sys.executable, "-m", "tieout", *arguments],
            cwd=self.root,
            env=os.environ | self.environment | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        out: bytes | None = None
        while out is None:  # also when it has ended meanwhile: what it said last counts
            self._look_at_processes()
            try:
                out, _ = child.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                continue
        self.shown[" ".join(arguments)] = self.shown.get(" ".join(arguments), "") + out.decode()
        self.codes[" ".join(arguments)] = child.returncode
        return child.returncode

    def _look_at_processes(self) -> None:
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.arguments.add(file.read_bytes())
            except OSError:
                continue  # it has ended

    def left_behind(self) -> dict[str, bytes]:
        """What the processes wrote into files: state, logs, exports, dumps of bugs."""
        files = [*self.root.rglob("*"), *self.temp.rglob("*")]
        return {str(file): file.read_bytes() for file in files if file.is_file() and file.name not in OURS}


@pytest.fixture
def planted() -> Planted:
    return Planted()


@pytest.fixture
def simulator(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """With an application of our own, and every token that it gives out known."""
    answer = server.oauth.answer

    def listening(simulator: Any, request: Any) -> Any:
        reply = answer(simulator, request)
        if reply is not None and b"access_token" in reply.body:
            for what, value in reply.json().items():
                if what in ("access_token", "refresh_token"):
                    planted.all[f"{what} {len(planted.all)}"] = value
        return reply

    monkeypatch.setattr(server.oauth, "answer", listening)
    with Simulator("empty", switches={"rotation": "strict"}) as running:
        secret = planted.all["client secret"]
        running.set_client(Client(id="planted-client", secret=secret, redirect_uris=(BACK,), sender="demo-sender"))
        yield running


def sign_in(connections: Connections, simulator: Simulator, url: str, planted: Planted) -> list[TieoutError]:
    """A sign-in by browser, and one that fails for each reason -> the errors."""
    failed: list[TieoutError] = []
    for user, decision, again in (("ca", "allow", True), ("us", "deny", False), ("us", "forged", False)):
        begun = connections.sign_ins.begin(
            f"by-{user}", app="main", environment="simulator", base_url=url, promised_user=user
        )
        assert not planted.found_in(repr(begun))
        asked = dict(parse_qsl(urlsplit(begun.url).query))
        planted.all[f"state {len(planted.all)}"] = asked["state"]
        browser = Application(simulator, client="planted-client", user=user, asked=asked)
        page = browser.submit(browser.consent(), decision="allow" if decision == "forged" else decision)
        back = page.headers["location"]
        came = dict(parse_qsl(urlsplit(back).query))
        if "code" in came:
            planted.all[f"code {len(planted.all)}"] = came["code"]
        if decision == "forged":
            back = back.replace(came["code"], came["code"] + "x")
        for _ in range(1 + again):
            try:
                finished = connections.sign_ins.finish(back)
                assert not planted.found_in(repr(finished))
            except SignInError as error:
                failed.append(error)
    assert [getattr(error, "reason", "") for error in failed] == ["used", "denied", "code_refused"]
    return failed


def told(error: BaseException) -> str:
    """All that an error reporter would send: words, facts, and the locals of every frame of ours and of libraries."""
    facts = error.to_dict() if isinstance(error, TieoutError) else {}
    frames = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    # The test's own frames hold what they planted.
    ours = re.split(r'(?m)^  File "[^"]*test_planted_secrets.py".*\n(?:    .*\n)*', frames)
    return f"{error} {error!r} {facts} {''.join(ours)}"


def failures(connections: Connections, simulator: Simulator) -> Iterator[TieoutError]:
    """Calls over connections whose tokens are spent, that fail in each way."""
    ways: tuple[Mapping[str, Any], ...] = (
        {"path": "*/oauth2/token", "status": 503},
        {"path": "*/oauth2/token", "status": 401},
        {"path": "*/company-config/*", "status": 401},
        {"path": "*/company-config/*", "status": 403},
        {"path": "*/company-config/*", "connection": "reset"},
    )
    for way in ways:
        control(simulator, "faults", way)
        for name in ("ws", "by-ca"):
            with connections.store.begin() as transaction:
                transaction.exec_driver_sql("update grants set retry_after = null, failures = 0, lease_until = null")
                if "token" in way["path"]:
                    transaction.exec_driver_sql("update tokens set expires_at = 1")
            try:
                with connections.open(name).within(3) as client:
                    client.references("company-config/entity")
            except TieoutError as error:
                yield error
        simulator.handle(Request.of("DELETE", "/_simulator/faults"))


def commands(story: Story, planted: Planted) -> None:
    """The story itself: connected by environment and at a prompt, used, failed, killed."""
    known = {"TIEOUT_CLIENT_ID": "planted-client", "TIEOUT_CLIENT_SECRET": planted.all["client secret"]}
    where = ("--base-url", story.url)
    drafted = ("--terms-url", "https://e.example/terms", "--sender-id", "acme", "--scope", "non-production")
    given = {**known, "TIEOUT_SENDER_PASSWORD": planted.all["sender password"]}
    client = ("--client-id", "planted-client", "--submitted")
    assert story.run("app", "new", "main", "--redirect-uri", BACK, *drafted, *client, **given) == 0
    assert story.run("connect", "ws", *where, "--user", "admin@demo", "--environment", "sandbox", **known) == 0
    wrong = known | {"TIEOUT_CLIENT_SECRET": planted.all["wrong secret"]}
    assert story.run("connect", "wrong", *where, "--user", "admin@demo", "--environment", "sandbox", **wrong) == 3
    code, screen = at_terminal(
        ["connect", "typed", *where, "--user", "us@demo", "--environment", "sandbox"],
        [("Client secret:", planted.all["client secret"])],
        folder=story.root,
        environment=story.environment | {"TIEOUT_CLIENT_ID": "planted-client"},
    )
    assert code == 0, screen
    story.shown["typed"] = screen
    tax = planted.all["tax number"]
    customers = [f'{{"id": "C-{n}", "name": "C {n}", "taxId": "{tax}"}}\n' for n in (1, 2)]
    bad = f'{{"id": "C-3", "name": "C 3", "taxId": "{tax}", "term": {{"id": "NO-SUCH-TERM"}}}}\n'
    (story.root / "customers.jsonl").write_text("".join([*customers, bad]))
    assert story.run("push", "customers", TIEOUT_CRASH_AT="push.after_ledger_write") == -9
    story.run("push", "customers", "--json")
    for line in ("pull", "failed --json", "query vendros -c ws", "log --json", "doctor ws", "app show main --json"):
        story.run(*line.split())
    for line in ("audit --export audit.jsonl", "connections revoke typed --yes --json"):
        assert story.run(*line.split()) == 0, story.shown[line]
    assert story.run("query", "vendors", "-c", "ws", TIEOUT_KEY="ab" * 32) == 2


def test_no_process_leaves_a_secret_anywhere(planted: Planted, simulator: Simulator, tmp_path: Path) -> None:
    with SimulatorThread(simulator) as running:
        story = Story(tmp_path / "project", running.base_url, planted)
        commands(story, planted)
    assert [what for what in planted.all if "token" in what], "the story took no tokens"
    assert not {what: found for what, text in story.shown.items() if (found := planted.found_in(text))}
    assert not {name: found for name, data in story.left_behind().items() if (found := planted.found_in(data))}
    assert not [line for line in story.arguments if planted.found_in(line)]


@pytest.mark.usefixtures("impatient")
def test_no_object_error_or_traceback_shows_a_secret(
    planted: Planted, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error reporter that sends the locals of every frame sends none."""
    monkeypatch.setenv("TIEOUT_KEY", planted.all["master key"])
    with SimulatorThread(simulator) as running, Connections.at(f"sqlite:///{tmp_path / 'tieout.db'}") as connections:
        connections.webhooks.set("https://127.0.0.1:1/hook", planted.all["webhook secret"], allow_local=True)
        connections.apps.draft("main", redirect_uris=[BACK], scope="non-production")
        connections.apps.approve("main", "planted-client", planted.all["client secret"])
        connections.add_client_credentials(
            "ws", app="main", user="admin", company="demo", base_url=running.base_url, environment="simulator"
        )
        errors: list[BaseException] = list(sign_in(connections, simulator, running.base_url, planted))
        errors += failures(connections, simulator)
        client = connections.open("ws")
        shown = [connections, connections.vault, *connections.all(), *connections.apps.all(), connections.webhooks]
        shown += [connections.webhooks.get(), connections.tokens(connections.get("ws")), *connections.audit.entries()]
        shown += [client, client.log, client.memory, vars(client)]
        client.close()
    assert len(errors) >= 9, "hardly anything failed"
    assert len([what for what in planted.all if "token" in what]) >= 4, "the story took no tokens"
    assert not {type(each).__name__: found for each in shown if (found := planted.found_in(f"{each!r} {each}"))}
    assert not {repr(error)[:200]: found for error in errors if (found := planted.found_in(told(error)))}
    database = b"".join(file.read_bytes() for file in tmp_path.glob("tieout.db*"))
    assert not planted.found_in(database)


def test_the_search_finds_what_it_is_for(planted: Planted) -> None:
    """A search that finds nothing proves nothing unless it can find."""
    secret = planted.all["client secret"]
    for hidden in (
        f"x{secret}y".encode(),
        base64.b64encode(f"user:{secret}".encode()),
        base64.b64encode(f"ab{secret}z".encode()),
        secret.encode().hex().encode(),
        bytes.fromhex(planted.all["master key"]),
    ):
        assert planted.found_in(hidden)
    try:
        secret_in_a_frame(secret)
    except TieoutError as error:
        leaked = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert planted.found_in(leaked)


def secret_in_a_frame(secret: str) -> None:
    raise TieoutError("nothing secret in these words")
