"""A realistic file in each template into three entities: everything that is right is posted and ties out, each wrong
row is listed with its reason, and the audit file says the same.

`make test` runs it small; `make torture` with 10,000 rows a file, and says how long each took and what it cost.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.push.desk import Desk
from tests.push.fixtures import make
from tieout import push
from tieout.push.templates import NAMES
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

pytestmark = pytest.mark.torture

LONG = bool(os.environ.get("TIEOUT_TORTURE"))
ROWS = 10_000 if LONG else 90


@pytest.fixture
def company() -> Iterator[SimulatorThread]:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        yield running


@pytest.mark.parametrize("template", NAMES)
def test_what_is_right_is_posted_and_what_is_wrong_is_named(
    tmp_path: Path, company: SimulatorThread, template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = make(template, ROWS, share_bad=0.02 if LONG else 0.06, today=company.simulator.clock.now().date())
    desk = Desk.connect(tmp_path / "project", company.url, f'[push.x]\nsource = "x.csv"\n{made.section}')
    (desk.root / "x.csv").write_bytes(made.content)
    audit = tmp_path / "audit.jsonl"
    began = time.monotonic()
    report = desk.push("x", audit=audit)
    took = time.monotonic() - began

    assert (report.rows, report.documents) == (made.rows, sum(made.documents.values()))
    assert report.posted == report.documents - len(made.bad_documents)
    assert (report.unknown, report.pending, report.unprocessed) == (0, 0, 0)
    reasons: dict[int, str] = {}
    for record in push.failed(desk.project, "x"):
        for row in record.rows:
            reasons[row] = f"{reasons.get(row, '')} {record.reason}"
    assert set(reasons) == {row for document in made.bad_documents for row in made.rows_of[document]}
    for row, bad in made.bad.items():
        assert bad.reason in reasons[row], (row, bad, reasons[row])

    assert all(line.ties is not False for line in report.tie_out if line.what.endswith("(posted)"))
    assert {line.ties for line in report.tie_out if line.what == "documents agree"} == {True}
    found = push.check_audit(audit)
    assert (found.wrong, found.ties) == ([], True), found.lines
    posted = Counter[str]()
    for line in found.lines:
        if line.what.startswith("sum "):
            assert isinstance(line.source, Decimal)
            posted[line.what] += 1
    assert posted, "amounts are in it"

    again = desk.push("x")
    assert (again.posted, again.skipped, again.ready) == (0, report.posted, 0), "a rerun sends nothing"
    if LONG:
        with capsys.disabled():
            print(
                f"\n{template}: {report.rows:,} rows, {report.documents:,} documents, {len(report.by_entity)} entities,"
                f" {len(made.bad)} bad rows, {report.requests} requests, {report.transactions:,} billable, {took:.0f} s"
            )
