"""docs/connect-page.md runs from top to bottom as it stands."""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.connections.web.visitor import Visitor
from tests.test_docs import snippets
from tieout.connections import Connections
from tieout.connections.webhooks import signed

TEXT = (Path(__file__).parents[3] / "docs/connect-page.md").read_text()


def test_the_page_of_the_connect_page_runs(state_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    with Connections.at(state_url) as connections:
        connections.apps.draft("ledgerlane", redirect_uris=["https://app.example/connect/callback"], scope="production")
        connections.apps.approve("ledgerlane", "client", "secret-of-the-application")
        waiting = connections.prepare("books", owner="tenant-7")
    told: list[tuple[str, str]] = []
    body = b'{"type":"connection.died","data":{"owner":"tenant-7","repair":"Connect again."}}'
    names = {"STATE_URL": state_url, "CONNECTION_ID": waiting.id, "tell": lambda *words: told.append(words)}
    codes = snippets("docs/connect-page.md")
    assert [line for code in codes for line in code.splitlines() if len(line) > 90] == []
    for code in codes:
        if "verify_webhook(" in code:
            headers = signed("msg_1", body, str(names["secret"]), time.time())
            names["request"] = SimpleNamespace(headers=headers, body=body)
        exec(compile(code, "connect-page.md", "exec"), names)
    assert told == [("tenant-7", "Connect again.")]
    visitor = Visitor(names["app"], mount="")
    link = str(names["link"].url).removeprefix("https://app.example")
    assert visitor.get(link).title == "Connect Sage Intacct"
    session = str(names["redirect_to"]).removeprefix("https://app.example")
    assert "Contoso Ltd" in visitor.get(session).text
    names["connections"].close()


def test_it_names_every_setting_and_event() -> None:
    from typing import get_args

    from tieout.connections.outbox import EventType
    from tieout.connections.web import Settings

    named = set(re.findall(r"`([\w.]+)`", TEXT))
    assert {*Settings.__struct_fields__, *get_args(EventType)} <= named
