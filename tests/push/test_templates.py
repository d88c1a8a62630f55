"""Files that people already have go out with one word, the template; what is wrong is named, and no column is lost."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.push import fixtures, fixtures_time
from tests.push.desk import Desk
from tests.push.fixture_parts import Made
from tests.push.fixtures import make
from tests.push.support import target
from tieout import catalogue, push
from tieout.catalogue.model import Field, Ref
from tieout.errors import CheckError, ConfigurationError, UnknownNameError
from tieout.project import load
from tieout.push import PushReport
from tieout.push.checks.check import Target
from tieout.push.fields.columns import Column, columns_of
from tieout.push.fields.mapping import named_columns, resolve
from tieout.push.settings import PushSettings, settings_of
from tieout.push.sources import SourceRow
from tieout.push.templates import NAMES, fit, template
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture(scope="module")
def company() -> Iterator[SimulatorThread]:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        yield running


def section(tmp_path: Path, text: str) -> PushSettings:
    (tmp_path / "tieout.toml").write_text(f'[push.x]\nsource = "x.csv"\n{text}')
    return settings_of(load(tmp_path), "x")


def fitted(given: PushSettings, columns: tuple[str, ...]) -> PushSettings:
    return fit(given, columns, target(given.object))


def pushed(root: Path, company: SimulatorThread, made: Made, **options: Any) -> PushReport:
    desk = Desk.connect(root / "project", company.url, f'[push.x]\nsource = "x.csv"\n{made.section}')
    (desk.root / "x.csv").write_bytes(made.content)
    return push.push(desk.project, "x", **options)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_in_each_template_is_posted_but_for_its_bad_rows(
    tmp_path: Path, company: SimulatorThread, name: str
) -> None:
    made = make(name, 150, share_bad=0.06, today=company.simulator.clock.now().date())
    report = pushed(tmp_path, company, made)
    assert (report.rows, report.documents) == (made.rows, sum(made.documents.values()))
    reasons: dict[int, str] = {}
    for problem in report.problems:
        reasons[problem.row] = f"{reasons.get(problem.row, '')} {problem}"
    assert len({bad.kind for bad in made.bad.values()}) > 1
    for row, bad in made.bad.items():
        if bad.kind == "balance":  # that of a whole entry is told at one of its rows
            assert any("differ by" in reasons.get(each, "") for each in made.rows_of[bad.document])
        else:
            assert bad.reason in reasons[row]
    assert (report.posted, report.held) == (report.documents - len(made.bad_documents), len(made.bad_documents))
    if not any(bad.kind == "office" for bad in made.bad.values()):  # else nobody knows whose they are
        assert {entity: sum(counts.values()) for entity, counts in report.by_entity.items()} == made.documents
    assert report.unused_columns != () or name in ("timesheet", "clicktime")


def test_rows_that_the_template_leaves_out_are_counted_and_named(tmp_path: Path, company: SimulatorThread) -> None:
    made = make("harvest", 60, today=company.simulator.clock.now().date())
    report = pushed(tmp_path, company, made, dry_run=True)
    (note,) = [note for note in report.notes if "left out" in note]
    rules = dict(part.rsplit(": ", 1) for part in note.partition("[push.x]: ")[2].rstrip(".").split(", "))
    assert rules.keys() == {"Approved? No", "Hours 0"}
    assert sum(map(int, rules.values())) == made.left_out
    assert report.rows == made.rows


@pytest.mark.parametrize(
    ("name", "columns", "unsent"),
    [
        ("intacct-bill", fixtures.BILL_COLUMNS, {"BATCH_TITLE", "TOTAL_PAID", "PAID_DATE", "BILLED"}),
        (
            "intacct-invoice",
            fixtures.INVOICE_COLUMNS,
            {"BATCH_TITLE", "TOTAL_PAID", "PAID_DATE", "SUBTOTAL"}
            | {column for column in fixtures.INVOICE_COLUMNS if column.startswith(("REVREC", "AMORTIZ"))}
            | {"DEFERREDREV_ACCOUNT", "REVENUE_ACCOUNT"},
        ),
        ("intacct-journal", fixtures.JOURNAL_COLUMNS, {"CURRENCY", "EXCH_RATE_DATE", "RPESENTRY"}),
        ("timesheet", fixtures_time.TIMESHEET_COLUMNS, set()),
        (
            "harvest",
            fixtures_time.HARVEST_COLUMNS,
            {"Hours Rounded", "Invoiced?", "Roles", "Employee?", "Billable Rate", "Billable Amount", "Cost Rate"}
            | {"Cost Amount", "Currency", "External Reference URL"},
        ),
        ("clicktime", fixtures_time.CLICKTIME_COLUMNS, {"Office"}),
    ],
)
def test_every_column_is_sent_or_named(tmp_path: Path, name: str, columns: tuple[str, ...], unsent: set[str]) -> None:
    """What a template does not send is what the layouts say has no field."""
    given = fitted(section(tmp_path, f'template = "{name}"'), columns)
    given.check("x")
    used = {column for _, column, _ in named_columns(given, "x")}
    assert set(columns) - used == unsent
    resolve(given, "x", target(given.object))


@pytest.mark.parametrize("name", NAMES)
def test_fields_whose_columns_a_file_lacks_are_left_out(tmp_path: Path, name: str) -> None:
    given = section(tmp_path, f'template = "{name}"')
    must = {column for _, column, optional in named_columns(given, "x") if not optional}
    small = fitted(given, tuple(must))
    assert {column for _, column, optional in named_columns(small, "x") if not optional} == must
    assert all({column for column, _ in columns_of(entry)} & must for entry in small.columns().values())
    assert len(small.columns()) < len(given.columns())


def test_the_section_wins_over_its_template(tmp_path: Path) -> None:
    text = """
template = "intacct-bill"
encoding = "utf-8"
group_by = "BILL_NO"
[push.x.fields]
"lines.memo" = { text = "{MEMO} ({BATCH_TITLE})" }
"lines.dimensions.department.id" = { omit = true }
description = { constant = "imported" }
"""
    given = section(tmp_path, text)
    assert (given.encoding, given.group_by, given.header) == ("utf-8", "BILL_NO", "first")
    fields = given.columns()
    assert fields["lines.memo"] == Column(text="{MEMO} ({BATCH_TITLE})")
    assert "lines.dimensions.department.id" not in fields
    assert fields["description"].constant == "imported"
    assert fields["vendor.id"].column == "VENDOR_ID"


def test_a_debit_with_a_sign_needs_no_credit_column(tmp_path: Path) -> None:
    columns = tuple(column for column in fixtures.JOURNAL_COLUMNS if column != "CREDIT")
    given = fitted(section(tmp_path, 'template = "intacct-journal"'), columns)
    mapping = resolve(given, "x", target(given.object))
    row = {"JOURNAL": "GJ", "DATE": "1/31/2026", "DESCRIPTION": "d", "ACCT_NO": "6000", "LINE_NO": "1"}
    minus = mapping.row(SourceRow(2, row | {"DEBIT": "-12.50"}))
    plus = mapping.row(SourceRow(3, row | {"DEBIT": "12.50"}))
    assert [r.line["lines.txnType"] for r in (minus, plus)] == ["credit", "debit"]
    assert [r.line["lines.txnAmount"] for r in (minus, plus)] == ["12.50", "12.50"]
    zero = mapping.row(SourceRow(4, row | {"DEBIT": "0.00"}))
    assert "lines.txnAmount" not in zero.line  # required, so the document is held
    foreign = mapping.row(SourceRow(5, row | {"DEBIT": "1", "EXCHANGE_RATE": "1.1"}))
    assert "column EXCHANGE_RATE: '1.1' is an exchange rate" in str(foreign.problems[0])


def test_columns_of_a_company_s_own_go_where_its_model_has_them(tmp_path: Path) -> None:
    # Copies: what the catalogue loaded is every test's.
    line = deepcopy(catalogue.load("general-ledger/journal-entry-line"))
    line.groups["dimensions"].refs["nsp::channel"] = Ref(fields={"key": Field()}, object="platform-apps/nsp::channel")
    line.fields["nsp::GRANTED_ON"] = Field(format="date")
    header = deepcopy(catalogue.load("general-ledger/journal-entry"))
    header.fields["nsp::RPESENTRY"] = Field(type="boolean")
    models = {header.name: header, line.name: line}
    aim = Target(header, lambda name: models.get(name) or catalogue.load(name))
    columns = (*fixtures.JOURNAL_COLUMNS, "GLDIMCHANNEL", "GLDIMREGION", "GRANTED_ON", "GLENTRY_PROJECTID", "BALANCE")
    given = fit(section(tmp_path, 'template = "intacct-journal"'), columns, aim)
    fields = given.columns()
    assert fields["lines.dimensions.nsp::channel.key"].column == "GLDIMCHANNEL"
    assert fields["lines.dimensions.project.id"].column == "GLENTRY_PROJECTID"
    assert fields["lines.nsp::GRANTED_ON"] == Column(column="GRANTED_ON", date="%m/%d/%Y", optional=True)
    assert fields["nsp::RPESENTRY"].column == "RPESENTRY"
    # Neither a dimension that the company lacks, nor a field of Sage's own that merely is called like a column.
    assert not {"GLDIMREGION", "BALANCE"} & {column for _, column, _ in named_columns(given, "x")}
    row = {"JOURNAL": "GJ", "DATE": "1/31/2026", "DESCRIPTION": "d", "ACCT_NO": "6000", "DEBIT": "1"}
    row |= {"GLDIMCHANNEL": "10003", "GRANTED_ON": "2/1/2026", "RPESENTRY": "T"}
    mapped = resolve(given, "x", aim).row(SourceRow(2, row))
    assert mapped.problems == []
    assert mapped.line["lines.dimensions.nsp::channel.key"] == "10003"
    assert mapped.line["lines.nsp::GRANTED_ON"] == "2026-02-01"


def test_harvest_with_numbers_for_people_needs_no_names_for_them(tmp_path: Path) -> None:
    columns = tuple("Employee Id" if c == "Hours Rounded" else c for c in fixtures_time.HARVEST_COLUMNS)
    given = fitted(section(tmp_path, 'template = "harvest"'), columns)
    mapping = resolve(given, "x", target(given.object))
    row = dict.fromkeys(columns, "") | {"Employee Id": "E7", "Date": "11/18/2026", "Hours": "8", "Project Code": "P1"}
    found = mapping.row(SourceRow(2, row))
    assert found.problems == []
    assert found.header == {"beginDate": "2026-11-16", "employee.id": "E7"}
    assert found.line["lines.dimensions.project.id"] == "P1"


def test_wrong_names_and_objects_are_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as unknown:
        section(tmp_path, 'template = "intact-bill"')
    assert "intacct-bill" in str(unknown.value.nearest)
    with pytest.raises(ConfigurationError, match="intacct-bill is about accounts-payable/bill, not"):
        section(tmp_path, 'template = "intacct-bill"\nobject = "invoices"')
    assert section(tmp_path, 'template = "intacct-bill"\nobject = "bills"').object == "accounts-payable/bill"
    with pytest.raises(ConfigurationError, match="does not say what its records are"):
        section(tmp_path, "")
    given = section(tmp_path, 'template = "intacct-bill"\n[push.x.fields]\nbillNumbr = "BILL_NO"')
    with pytest.raises(CheckError, match="did you mean 'billNumber'"):
        resolve(fitted(given, fixtures.BILL_COLUMNS), "x", target(given.object))


def test_a_template_and_a_file_can_be_named_when_it_is_pushed(tmp_path: Path, company: SimulatorThread) -> None:
    made = make("clicktime", 20, share_bad=0, today=company.simulator.clock.now().date())
    desk = Desk.connect(tmp_path / "project", company.url, "[push.x]\n")
    file = tmp_path / "elsewhere.csv"
    file.write_bytes(made.content)
    report = push.push(desk.project, "x", template="clicktime", from_file=file, dry_run=True)
    assert (report.rows, report.ready) == (made.rows, sum(made.documents.values()))
    assert report.source == str(file)


@pytest.mark.parametrize("name", NAMES)
def test_templates_say_what_they_are_for(name: str) -> None:
    assert template(name).title
    assert template(name).section.object


def test_messages_name_the_columns_that_are_there(tmp_path: Path) -> None:
    given = fitted(section(tmp_path, 'template = "timesheet"'), fixtures_time.TIMESHEET_COLUMNS)
    mapping = resolve(given, "x", target(given.object))
    assert mapping.column_of("lines.entryDate") == "ENTRY_DATE"
    assert mapping.column_of("lines.dimensions.project") == "PROJECT_ID"
    clicktime = fitted(section(tmp_path, 'template = "clicktime"'), fixtures_time.CLICKTIME_COLUMNS)
    assert resolve(clicktime, "x", target(clicktime.object)).column_of("lines.quantity") == "Hours"


def test_records_without_a_number_are_counted(tmp_path: Path, company: SimulatorThread) -> None:
    made = make("intacct-bill", 60, share_bad=0, today=company.simulator.clock.now().date(), seed=7)
    report = pushed(tmp_path, company, made, dry_run=True)
    numbers = sum(b",,,V-" in line for line in made.content.splitlines())
    assert numbers
    assert [note for note in report.notes if note.startswith(f"{numbers} record") and "no number" in note], report.notes
