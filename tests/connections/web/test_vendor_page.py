"""docs/vendor.md is a program: it runs from top to bottom on PostgreSQL, and a customer walks through it."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.connections.web.receiver import Receiver
from tests.connections.web.visitor import Visitor, at_sage
from tieout.connections import AsyncConnections, Connections
from tieout.connections.webhooks import new_secret
from tieout.errors import NotAuthorisedError
from tieout.simulator import Simulator

PAGE = (Path(__file__).parents[3] / "docs/vendor.md").read_text()
CALLBACK = "https://127.0.0.1:8443/connect/callback"


@pytest.fixture
def product(
    postgres_url: str, served_simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The names of product.py, after the console commands of the page."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"TIEOUT_STATE_URL": postgres_url, "TIEOUT_KEY": "07" * 32, "HOOK_SECRET": new_secret()}.items():
        monkeypatch.setenv(name, value)
    demo = served_simulator.clients["demo-client"]
    served_simulator.clients["ledgerlane-client"] = msgspec.structs.replace(
        demo, id="ledgerlane-client", secret="try-it", redirect_uris=(CALLBACK,)
    )
    with Connections.at(postgres_url) as connections:
        connections.apps.draft("ledgerlane", scope="non-production", redirect_uris=[CALLBACK])
        connections.apps.approve("ledgerlane", "ledgerlane-client", "try-it")
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        assert max(map(len, code.splitlines())) <= 90  # the site cuts longer lines
        exec(compile(code.replace("http://127.0.0.1:8765", served_simulator.origin), "vendor.md", "exec"), names)
    yield names
    names["connections"].close()


def test_a_customer_comes_works_and_goes(
    product: dict[str, Any], served_simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver = Receiver()
    product["connections"].webhooks.set(receiver.url, product["HOOK_SECRET"], allow_local=True)
    browser = Visitor(product["app"], mount="")
    opened = browser.get(urlsplit(product["invite"]("tenant-1", "demo")).path)
    questions = browser.post(browser.visited[-1], {"csrf": opened.csrf})
    url = browser.to_sage(browser.submit(questions, user="admin"))
    chooser = browser.home(at_sage(served_simulator, url, "admin"))
    assert "What should be connected?" in chooser.title
    assert browser.submit(chooser, entity=["E110", "E120"]).title.endswith("Sage Intacct is connected")
    assert browser.get("/settings/sage").text == "demo: connected\ndemo-E120: connected"
    told(product, browser, receiver)
    assert "connection.connected tenant-1 demo-E120" in capsys.readouterr().out

    with product["connections"].open("demo", owner="tenant-1") as intacct:
        intacct.create("vendors", {"id": "V-1", "name": "Ada & Sons"})
    assert product["count"]("tenant-1", "demo") == 1
    assert asyncio.run(product["count_async"]("tenant-1", "demo-E120")) == 0  # it belongs to the other entity
    with pytest.raises(NotAuthorisedError):
        product["count"]("tenant-2", "demo")
    assert product["hourly"]().failed == ()
    assert product["troubled"]("tenant-1") == {}

    asked: list[Any] = []
    assert not product["revoke"]("tenant-1", "demo", "jane", lambda ends: asked.append(ends)).done
    assert product["revoke"]("tenant-1", "demo", "jane", lambda ends: True).done
    assert asked == [("demo", "demo-E120")]
    assert set(product["troubled"]("tenant-1")) == {"demo", "demo-E120"}
    file = io.StringIO()
    receipt, head = product["let_go"]("tenant-1", file)
    assert receipt.erased["connections"] == 2
    log = [msgspec.json.decode(line) for line in file.getvalue().splitlines()]
    assert head == receipt.audit_head == log[-1]["hash"]
    assert [entry["actor"] for entry in log if entry["what"] == "revoked"] == ["jane"]
    assert [entry["facts"].get("shared with") for entry in log if entry["what"] == "connected"] == [None, None, "demo"]


def told(product: dict[str, Any], browser: Visitor, receiver: Receiver) -> None:
    """The webhook's events, as a server takes them, brought to the product's own route."""
    try:
        assert product["connections"].webhooks.deliver().delivered == 3
    finally:
        receiver.close()
    for headers, body in receiver.calls:
        kept = {name.lower().replace("-", "_"): value for name, value in headers.items() if name.lower() != "host"}
        assert browser.ask("POST", "/hooks/sage", body, **kept).status == 200


def test_every_method_is_named_and_every_name_is_a_method() -> None:
    table = PAGE.partition("## All methods")[2].partition("\n## ")[0]
    public = {name for name in vars(AsyncConnections) if not name.startswith("_")} - {"tokens", "trouble"}
    named = {
        name.split("(")[0].split(".")[0].split(",")[0]
        for line in table.splitlines()
        for name in re.findall(r"`([^`]+)`", line.split("|")[1] if line.startswith("| `") else "")
    }
    assert public - named == set()
    assert {name for name in named if name and not hasattr(Connections, name)} <= {
        "apps",
        "webhooks",
        "audit",
        "sign_ins",
    }
