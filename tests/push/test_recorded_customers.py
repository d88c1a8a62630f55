"""The recorded customers of a real company, pushed as JSON Lines into a second, empty company: every value equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.push.desk import Desk
from tieout import push
from tieout.connections import connect
from tieout.simulator import Simulator

RECORDING = Path(__file__).parents[2].parent / "shared" / "reference" / "recordings" / "customers.json"

pytestmark = pytest.mark.skipif(not RECORDING.exists(), reason=f"no recorded traffic at {RECORDING}")


def recorded() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The recorded rows and the recorded model."""
    bodies = [json.loads(i["response"]["body"]["string"]) for i in json.loads(RECORDING.read_text())["interactions"]]
    model = next(b["ia::result"] for b in bodies if isinstance(b.get("ia::result"), dict) and "refs" in b["ia::result"])
    rows = next(b["ia::result"] for b in bodies if isinstance(b.get("ia::result"), list))
    return rows, model


def test_recorded_customers_arrive_whole_in_a_second_company(desk: Desk, simulator: Simulator) -> None:
    rows, model = recorded()
    writable = [name for name, field in model["fields"].items() if not field["readOnly"]]
    assert len(rows) == 26
    assert {"id", "name", "status", "retainagePercentage"} <= set(writable)
    desk.customers([{name: row[name] for name in writable if name in row} for row in rows])

    report = desk.push()

    assert (report.posted, report.failed, report.held, report.exit_code) == (26, 0, 0, 0), report.problems
    with connect(desk.project) as client:
        held = {record["id"]: record for record in client.get_many("customers", list_keys(client))}
    differences = [
        (row["id"], name, row[name], held[row["id"]][name])
        for row in rows
        for name in writable
        if name in row and held[row["id"]][name] != row[name]
    ]
    assert differences == []
    assert len(held) == 26
    lines = push.verify(desk.project, "customers")
    assert {line.what for line in lines} == {"rows", "documents", "sum retainagePercentage", "documents agree"}
    assert all(line.ties for line in lines), lines


def list_keys(client: Any) -> list[str]:
    return [row["key"] for row in client.query("customers", ["key"])]
