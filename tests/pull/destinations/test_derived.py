"""Tables that are of no object, the files of attachments and reports, in every destination."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

import tieout
from tieout import Intacct
from tieout.project import Project
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.open import open_destination
from tieout.pull.reporting import Ask, keep
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.simulator import Simulator

REPORT = 'Trial balance,,,\n\nAccount,Title,Opening,Debit\n0100,Cash,"1,234.50",(12.00)\n0200,,0.00,\n'


@pytest.fixture(params=["duckdb", "sqlite", "postgresql", "parquet"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return f"{request.getfixturevalue('warehouse')}?schema={tmp_path.name}"
    return f"{request.param}:///company"


def held(to: Destination, table: str, *names: str) -> list[tuple[Any, ...]]:
    """Values of some columns of the live rows, by key."""
    state = to.state(table)
    assert state is not None
    columns = [column for name in names for column in state.columns if column.name == name]
    keys = [key for lot in to.keys(table) for key in lot]
    rows = to.rows(table, keys, columns)
    return [tuple(rows[key][column.path] for column in columns) for key in sorted(rows)]


def test_files_of_attachments_come_change_and_go(url: str, tmp_path: Path) -> None:
    with Simulator("empty") as simulator, tieout.simulated(simulator=simulator) as client:
        client.create("company-config/folder", {"id": "demo"})
        first, second = (attachment(client, id, f"{id}.txt") for id in ("A1", "A2"))
        attachments, files = fetch(tmp_path, url, client)
        to = open_destination(tmp_path, url)
        assert (attachments, files) == (2, 2)
        assert [row[1:] for row in held(to, "attachment_file", "path", "name", "size")] == [
            ("A1.txt", 2),
            ("A2.txt", 2),
        ]
        simulator.clock.advance(3600)
        more = {"name": "more.txt", "data": base64.b64encode(b"more").decode()}
        client.update("attachments", first, {"files": [more]})
        client.delete("attachments", second)
        assert fetch(tmp_path, url, client) == (1, 2)
        assert held(to, "attachment_file", "attachment__key", "name") == [(first, "A1.txt"), (first, "more.txt")]


def attachment(client: Intacct, id: str, name: str) -> str:
    file = {"name": name, "data": base64.b64encode(id.encode()).decode()}
    return client.create("attachments", {"id": id, "name": id, "folder": {"id": "demo"}, "files": [file]}).key


def fetch(root: Path, url: str, client: Intacct) -> tuple[int, int]:
    """Rows that came: attachments, files."""
    source = Source(client, "demo")
    (report,) = pull(Project(root), objects=["attachments"], destination=url, files="files", source=source)
    assert report.ties
    return report.rows_read, report.children[-1].rows_read


def test_a_report_takes_the_place_of_what_it_said_before(url: str, tmp_path: Path) -> None:
    to = open_destination(tmp_path, url)
    ask = Ask(service="general-ledger/trial-balance", period="March 2026")
    keep(to, "tb", "demo", ask, REPORT)
    april = Ask(service="general-ledger/trial-balance", period="April 2026")
    keep(to, "tb", "demo", april, REPORT.replace("Debit", "Debit,Credit").replace("(12.00)", "(12.00),x"))
    done = keep(to, "tb", "demo", ask, REPORT.replace("0200,,0.00,\n", ""))
    assert (done.new, done.deleted) == (0, 1)
    assert sorted(held(to, "tb", "report_period", "account", "opening", "debit", "credit")) == [
        ("April 2026", "0100", "1234.50", "-12.00", "x"),
        ("April 2026", "0200", "0.00", None, None),
        ("March 2026", "0100", "1234.50", "-12.00", None),
    ]
