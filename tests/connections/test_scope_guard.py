"""An application for production and a company labelled sandbox, or the reverse, never meet; nor do environments in one
run. On SQLite: only rows are read by it."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.connections.support import Wire, one_database, signed_in
from tieout.connections import Connections
from tieout.errors import ConfigurationError
from tieout.project import load
from tieout.pull import pull
from tieout.simulator import Simulator
from tieout.store.access_tables import apps

GIVEN = {"user": "admin", "company": "demo"}


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return one_database(request, tmp_path)


@pytest.fixture(autouse=True)
def registered(connections: Connections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY", secrets.token_hex(32))
    for scope, client in (("production", "prod-client"), ("non-production", "demo-client")):
        connections.apps.draft(scope, redirect_uris=["https://127.0.0.1:4711/callback"], scope=scope)  # type: ignore[arg-type]
        connections.apps.approve(scope, client, "demo-secret")


@pytest.mark.parametrize(("app", "environment"), [("production", "sandbox"), ("non-production", "production")])
def test_an_application_of_the_other_kind_is_refused_before_anything_is_sent(
    connections: Connections, wire: Wire, simulator: Simulator, app: str, environment: str
) -> None:
    place = {"base_url": wire.origin, "environment": environment}
    with pytest.raises(ConfigurationError, match=f"has the scope {app} and cannot be used with a {environment}"):
        connections.add_client_credentials("x", app=app, **GIVEN, **place, transport=wire.transport)
    waiting = connections.prepare("y", **place)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        connections.sign_ins.begin("y", app=app, redirect_uri="https://127.0.0.1:4711/callback", **place)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        connections.land(waiting, signed_in(simulator), app=app)
    alone = {"client_id": "prod-client" if app == "production" else "demo-client", "client_secret": "demo-secret"}
    with pytest.raises(ConfigurationError, match=f"has the scope {app} and cannot be used with a {environment}"):
        connections.add_client_credentials("z", **alone, **GIVEN, **place, transport=wire.transport)
    assert wire.fetched == 0
    assert [(each.name, each.state) for each in connections.all()] == [("y", "unconnected")]


@pytest.mark.parametrize("environment", ["sandbox", "simulator"])
@pytest.mark.parametrize(
    "client", [{"app": "non-production"}, {"client_id": "demo-client", "client_secret": "demo-secret"}]
)
def test_an_application_of_the_right_kind_is_used_until_the_labels_part(
    connections: Connections, wire: Wire, environment: str, client: dict[str, str]
) -> None:
    place = {"base_url": wire.origin, "environment": environment}
    connections.add_client_credentials("x", **client, **GIVEN, **place, transport=wire.transport)
    connections.open("x", transport=wire.transport).close()
    with connections.store.begin() as transaction:
        transaction.execute(update(apps).where(apps.c.name == "non-production").values(scope="production"))
    if environment == "simulator":  # takes any
        connections.open("x", transport=wire.transport).close()
        return
    with pytest.raises(ConfigurationError, match="has the scope production and cannot be used with a sandbox company"):
        connections.open("x", transport=wire.transport)
    assert "cannot be used with a sandbox company" in connections.overview()[0].trouble


def test_a_run_that_mixes_environments_needs_to_be_told(connections: Connections, wire: Wire, tmp_path: Path) -> None:
    """The real one is never asked: the refusal comes first."""
    connections.add_simulator("try", wire.origin, transport=wire.transport)
    place = {"base_url": wire.origin, "environment": "sandbox", "app": "non-production"}
    connections.add_client_credentials("copy", user="us", company="demo", **place, transport=wire.transport)
    section = '[pull.{}]\nobject = "vendors"\nconnection = "{}"\ntable = "{}"\n'
    text = "".join(section.format(name, name, f"vendors_{name}") for name in ("try", "copy"))
    (tmp_path / "tieout.toml").write_text(f'[state]\nurl = "{connections.store.url}"\n{text}')
    project = load(tmp_path)
    with pytest.raises(
        ConfigurationError, match="would mix environments: copy is sandbox, try is simulator"
    ) as refused:
        pull(project)
    assert "--mix-environments" in refused.value.advice
    assert not (tmp_path / "company.duckdb").exists()
