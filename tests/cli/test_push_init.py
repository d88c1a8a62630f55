"""`tieout push --init` prints a section, or adds it to the project, from the company where one is connected."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tests.cli.conftest import Run

FILE = "Bill No,Vendor,Bill Date,Due Date,Account,Amount,Location\nB1,V-2001,2026-11-16,2026-12-16,6200,7.50,110-NYC\n"


def test_prints_a_section_from_the_catalogue_and_says_so(tieout: Run) -> None:
    Path("bills.csv").write_text(FILE)
    shown = tieout("push", "--init", "bills", "--from", "bills.csv")
    assert shown.code == 0
    section = tomllib.loads(shown.out)["push"]["bills"]
    assert section["source"] == "bills.csv"
    assert section["fields"]["vendor.id"] == "Vendor"
    assert "from the catalogue, offline" in shown.out
    assert "Next:" in shown.err
    assert not Path("tieout.db").exists()  # looking makes nothing


def test_writes_it_into_the_project_and_it_works(tieout: Run, simulator_url: str) -> None:
    assert tieout("init").code == 0
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    Path("bills.csv").write_text(FILE)
    shown = tieout("push", "supplier-bills", "--init", "bills", "--from", "bills.csv", "--write")
    assert shown.code == 0
    assert "wrote [push.supplier-bills]" in shown.out
    assert "from the live model of company demo" in shown.out
    before = Path("tieout.toml").read_text()
    assert before.startswith("# A tieout project")
    checked = tieout("push", "supplier-bills", "--dry-run", "--json").json
    assert (checked["ready"], checked["held"], checked["unused_columns"]) == (1, 0, [])
    again = tieout("push", "supplier-bills", "--init", "bills", "--write")
    assert again.code == 2
    assert "There is a section [push.supplier-bills] already" in again.err
    assert Path("tieout.toml").read_text() == before


def test_writes_a_template_out(tieout: Run) -> None:
    shown = tieout("push", "--init", "invoices", "--template", "intacct-invoice", "--json").json
    section = tomllib.loads(shown["toml"])["push"]["invoices"]
    assert section["fields"]["customer.id"] == "CUSTOMER_ID"
    assert shown["object"] == "accounts-receivable/invoice"
    wrong = tieout("push", "--init", "invoices", "--template", "harvest")
    assert wrong.code == 2
    assert "The template harvest is about time/timesheet" in wrong.err


def test_what_goes_together_is_said(tieout: Run) -> None:
    assert "--write goes with --init" in tieout("push", "--write").err
    assert "tieout init" in tieout("push", "--init", "bills", "--write").err
    assert tieout("push", "--init", "bils").code == 2
    assert "push that object with lines.* fields" in tieout("push", "--init", "journal-entry-line").err
    assert "There is no file" in tieout("push", "--init", "bills", "--from", "none.csv").err
