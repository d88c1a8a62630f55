"""A connection that may only read, or only write what a list allows: refused before anything is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tieout import push
from tieout.connections import connect, open_connections
from tieout.errors import ConfigurationError
from tieout.project import Project, load
from tieout.rest import Intacct
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

PUSH = """
[push.customers]
object = "customers"
source = "customers.jsonl"
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Path, Simulator]]:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        connections = open_connections(project(tmp_path, ""))
        connections.add_simulator("us", running.url)
        connections.store.close()
        yield tmp_path, simulator


def project(root: Path, rule: str) -> Project:
    (root / "tieout.toml").write_text(f"[connections.us]\n{rule}\n{PUSH}")
    return load(root)


def write(client: Intacct, what: str) -> Any:
    match what:
        case "create":
            return client.create("customers", {"id": "A", "name": "A"})
        case "update":
            return client.update("customers", "1", {"name": "B"})
        case "delete":
            return client.delete("customers", "1")
        case "batch":
            return client.create_many("customers", [{"id": "A", "name": "A"}]).raise_if_any()
        case "action":
            return client.action("bills", "1", "submit")
    return client.raw("POST", "/services/core/composite", body=[])


@pytest.mark.parametrize("what", ["create", "update", "delete", "batch", "action", "raw"])
def test_nothing_is_written_over_a_read_only_connection(place: tuple[Path, Simulator], what: str) -> None:
    root, _ = place
    with connect(project(root, "read_only = true")) as client:
        assert list(client.query("customers", ["id"])) == []
        with pytest.raises(ConfigurationError, match="read-only"):
            write(client, what)
        assert {tried.method for tried in client.log.search() if "/services/core/query" not in tried.path} <= {"GET"}


@pytest.mark.parametrize(
    ("allowed", "what", "passes"),
    [
        ('["accounts-receivable/customer:create"]', "create", True),
        ('["customers:create"]', "create", True),
        ('["customers:create"]', "batch", True),
        ('["customers:create"]', "delete", False),
        ('["customers:*"]', "action", False),
        ('["*:delete"]', "create", False),
        ('["accounts-receivable/*:create"]', "create", True),
        ("[]", "create", False),
        ('["services/core/composite:*"]', "create", False),
    ],
)
def test_only_what_the_list_allows_is_written(
    place: tuple[Path, Simulator], allowed: str, what: str, passes: bool
) -> None:
    root, _ = place
    with connect(project(root, f"allow = {allowed}")) as client:
        if passes:
            assert write(client, what) is not False
        else:
            with pytest.raises(ConfigurationError, match="does not allow"):
                write(client, what)


def test_in_an_entity_the_same_rule_holds(place: tuple[Path, Simulator]) -> None:
    root, _ = place
    with connect(project(root, "read_only = true")) as client, pytest.raises(ConfigurationError, match="read-only"):
        write(client.with_entity("E110"), "create")


def test_a_push_is_refused_before_its_source_is_read(place: tuple[Path, Simulator]) -> None:
    root, _ = place
    refused = project(root, "read_only = true")
    with pytest.raises(ConfigurationError, match="create of accounts-receivable/customer was not sent"):
        push.push(refused, "customers")
    (root / "customers.jsonl").write_text('{"id": "A", "name": "A"}\n')
    assert push.push(refused, "customers", dry_run=True).ready == 1
    assert push.push(project(root, 'allow = ["customers:create"]'), "customers").posted == 1


@pytest.mark.parametrize("entry", ["customers", "customers:", ":create", "custommers:create"])
def test_an_entry_that_means_nothing_is_refused(place: tuple[Path, Simulator], entry: str) -> None:
    root, _ = place
    with pytest.raises(ConfigurationError, match="allow"):
        connect(project(root, f'allow = ["{entry}"]'))
