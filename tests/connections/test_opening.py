"""From a project, or from the environment, to a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.connections import connect, find, open_connections
from tieout.errors import ConfigurationError, NotAuthorisedError, StoreError, UnknownNameError
from tieout.project import Project, load
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

ENTITY = "company-config/entity"


@pytest.fixture
def url(simulator: Simulator) -> Iterator[str]:
    with SimulatorThread(simulator) as running:
        yield running.url


def project(folder: Path, text: str = "") -> Project:
    (folder / "tieout.toml").write_text(text)
    return load(folder)


def add(place: Project, name: str, url: str, entity: str | None = None) -> None:
    connections = open_connections(place)
    try:
        connections.add_simulator(name, url, entity)
    finally:
        connections.store.close()


def environment(monkeypatch: pytest.MonkeyPatch, url: str, **more: str) -> None:
    given = {"CLIENT_ID": "demo-client", "CLIENT_SECRET": "demo-secret", "USER": "admin", "COMPANY": "demo"}
    for name, value in (given | {"BASE_URL": url} | more).items():
        monkeypatch.setenv(f"TIEOUT_{name}", value)


def test_the_only_connection_needs_no_name(tmp_path: Path, url: str) -> None:
    place = project(tmp_path)
    add(place, "demo", url)
    with connect(place) as client:
        assert "E110" in {reference.id for reference in client.references(ENTITY)}
    assert find(place).name == "demo"


def test_among_several_one_must_be_named(tmp_path: Path, url: str) -> None:
    place = project(tmp_path)
    add(place, "us", url, "E110")
    add(place, "ca", url, "E120")
    with pytest.raises(ConfigurationError, match=r"several connections: ca, us\. Say which one: --connection NAME"):
        connect(place)
    with connect(place, "ca") as client:
        assert client.entity == "E120"


def test_nothing_connected_names_the_next_command_and_makes_no_database(tmp_path: Path) -> None:
    place = project(tmp_path)
    with pytest.raises(NotAuthorisedError, match=r"Nothing is connected yet\. Run `tieout connect NAME`"):
        connect(place)
    with pytest.raises(NotAuthorisedError, match="tieout connect us"):
        find(project(tmp_path, "[connections.us]\n"))
    assert [path.name for path in tmp_path.iterdir()] == ["tieout.toml"]


def test_a_connection_that_the_file_names_but_nobody_made(tmp_path: Path, url: str) -> None:
    place = project(tmp_path, "[connections.us]\n[connections.ca]\n")
    with pytest.raises(NotAuthorisedError, match=r"'us' is not connected yet\. Run `tieout connect us`"):
        connect(place, "us")
    add(place, "ca", url)
    with pytest.raises(NotAuthorisedError, match=r"'us' is not connected yet"):
        connect(place, "us")


def test_a_wrong_name_gets_the_nearest(tmp_path: Path, url: str) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean main"):
        connect(project(tmp_path, "[connections.main]\n"), "mian")
    place = project(tmp_path)
    add(place, "demo", url)
    with pytest.raises(UnknownNameError, match="Did you mean demo"):
        connect(place, "dmeo")


@pytest.mark.parametrize(
    ("label", "asked", "expected"),
    [
        ("", None, "E110"),
        ('entity = "E120"', None, "E120"),
        ('entity = "E120"', "E130", "E130"),
        ('entity = "E120"', "", None),
        ('entity = ""', None, None),
    ],
)
def test_whose_entity_counts(tmp_path: Path, url: str, label: str, asked: str | None, expected: str | None) -> None:
    place = project(tmp_path, f"[connections.demo]\n{label}\n")
    add(place, "demo", url, "E110")
    with connect(place, entity=asked) as client:
        assert client.entity == expected
    assert find(place, entity=asked).entity == expected


def test_a_label_that_nobody_knows_is_refused(tmp_path: Path, url: str) -> None:
    place = project(tmp_path, '[connections.demo]\nenvironment = "prod"\n')
    add(place, "demo", url)
    with pytest.raises(ConfigurationError, match=r"connections\.demo\.environment"):
        connect(place)


def test_a_label_that_contradicts_the_connection_is_refused(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    place = project(tmp_path, '[connections.x]\nenvironment = "production"\n')
    connections = open_connections(place)
    credentials = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}
    connections.add_client_credentials("x", **credentials, base_url=url, environment="sandbox")
    connections.store.close()
    with pytest.raises(ConfigurationError, match=r"\[connections\.x\] says production, .* made as sandbox"):
        connect(place)


def test_without_a_project_the_environment_is_enough_and_nothing_is_written(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment(monkeypatch, url, ENTITY="E110")
    with connect(load()) as client:
        assert client.entity == "E110"
        assert client.references(ENTITY)
    with connect(load(), entity="") as client:
        assert client.entity is None
    found = find(load())
    assert (found.company, found.environment, found.entity, found.is_simulator) == ("demo", "simulator", "E110", True)
    assert list(tmp_path.iterdir()) == []


def test_with_a_project_its_connection_goes_before_the_environment(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = project(tmp_path)
    environment(monkeypatch, url, ENTITY="E120")
    with connect(place) as client:
        assert client.entity == "E120"
    add(place, "demo", url, "E110")
    with connect(place) as client:
        assert client.entity == "E110"


def test_credentials_that_are_incomplete_name_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIEOUT_CLIENT_ID", "c")
    for ask in (connect, find):
        with pytest.raises(NotAuthorisedError, match="TIEOUT_CLIENT_SECRET, TIEOUT_USER, TIEOUT_COMPANY not set"):
            ask(load())


def test_a_broken_state_database_is_its_own_error(tmp_path: Path) -> None:
    (tmp_path / "tieout.db").write_text("not a database, a letter" * 100)
    with pytest.raises(StoreError, match="not a tieout state database"):
        connect(project(tmp_path))


def test_the_state_database_is_closed_with_the_client(tmp_path: Path, url: str) -> None:
    place = project(tmp_path)
    add(place, "demo", url)
    with connect(place) as client:
        client.references(ENTITY)
        assert (tmp_path / "tieout.db-wal").exists()
    assert not (tmp_path / "tieout.db-wal").exists()
