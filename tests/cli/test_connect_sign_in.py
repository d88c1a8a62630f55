"""`tieout connect --sign-in`: the address is shown, a person signs in, and what the browser ended at is pasted."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Shown
from tests.connections.support import come_back
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.simulator.app import SimulatorThread
from tieout.simulator.server import Simulator
from tieout.store import open_store

URL = re.compile(r"http://127\.0\.0\.1:\d+/ia/api/v1/oauth2/authorize\?\S+")


@pytest.fixture(scope="module")
def sage() -> Iterator[tuple[Simulator, str]]:
    with Simulator("empty", switches={"rotation": "strict"}) as simulator, SimulatorThread(simulator) as running:
        yield simulator, running.url


class Paster(io.StringIO):
    """Standard input of somebody who opens the address that was printed and pastes where the browser ended."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        super().__init__()
        self._answer = answer

    def readline(self, *_: object) -> str:
        said = sys.stderr.getvalue()  # type: ignore[attr-defined]  # pytest's capture
        found = URL.findall(said)
        return self._answer(found[-1]) + "\n"


class Desk:
    """A person, a browser and a command line."""

    def __init__(self, tieout: Run, simulator: Simulator, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tieout, self.simulator, self.url, self._monkeypatch = tieout, simulator, url, monkeypatch
        self.answers: list[str] = []

    def connect(self, name: str, *more: str, user: str = "admin", allow: bool = True) -> Shown:
        """Sign in by browser; nothing printed holds what came back."""

        def answer(url: str) -> str:
            self.answers.append(come_back(self.simulator, url, user, allow=allow))
            return self.answers[-1]

        return self.pasting(answer, name, *more)

    def pasting(self, answer: Callable[[str], str], name: str, *more: str) -> Shown:
        self._monkeypatch.setattr(sys, "stdin", Paster(answer))
        shown = self.tieout("connect", name, "--simulator", self.url, "--sign-in", *more)
        for told in self.answers:
            code = re.findall(r"code=([^&]+)", told)
            assert not [secret for secret in code if secret in shown.out + shown.err]
        return shown


@pytest.fixture
def desk(tieout: Run, sage: tuple[Simulator, str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tieout, *sage, monkeypatch)


def test_a_paste_connects_and_the_connection_works(desk: Desk) -> None:
    shown = desk.connect("us", "--user", "admin@demo", "--entity", "E110")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("connected us: admin@demo, entity E110 (a simulator at ")
    assert "paste it here" in shown.err
    assert desk.tieout("query", "vendors", "--count").code == 0
    assert desk.tieout("connections", "--json").json[0]["kind"] == "authorization_code"


def test_the_facts_as_json(desk: Desk) -> None:
    shown = desk.connect("us", "--json")
    assert (shown.code, shown.json["user"], shown.json["also"]) == (0, "admin", [])
    wrong = desk.connect("ca", "--json", "--user", "us@demo")
    assert (wrong.code, wrong.json["reason"]) == (3, "wrong_user")


def test_denied_and_pasted_nonsense(desk: Desk) -> None:
    denied = desk.connect("us", allow=False)
    assert denied.code == 3
    assert "it was denied on the sign-in page" in denied.err
    nonsense = desk.pasting(lambda _: "https://example.com/", "us")
    assert (nonsense.code, "not what Sage Intacct sends a browser back with" in nonsense.err) == (3, True)
    nothing = desk.pasting(lambda _: "", "us")
    assert (nothing.code, "Nobody pasted" in nothing.err) == (2, True)


def test_a_sign_in_that_nobody_finished_leaves_no_application_behind(desk: Desk) -> None:
    assert desk.pasting(lambda _: "", "us").code == 2
    assert desk.tieout("app", "--json").json == []
    assert desk.connect("us").code == 0
    assert [app["name"] for app in desk.tieout("app", "--json").json] == ["simulator"]
    assert desk.pasting(lambda _: "", "us").code == 2
    assert [app["name"] for app in desk.tieout("app", "--json").json] == ["simulator"]


def test_an_entity_that_the_user_may_not_enter_is_told_at_once(desk: Desk) -> None:
    shown = desk.connect("us", "--user", "ca@demo", "--entity", "E110", user="ca")
    assert (shown.code, shown.out) == (2, "")
    assert "There is no entity 'E110'." in shown.err
    assert "ca sees: E120." in shown.err
    assert "`tieout connections add us --like us --entity ID`" in shown.err
    assert desk.tieout("connections", "add", "us", "--like", "us", "--entity", "E120").code == 0
    assert desk.tieout("connections", "--json").json[0]["entity"] == "E120"
    assert desk.tieout("query", "vendors", "--count").code == 0


def test_one_user_under_two_labels_is_not_shared(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.tieout("connect", "us", "--simulator", desk.url, "--user", "us@demo").code == 0
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    monkeypatch.setenv("TIEOUT_CLIENT_SECRET", "demo-secret")
    assert desk.tieout("app", "new", "acme", "--client-id", "demo-client", "--scope", "non-production").code == 0
    shown = desk.tieout("connect", "box", "--app", "acme", "--base-url", desk.url, "--user", "us@demo", "--sign-in")
    assert (shown.code, "us@demo works already, for us, which is not labelled sandbox" in shown.err) == (2, True)
    assert [one["name"] for one in desk.tieout("connections", "--json").json] == ["us"]


def test_a_user_that_works_already_is_shared_not_signed_in_again(desk: Desk) -> None:
    assert desk.connect("us", "--user", "us@demo", user="us").code == 0
    refused = desk.connect("ca", "--user", "us@demo", user="us")
    assert refused.code == 2
    assert "us@demo works already, for us: a Sage user can be signed in once" in refused.err
    assert "tieout connections add ca --like us" in refused.err
    assert not URL.search(refused.err)
    again = desk.connect("us", user="us")  # its own grant: no trap
    assert (again.code, desk.tieout("query", "vendors", "--count").code) == (0, 0)


def test_client_credentials_take_along_who_works_as_that_user(desk: Desk) -> None:
    assert desk.connect("us").code == 0
    assert desk.connect("eu").code == 0
    shown = desk.tieout("connect", "us", "--simulator", desk.url)
    assert shown.out.splitlines()[1] == "also goes on with these credentials: eu"
    assert desk.tieout("connect", "us", "--simulator", desk.url, "--json").json["also"] == ["eu"]


def test_a_registered_application_by_client_credentials(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        apps = Connections(store, Vault(Keys(tmp_path))).apps
        apps.draft("main", scope="production")
        apps.approve("main", "demo-client", "demo-secret")
    options = ("--app", "main", "--user", "admin@demo", "--base-url", desk.url)
    shown = desk.tieout("connect", "us", *options)
    assert (shown.code, desk.tieout("query", "vendors", "--count").code) == (0, 0), shown.err
    refused = desk.tieout("connect", "box", *options, "--environment", "sandbox")
    assert (refused.code, "has the scope production" in refused.err) == (2, True)
    missing = desk.tieout("connect", "box", "--sign-in")
    assert (missing.code, "needs an application" in missing.err) == (2, True)


def test_options_that_belong_together(tieout: Run) -> None:
    for option in (("--port", "8766"), ("--no-browser",)):
        assert "go with --listen" in tieout("connect", "us", "--sign-in", *option).err


# On a terminal.


class Terminal:
    """A command line that a person sits at."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIEOUT_")}
        self.master, slave = pty.openpty()
        self.running = subprocess.Popen(
            [sys.executable, "-m", "tieout", *arguments],
            cwd=folder,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.said = ""

    def until(self, words: str) -> str:
        """What was said up to these words, which come next."""
        while words not in self.said:
            ready, _, _ = select.select([self.master], [], [], 60)
            try:
                heard = os.read(self.master, 4096) if ready else b""
            except OSError:  # the end, on Linux
                heard = b""
            assert heard, f"{words!r} was never said:\n{self.said}"
            self.said += heard.decode()
        before, _, self.said = self.said.partition(words)
        return before

    def type(self, text: str) -> None:
        os.write(self.master, text.encode() + b"\n")

    def end(self) -> int:
        code = self.running.wait(30)
        os.close(self.master)
        return code


def test_a_person_is_asked_and_advised(sage: tuple[Simulator, str], tmp_path: Path) -> None:
    simulator, url = sage
    first = Terminal(tmp_path, "connect", "us", "--simulator", url, "--sign-in")
    first.until("): ")
    first.type("us@demo")
    found = URL.search(first.until("paste it here"))
    assert found is not None
    first.until("Address: ")
    first.type("nonsense")
    first.until("not what Sage Intacct")
    first.until("Address: ")
    answer = come_back(simulator, found[0], "us")
    first.type(answer)
    assert answer not in first.until("connected us: us@demo")  # not shown while it is pasted
    assert first.end() == 0
    second = Terminal(tmp_path, "connect", "ca", "--simulator", url, "--sign-in", "--entity", "E110")
    second.until("): ")
    second.type("us@demo")
    assert "Share the sign-in of us" in second.until("]: ")
    second.type("1")
    second.until("connected ca: us@demo, entity E110")
    second.until("also goes on with this sign-in: us")
    assert second.end() == 0
