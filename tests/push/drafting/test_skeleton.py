"""A section to begin with: valid, by the names of the columns, and silent about nothing that it supposes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.push import fixtures, fixtures_time
from tests.push.fields.test_expressions import ENTRIES
from tests.push.support import assemble, target
from tieout.errors import CheckError
from tieout.push.drafting.sampling import Sample, sample
from tieout.push.drafting.skeleton import default_name, skeleton
from tieout.push.drafting.toml_text import value
from tieout.push.fields.columns import Column, columns_of
from tieout.push.fields.mapping import resolve
from tieout.push.settings import PushSettings
from tieout.push.templates import NAMES, fit, template
from tieout.simulator.seed_export import demo_timesheets

BILLS = """Bill No;Supplier;Bill Date;Due Date;GL Account;Amount;Dept;Location;Memo;Approved by
B1;V-2001;31.12.2025;31.01.2026;6200;1.234,50;300;110-NYC;x;Ann Lee
B1;V-2001;31.12.2025;31.01.2026;6200;1,50;300;110-NYC;;Ann Lee
"""


def made(text: str, name: str = "x") -> PushSettings:
    return msgspec.convert(tomllib.loads(text)["push"][name], PushSettings)


def of_file(tmp_path: Path, content: str | bytes, object: str) -> tuple[str, PushSettings]:
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    text = skeleton(target(object), "x", source="x.csv", sample=sample(path), origin="from the test")
    return text, made(text)


def line(text: str, start: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(start)]
    return found


def test_columns_go_to_the_fields_that_are_called_like_them(tmp_path: Path) -> None:
    text, found = of_file(tmp_path, BILLS, "accounts-payable/bill")
    assert found.fields == {
        "createdDate": "Bill Date",
        "dueDate": "Due Date",
        "lines.txnAmount": "Amount",
        "lines.dimensions.location.id": "Location",
        "lines.glAccount.id": "GL Account",
        "billNumber": "Bill No",
        "lines.memo": "Memo",
        "vendor.id": "Supplier",
        "lines.dimensions.department.id": "Dept",
    }
    assert (found.object, found.source, found.group_by) == ("accounts-payable/bill", "x.csv", ("Bill No", "Supplier"))
    assert found.separator == ";"
    assert 'separator = ";"  # confirm' in text
    assert "#   Approved by\n" in text
    assert "from the test" in text
    found.check("x")
    resolve(found, "x", target("accounts-payable/bill"))


def test_formats_are_proposed_beside_and_never_set(tmp_path: Path) -> None:
    text, found = of_file(tmp_path, BILLS, "accounts-payable/bill")
    proposed = 'confirm: { column = "Bill Date", date = "%d.%m.%Y" } reads every value, such as 31.12.2025'
    assert proposed in line(text, "createdDate")
    number = '{ column = "Amount", number = { decimal = ",", group = "." } }'
    assert f"confirm: {number} reads" in line(text, '"lines.txnAmount"')
    assert "needed, and blank" not in text
    assert all(column.date is None and column.number is None for column in found.columns().values())


def test_what_the_data_does_not_tell_is_said(tmp_path: Path) -> None:
    rows = 'Bill Date,Due Date,GL Account,Amount,Location\n01/02/2026,2026-02-03,6200,"1,500",X\n'
    text, _ = of_file(tmp_path, rows, "accounts-payable/bill")
    assert 'the data does not tell: date = "%m/%d/%Y" or "%d/%m/%Y", such as 01/02/2026' in line(text, "createdDate")
    assert "#" not in line(text, "dueDate")  # written as it must be
    assert "the data does not tell: number" in line(text, '"lines.txnAmount"')


def test_needed_fields_without_a_column_stand_first_and_are_refused_until_they_are_filled(tmp_path: Path) -> None:
    text, found = of_file(tmp_path, "Vendor,Amount\nV-2001,7\n", "accounts-payable/bill")
    assert '# createdDate = "…"  # needed: date' in text
    assert text.index("# createdDate") < text.index('"vendor.id"')
    with pytest.raises(CheckError) as caught:
        resolve(found, "x", target("accounts-payable/bill"))
    assert "nothing maps to createdDate" in str(caught.value)


def test_names_and_addresses_are_looked_up(tmp_path: Path) -> None:
    rows = "Entry ID,Employee,Employee Email,Week Starting,Date,Project Name,Task,Hours\n"
    rows += "1,Ann Lee,ann@x.example,2026-11-16,2026-11-17,ERP rollout,P-1,8\n"
    text, found = of_file(tmp_path, rows, "time/timesheet")
    fields = found.columns()
    assert fields["employee.id"] == Column(column="Employee Email", lookup="email")
    assert fields["lines.dimensions.project.id"] == Column(column="Project Name", lookup="name")
    assert fields["lines.dimensions.task.id"] == Column(column="Task")
    assert "confirm: looked up by email" in line(text, '"employee.id"')
    assert (found.id, found.group_by) == ("Entry ID", ("Employee Email", "Week Starting"))
    assert "#   Entry ID" not in text  # it goes somewhere: into the id
    names = "Employee,Date,Hours,Week\nAnn Lee,2026-11-17,8,2026-11-16\n"
    text, _ = of_file(tmp_path, names, "time/timesheet")
    assert 'not ids, and then it is { column = "Employee", lookup = "name" }' in line(text, '"employee.id"')


def test_the_demo_company_s_export_needs_three_confirmations(tmp_path: Path) -> None:
    """As a person would: put in what the comments propose."""
    import datetime

    content = demo_timesheets(datetime.date(2026, 11, 26)).decode()
    sound = "\n".join(row for row in content.splitlines() if "1118/2026" not in row and "7,5h" not in row)
    text, _ = of_file(tmp_path, sound, "time/timesheet")
    confirmed = re.sub(
        r'^(\S+) = "[^"]+"  # confirm: (\{ column = "[^"]+", date = "[^"]+" \}) .*$', r"\1 = \2", text, flags=re.M
    )
    assert confirmed != text
    found = made(confirmed)
    found.check("x")
    columns = found.columns()
    assert columns["beginDate"] == Column(column="Week Starting", date="%m/%d/%Y")
    assert found.id == "Entry ID"
    resolve(found, "x", target("time/timesheet"))


def test_without_a_file_everything_is_to_be_filled_in() -> None:
    text = skeleton(target("general-ledger/journal-entry"), "x")
    found = made(text)
    assert found.fields == {}
    assert '# "lines.glAccount.id" = "…"  # needed: string' in text
    assert "lines.journalEntry" not in text  # a line's own document


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_written_out_whole(name: str) -> None:
    columns = {
        "intacct-bill": fixtures.BILL_COLUMNS, "intacct-invoice": fixtures.INVOICE_COLUMNS,
        "intacct-journal": fixtures.JOURNAL_COLUMNS, "timesheet": fixtures_time.TIMESHEET_COLUMNS,
        "harvest": fixtures_time.HARVEST_COLUMNS, "clicktime": fixtures_time.CLICKTIME_COLUMNS,
    }[name]  # fmt: skip
    section = template(name).section
    aim = target(section.object)
    text = skeleton(aim, "x", source="x.csv", sample=Sample(columns, []), template_name=name, origin="from the test")
    expected = fit(msgspec.structs.replace(section, template=name), columns, aim)
    assert made(text) == msgspec.structs.replace(expected, template=None, source="x.csv")
    left = {line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ")}
    used = {column for entry in made(text).columns().values() for column, _ in columns_of(entry)}
    assert left == set(columns) - used - expected.named


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
HEADINGS = st.one_of(TEXTS, st.sampled_from(["Vendor", "Due Date", "Amount", "State", "On hold", "Bill\nNo"]))


@given(st.lists(HEADINGS, unique=True, max_size=6), st.lists(TEXTS, min_size=6, max_size=6))
def test_any_file_gives_a_section_that_can_be_read(columns: list[str], cells: list[str]) -> None:
    names = tuple(dict.fromkeys(stripped for column in columns if (stripped := column.strip())))
    rows: list[dict[str, Any]] = [dict(zip(names, cells, strict=False))]
    text = skeleton(target("accounts-payable/bill"), "x", source="a'b\".csv", sample=Sample(names, rows))
    found = made(text)
    assert found.source == "a'b\".csv"
    assert {column for entry in found.columns().values() for column, _ in columns_of(entry)} <= set(names)


@given(ENTRIES)
def test_entries_are_written_as_they_are_read(given: dict[str, Any]) -> None:
    column = msgspec.convert(given, Column)
    assert msgspec.convert(tomllib.loads(f"e = {value(column)}")["e"], Column) == column


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_is_written_as_it_is_read(text: str) -> None:
    assert tomllib.loads(f"e = {value(text)}")["e"] == text


def test_a_file_that_is_not_utf8_is_said_to_be_so(tmp_path: Path) -> None:
    text, found = of_file(tmp_path, "Vendor,Memo\nV-2001,Müller\n".encode("cp1252"), "accounts-payable/bill")
    assert found.encoding == "cp1252"
    assert "confirm: the file is not UTF-8" in text


def test_a_line_number_names_the_rows_of_a_numbered_document(tmp_path: Path) -> None:
    """Amounts in an id would make another row of every correction."""
    rows = (
        "Bill,Line,Vendor,Due,Amount,Text\nB1,1,V-1,2026-12-01,5,a\nB1,2,V-1,2026-12-01,5,a\nB2,1,V-2,2026-12-02,5,b\n"
    )
    text, found = of_file(tmp_path, rows.encode(), "accounts-payable/bill")
    assert (found.id, found.group_by) == (("Bill", "Vendor", "Line"), ("Bill", "Vendor"))
    assert "confirm: no two rows may ever share these" in text
    assert (found.columns()["dueDate"].column, found.columns()["lines.memo"].column) == ("Due", "Text")
    twice, found = of_file(tmp_path, rows.replace("B1,2", "B1,1").encode(), "accounts-payable/bill")
    assert "Amount" in found.id
    assert "a change in one makes another row" in twice


def test_a_column_that_is_called_entry_names_rows(tmp_path: Path) -> None:
    _, found = of_file(
        tmp_path, b"Entry,Employee,Date,Hours\nH-1,E-1,2026-11-02,8\nH-2,E-1,2026-11-03,8\n", "time/timesheet"
    )
    assert found.id in ("Entry", ("Entry",))


def test_json_lines_are_mapped_by_their_paths(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"vendor": {"id": "V-2001"}, "amount": 7}\n{"vendor": {"id": "V-1", "x": null}, "due": "d"}\n')
    found = made(skeleton(target("accounts-payable/bill"), "x", source="x.jsonl", sample=sample(path)))
    assert found.columns()["vendor.id"].column == "vendor.id"
    assert found.columns()["lines.txnAmount"].column == "amount"


def test_a_supplier_s_name_beside_its_number_is_no_second_vendor(tmp_path: Path) -> None:
    rows = """Supplier No,Supplier Name,Invoice No.,Invoice Date,Due,Curr,Net Amount,GL Acct,Office,Line Text
V-2001,Acme,INV-1,2026-11-03,2026-12-03,USD,1250.00,6000,110-NYC,Consulting
V-2001,Acme,INV-1,2026-11-03,2026-12-03,USD,99.95,6200,110-NYC,Travel
"""
    text, found = of_file(tmp_path, rows, "accounts-payable/bill")
    assert "lines.vendor.id" not in found.columns()
    assert "#   Supplier Name\n" in text
    assert found.columns()["currency.txnCurrency"].column == "Curr"
    assert found.columns()["lines.memo"].column == "Line Text"
    assert found.id == ("Supplier No", "Invoice No.", "Net Amount", "GL Acct", "Office", "Line Text"), (
        "a due date that is put right makes no other rows"
    )
    assert max(map(len, text[text.index("# Fields that nothing fills") :].splitlines())) <= 90


def test_debits_and_credits_in_two_columns_become_amounts_with_a_side(tmp_path: Path) -> None:
    rows = """Journal,Entry No,Posting Date,Account,Debit,Credit,Memo
GJ,JE-1,2026-10-31,6000,1000.00,,Accrual
GJ,JE-1,2026-10-31,2000,,900.00,Accrual
GJ,JE-1,2026-10-31,2000,-100.00,,Accrual
"""
    text, found = of_file(tmp_path, rows, "general-ledger/journal-entry")
    assert found.group_by == ("Entry No", "Journal")
    assert found.columns()["lines.description"].column == "Memo"
    assert "Debit" not in [line.strip("# ") for line in text.splitlines()], "it goes somewhere"
    path = tmp_path / "x.csv"
    path.write_text(rows.replace("Journal,", "About,Journal,").replace("GJ,", "October,GJ,"))
    whole = made(text.replace('# description = "…"', 'description = "About"'))
    document, *_ = assemble(tmp_path, path.read_bytes(), whole)
    assert not document.problems
    sides = [(each["txnType"], str(each["txnAmount"])) for each in document.body["lines"]]
    assert sides == [("debit", "1000.00"), ("credit", "900.00"), ("credit", "100.00")]


def test_whose_address_stands_in_a_timesheet_goes_without_saying(tmp_path: Path) -> None:
    rows = "Entry ID,Worker,Email,Week,Date,Hours\n1,Ann Lee,ann@x.example,2026-11-16,2026-11-17,8\n"
    _, found = of_file(tmp_path, rows, "time/timesheet")
    assert found.columns()["employee.id"] == Column(column="Email", lookup="email")
    by_id = rows.replace("Ann Lee", "E-7")
    _, found = of_file(tmp_path, by_id, "time/timesheet")
    assert found.columns()["employee.id"] == Column(column="Worker"), "an id needs no asking"


def test_names_of_sections() -> None:
    assert default_name("accounts-payable/bill", ()) == "bills"
    assert default_name("general-ledger/journal-entry", ("journal-entries",)) == "journal-entries-2"
    assert default_name("purchasing/document::Vendor Invoice", ()) == "Vendor-Invoices"
