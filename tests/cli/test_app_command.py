"""`tieout app`: an application is registered at a terminal or by options, and no secret is seen anywhere."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.terminal import at_terminal

LOOPBACK = "https://127.0.0.1:8766/callback"
BY_OPTIONS = ("--scope", "production", "--sender-id", "acme", "--terms-url", "https://acme.example/terms")


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    value = secrets.token_hex(32)
    monkeypatch.setenv("TIEOUT_KEY", value)
    return value


@pytest.mark.usefixtures("key")
def test_a_registration_at_a_terminal_goes_on_where_it_stopped(tieout: Run, tmp_path: Path) -> None:
    first = [
        ("[unattended]:", ""),
        ("Name:", "Acme Sync"),
        ("Sender ID:", "acme"),
        ("Client scope:", "neither"),
        ("Client scope:", "2"),
        (f"[{LOOPBACK}]:", "http://acme.example/back"),
        (f"[{LOOPBACK}]:", f"{LOOPBACK} https://acme.example/back"),
        ("Allowed origin domains:", ""),
        ("Terms URL:", "acme.example"),
        ("Terms URL:", "https://acme.example/terms"),
        ("Sender password:", "planted-sender-password"),
        ("[y/N]:", "n"),
    ]
    code, shown = at_terminal(["app", "new"], first, folder=tmp_path)
    assert code == 0
    assert "http://acme.example/back must begin with https://." in shown
    assert "acme.example is not a whole URL" in shown
    assert "can never be changed" in shown
    assert "planted" not in shown
    app = tieout("app", "show", "Acme Sync", "--json").json
    assert (app["state"], app["scope"], app["sender_id"]) == ("draft", "non-production", "acme")
    assert app["redirect_uris"] == [LOOPBACK, "https://acme.example/back"]
    assert app["has_sender_password"]

    again = [("[y/N]:", "y"), ("[y/N]:", "y"), ("Client ID:", "id-77"), ("Client secret:", "planted-client-secret")]
    code, shown = at_terminal(["app", "new", "Acme Sync"], again, folder=tmp_path)
    assert code == 0
    assert "Sender ID: " not in shown, "what is known is not asked again"
    assert "Authorized client applications   id-77" in shown
    sandbox = "tieout connect us --app 'Acme Sync' --environment sandbox"
    assert sandbox in shown, "the scope is not for the default environment"
    assert "planted" not in shown
    app = tieout("app", "show", "Acme Sync", "--json").json
    assert (app["state"], app["client_id"], app["has_secret"]) == ("approved", "id-77", True)
    assert b"planted" not in (tmp_path / "tieout.db").read_bytes()


@pytest.mark.usefixtures("key")
def test_a_walk_that_was_broken_off_kept_each_answer(tieout: Run, tmp_path: Path) -> None:
    code, shown = at_terminal(
        ["app", "new", "acme"],
        [("[unattended]:", "people"), ("Sender ID:", "acme"), ("Client scope:", "\x04")],
        folder=tmp_path,
    )
    assert code == 130
    assert "Traceback" not in shown
    assert tieout("app", "show", "acme", "--json").json["sender_id"] == "acme"


@pytest.mark.usefixtures("key")
def test_everything_by_options_and_the_environment(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    drafted = tieout("app", "new", "acme", *BY_OPTIONS)
    assert drafted.code == 0
    assert "Nothing is missing" in drafted.err
    assert tieout("app", "new", "acme", "--submitted", "--json").json["state"] == "submitted"
    monkeypatch.setenv("TIEOUT_CLIENT_SECRET", "planted-secret")
    approved = tieout("app", "new", "acme", "--client-id", "id-1")
    assert (approved.code, "planted" in approved.out + approved.err) == (0, False)
    listed = tieout("app").table()
    assert listed[1] == ["acme", "approved", "production", "id-1", "acme", "1 of 5"]
    assert tieout("app", "show", "acme", "--json").json["redirect_uris"] == [LOOPBACK], "as `connect --listen` needs it"


@pytest.mark.usefixtures("key")
def test_the_scope_stays_and_a_draft_says_what_is_missing(tieout: Run) -> None:
    shown = tieout("app", "new", "acme", "--scope", "production")
    assert "Still missing: Sender ID, Terms URL." in shown.err
    other = tieout("app", "new", "acme", "--scope", "non-production")
    assert other.code == 2
    assert "cannot be changed" in other.err
    early = tieout("app", "new", "acme", "--submitted")
    assert early.code == 2
    assert "sender_id: is missing" in early.err


@pytest.mark.usefixtures("key")
def test_one_that_was_registered_before_needs_its_scope_and_ids_alone(
    tieout: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_CLIENT_SECRET", "planted-secret")
    assert tieout("app", "new", "old", "--client-id", "id-1").code == 2
    assert tieout("app", "new", "old", "--client-id", "id-1", "--scope", "production").code == 0
    assert tieout("app", "show", "old", "--json").json["state"] == "approved"


@pytest.mark.usefixtures("key")
def test_a_secret_is_never_an_argument_and_asked_by_name_where_nobody_sits(tieout: Run) -> None:
    tieout("app", "new", "acme", *BY_OPTIONS)
    refused = tieout("app", "new", "acme", "--client-id", "id-1")
    assert refused.code == 2
    assert "TIEOUT_CLIENT_SECRET" in refused.err
    assert tieout("app", "new", "acme", "--client-secret", "x").code == 2
    assert tieout("app", "secret", "acme").code == 2, "before the client id there is none to change"


@pytest.mark.usefixtures("key")
def test_a_new_secret_and_forgetting(tieout: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_CLIENT_SECRET", "first")
    tieout("app", "new", "acme", "--client-id", "id-1", "--scope", "production")
    monkeypatch.delenv("TIEOUT_CLIENT_SECRET")
    code, shown = at_terminal(["app", "secret", "acme"], [("New client secret:", "planted-second")], folder=tmp_path)
    assert (code, "planted" in shown) == (0, False)
    from tieout.connections import open_connections
    from tieout.project import load

    connections = open_connections(load())
    assert connections.apps.credentials("acme") == ("id-1", "planted-second")
    connections.store.close()
    assert tieout("app", "remove", "acme").code == 0
    assert tieout("app", "--json").json == []


def test_without_a_master_key_nobody_types_a_secret_in_vain(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIEOUT_KEY", raising=False)
    refused = tieout("app", "new", "acme", *BY_OPTIONS)
    assert refused.code == 2
    assert "master key" in refused.err


def test_looking_makes_no_database(tieout: Run, tmp_path: Path) -> None:
    shown = tieout("app")
    assert (shown.code, shown.out) == (0, "")
    assert "tieout app new" in shown.err
    assert not list(tmp_path.iterdir())


def test_dotenv_brings_secrets_and_the_environment_wins(
    tieout: Run, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIEOUT_KEY")
    file = tmp_path / ".env"
    file.write_text(f"TIEOUT_KEY={key}\nexport TIEOUT_CLIENT_SECRET='of # the file'  # a remark\n")
    file.chmod(0o600)
    made = tieout("app", "new", "acme", "--client-id", "id-1", "--scope", "production")
    assert (made.code, "can read" in made.err) == (0, False)
    assert "TIEOUT_CLIENT_SECRET" not in os.environ, "what the file said ends with the command"
    monkeypatch.setenv("TIEOUT_KEY", secrets.token_hex(32))
    other = tieout("app", "secret", "acme")
    assert other.code == 2
    assert "encrypted with another master key" in other.err, "the environment's key, which did not seal it"
    monkeypatch.setenv("TIEOUT_KEY", key)
    from tieout.connections import open_connections
    from tieout.project import load

    connections = open_connections(load())
    assert connections.apps.credentials("acme") == ("id-1", "of # the file")
    connections.store.close()


def test_an_open_dotenv_is_told_and_a_broken_one_refused(tieout: Run, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=1\n")
    file.chmod(0o644)
    shown = tieout("app")
    assert shown.code == 0
    assert "chmod 600 .env" in shown.err
    file.write_text("A=1\nplanted-secret without a name\n")
    shown = tieout("app")
    assert shown.code == 2
    assert "Line 2" in shown.err
    assert "planted" not in shown.err
