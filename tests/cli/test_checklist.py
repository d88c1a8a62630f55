"""`tieout checklist`: the page for the customer's administrator, before and after a connection is made."""

from __future__ import annotations

import re
import secrets
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

PROJECT = """
[connections.us]
entity = "E110"
[pull.bills]
object = "bills"
connection = "us"
[pull.lines]
object = "accounts-payable/bill-line"
connection = "us"
[push.hours]
object = "timesheets"
source = "hours.csv"
connection = "us"
[pull.elsewhere]
object = "customers"
connection = "ca"
"""


def items(page: Any) -> dict[str, Any]:
    return {item["what"]: item for section in page["checklist"]["sections"] for item in section["items"]}


def test_before_anything_is_connected_it_says_what_to_set_up(
    tieout: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tieout.toml").write_text(PROJECT)
    shown = tieout("checklist", "us", "--user", "ws_us")
    assert shown.code == 0
    assert not (tmp_path / "tieout.db").exists()
    for place in ("Admin > Subscriptions > Web Services", "Security > Authorized client applications"):
        assert place in shown.out
    assert "[x]" not in shown.out
    monkeypatch.setenv("TIEOUT_KEY", secrets.token_hex(32))
    monkeypatch.setenv("TIEOUT_CLIENT_SECRET", "planted-secret")
    tieout("app", "new", "acme", "--client-id", "id-1", "--scope", "production", "--sender-id", "sender-7")
    found = items(tieout("checklist", "us", "--user", "ws_us", "--json").json)
    assert "The client id id-1 is authorised" in found
    assert "The sender id sender-7 is authorised" in found
    assert found["ws_us may enter E110"]["where"] == "Company > Admin > Users > ws_us > User entities"


def test_least_permissions_follow_from_the_sections(tieout: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(PROJECT)
    page = tieout("checklist", "--json").json
    section = page["checklist"]["sections"][-1]
    rights = [item["what"] for item in section["items"]]
    assert rights.count("Timesheets: Add") == 1
    assert "Bills: Add" not in rights
    assert {"Bills: List, View", "Timesheets: List, View", "Customers: List, View"} <= set(rights)
    assert "worked out from the names" in section["note"], "what no source tells is not said as if one did"
    lines = next(item for item in section["items"] if "bill-line" in item["note"])
    assert lines["what"] == "Bills: List, View", "lines come with the permission of their document"


def test_the_doctor_ticks_off_what_it_found_true_and_nothing_else(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        '[pull.bills]\nobject = "bills"\n[push.hours]\nobject = "timesheets"\nsource = "hours.csv"\n'
    )
    page = connected("checklist", "demo", "--doctor", "--json").json
    found = items(page)
    assert found["Web Services is subscribed to"]["done"]
    assert found["Bills: List, View"]["done"]
    assert not found["Timesheets: Add"]["done"], "nothing was written, so nothing is known"
    assert 0 < page["done"] < page["items"]
    assert connected("checklist", "nobody", "--doctor").code == 2


def test_a_user_is_asked_for_once_however_many_connections_work_as_it(connected: Run) -> None:
    assert connected("connections", "add", "--like", "demo", "--all-entities").code == 0
    assert connected("connections", "add", "again", "--like", "demo", "--entity", "E110").code == 0
    found = list(items(connected("checklist", "--json").json))
    assert [what for what in found if what.startswith("The user ")] == [
        "The user admin for again, demo, demo-E110, demo-E120, demo-E130 exists, is active, and is a Web Services user"
    ]
    shown = connected("checklist").out
    assert shown.count("admin may enter E110") == shown.count("admin may enter the top level") == 1


class Page(HTMLParser):
    """Texts, and whatever would be fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.links, self.done = "", [], 0  # type: ignore[var-annotated]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.done += ("class", "done") in attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_to_print_holds_everything_itself(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        '[connections.demo]\nentity = "<b>E110</b>"\n[pull.bills]\nobject = "bills"\n'
    )
    shown = connected("checklist", "--out", "page.html")
    assert shown.out.startswith("wrote page.html: ")
    page = Page()
    page.feed((tmp_path / "page.html").read_text())
    assert page.links == []
    assert "<b>E110</b>" in page.text, "escaped"
    assert page.done == 0
    assert connected("checklist", "--out", "page.md").code == 0
    text = (tmp_path / "page.md").read_text()
    assert len(re.findall(r"^- \[ \] ", text, re.MULTILINE)) == connected("checklist", "--json").json["items"]
    assert connected("checklist", "--out", "page.pdf").code == 2
    assert connected("checklist", "--out", "no/such/page.md").code == 2


def test_a_name_that_nobody_knows_is_refused(connected: Run) -> None:
    shown = connected("checklist", "dmeo")
    assert shown.code == 2
    assert "Did you mean demo" in shown.err
    assert connected("checklist", "--app", "nothing").code == 2


def test_the_page_of_the_first_connection_names_commands_that_there_are() -> None:
    from tieout.cli import directory

    page = (Path(__file__).parents[2] / "docs/first-connection.md").read_text()
    named = re.findall(r"^(?:.*&& )?tieout (.+)$", page, re.MULTILINE) + re.findall(r"`tieout ([^`]+)`", page)
    assert len(named) > 8
    for line in named:
        name, *rest = line.split()
        entry, _ = directory.find(name, rest)
        assert entry is not None, line
