"""`failed --workbook`, `failed --csv` and `retry --from`, as a controller and an integration engineer see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest

from tests.cli.conftest import Run
from tieout.connections import connect
from tieout.project import load
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

SECTION = """
[push.vendors]
object = "vendors"
source = "vendors.csv"
id = "Vendor"
[push.vendors.fields]
id = "Vendor"
name = "Name"
creditLimit = "Limit"
"""


@pytest.fixture
def pushed(tieout: Run, tmp_path: Path) -> Iterator[Run]:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        (tmp_path / "tieout.toml").write_text(SECTION)
        (tmp_path / "vendors.csv").write_text("Vendor,Name,Limit\n001,One,5\n002,Two,much\n")
        assert tieout("push").code == 1
        yield tieout


def test_the_workbook_is_written_corrected_and_taken_back(pushed: Run, tmp_path: Path) -> None:
    shown = pushed("failed", "--workbook", "to correct.xlsx")
    assert shown.code == 1, "something is not posted"
    assert "Posted 1 document (1 row), Draft 0 documents (0 rows), Failed 1 document (1 row)" in shown.out + shown.err
    assert "tieout retry vendors --from 'to correct.xlsx'" in shown.out + shown.err
    book = openpyxl.load_workbook(tmp_path / "to correct.xlsx")
    assert [cell.value for cell in book["Failed"][2]][:3] == ["002", "Two", "much"]
    book["Failed"]["C2"] = "7"
    book.save(tmp_path / "to correct.xlsx")
    dry = pushed("retry", "vendors", "--from", "to correct.xlsx", "--dry-run", "--by", "Bo")
    assert "row 3, Limit: 'much' -> '7' by Bo" in dry.out
    done = pushed("retry", "vendors", "--from", "to correct.xlsx", "--by", "Bo", "--json")
    assert (done.code, done.json["posted"]) == (0, 1)
    (change,) = done.json["corrections"]
    assert (change["source_id"], change["column"], change["before"], change["after"]) == ("002", "Limit", "much", "7")
    again = pushed("push")
    assert again.code == 0
    assert "1  hold what was corrected in the workbook; the source still says the old" in again.out
    clean = pushed("failed", "--workbook", "after.xlsx", "--json")
    assert clean.code == 0
    assert clean.json[0]["documents"] == {"Posted": 2, "Draft": 0, "Failed": 0, "Open": 0}


def test_two_people_correct_and_apply(pushed: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(SECTION.replace('id = "Vendor"\n[', 'id = "Vendor"\ntwo_people = true\n['))
    shown = pushed("failed", "--workbook", "inbox.xlsx")
    assert "`tieout retry vendors --from inbox.xlsx --plan PLAN`" in " ".join((shown.out + shown.err).split())
    book = openpyxl.load_workbook(tmp_path / "inbox.xlsx")
    book["Failed"]["C2"] = "7"
    book.save(tmp_path / "inbox.xlsx")
    refused = pushed("retry", "--from", "inbox.xlsx")
    assert refused.code == 2
    assert "`tieout retry vendors --from inbox.xlsx --plan PLAN`" in " ".join(refused.err.split())
    planned = pushed("retry", "--from", "inbox.xlsx", "--plan", "my.plan", "--by", "Ann")
    assert planned.code == 0
    assert "tieout push vendors --apply my.plan" in " ".join((planned.out + planned.err).split())
    looked = pushed("push", "--apply", "my.plan", "--dry-run", "--by", "Bo")
    assert "row 3, Limit: 'much' -> '7' by Ann" in looked.out
    assert pushed("push", "--apply", "my.plan", "--by", "Bo", "--json").json["posted"] == 1


def test_csv_lists_what_is_not_posted(pushed: Run, tmp_path: Path) -> None:
    assert pushed("failed", "vendors", "--csv", "rest.csv").code == 1
    header, row = (tmp_path / "rest.csv").read_text().splitlines()
    assert header.startswith("Vendor,Name,Limit,tieout_record,tieout_row,")
    assert row.startswith("002,Two,much,r")


def test_a_file_that_cannot_be_written_is_one_sentence(pushed: Run) -> None:
    shown = pushed("failed", "--workbook", "no/such/folder.xlsx")
    assert shown.code == 2
    assert "cannot be written" in shown.err


def test_a_file_that_somebody_may_have_corrected_is_never_replaced(pushed: Run, tmp_path: Path) -> None:
    for option, file in (("--workbook", "inbox.xlsx"), ("--csv", "rest.csv")):
        (tmp_path / file).write_bytes(b"corrected")
        shown = pushed("failed", option, file)
        assert (shown.code, "is there already" in shown.err) == (2, True)
        assert (tmp_path / file).read_bytes() == b"corrected"


def test_a_workbook_has_the_ending_that_excel_opens(pushed: Run, tmp_path: Path) -> None:
    shown = pushed("failed", "--workbook", "inbox.csv")
    assert (shown.code, "does not end in .xlsx" in shown.err) == (2, True)
    assert not (tmp_path / "inbox.csv").exists()


def test_corrections_in_a_sheet_without_the_column_of_records_are_not_passed_over(pushed: Run, tmp_path: Path) -> None:
    pushed("failed", "--workbook", "inbox.xlsx")
    book = openpyxl.load_workbook(tmp_path / "inbox.xlsx")
    sheet = book["Failed"]
    sheet["C2"] = "7"
    sheet.delete_cols([cell.value for cell in sheet[1]].index("tieout_record") + 1)
    book.save(tmp_path / "inbox.xlsx")
    shown = pushed("retry", "vendors", "--from", "inbox.xlsx")
    assert shown.code == 2
    assert "lost its column tieout_record" in " ".join(shown.err.split())


def test_a_dry_run_of_a_corrected_file_names_the_command_that_sends_it(pushed: Run) -> None:
    pushed("failed", "--workbook", "inbox.xlsx")
    dry = pushed("retry", "vendors", "--from", "inbox.xlsx", "--dry-run")
    assert "`tieout retry vendors --from inbox.xlsx`" in " ".join((dry.out + dry.err).split())


def test_a_record_is_posted_again_by_the_id_that_the_list_shows(pushed: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        SECTION.replace("push.vendors", "push.pairs").replace('"Vendor"\n[', '["Vendor", "Name"]\n[')
    )
    (tmp_path / "vendors.csv").write_text("Vendor,Name,Limit\n003,Three,5\n")
    assert pushed("push").code == 0
    with connect(load(tmp_path)) as client:
        client.delete("vendors", next(row.key for row in client.query("vendors", ["key", "id"]) if row.id == "003"))
    assert "gone" in pushed("push").out
    assert "documents: 003 Three" in pushed("failed").out
    unknown = pushed("retry", "--again", "004 Four")
    assert unknown.code == 2
    assert "did not finish" not in pushed("failed").out, "what was refused at once did not begin"
    assert pushed("retry", "--again", "003 Three", "--json").json["posted"] == 1
