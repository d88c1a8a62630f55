"""Every bad value of a file is reported once, at its row and its column, however rows become records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.push.ground import Ground, ground, line
from tests.push.support import settings, target
from tieout.errors import Problem
from tieout.push.checks.blame import Blame
from tieout.push.checks.controls import Controls
from tieout.push.intake import fill
from tieout.push.settings import PushSettings
from tieout.push.sources import open_source
from tieout.push.stage import Stage

COLUMNS = ("Line", "Bill", "No", "Office", "Vendor", "Date", "Mode", "Total", "Account", "Amount", "Day", "Billable")
HEADER = ("Office", "Vendor", "Date", "Mode", "Total")
"""What belongs to a whole bill."""
OFFICES = {"New York": "E110", "Toronto": "E120"}
FIELDS: dict[str, Any] = {
    "billNumber": "Bill",
    "vendor.id": "Vendor",
    "createdDate": {"column": "Date", "date": "%m/%d/%Y"},
    "postingDate": {"column": "Date", "date": "%m/%d/%Y"},  # two fields of one cell
    "dueDate": {"constant": "2026-12-31"},
    "paymentPriority": "Mode",
    "lines.glAccount.id": "Account",
    "lines.txnAmount": "Amount",
    "lines.amortizationStartDate": {"column": "Day", "date": "%m/%d/%Y"},
    "lines.project.isBillable": "Billable",
    "lines.dimensions.location.id": {"constant": "E110"},
}
GROUPINGS: dict[str, dict[str, Any]] = {
    "by number, header on every row": {"group_by": "Bill"},
    "by number, header on the first row": {"group_by": "Bill", "header": "first"},
    "by line count": {"group_by": "Bill", "header": "first", "line_number": "No"},
    "by number and vendor": {"group_by": ["Bill", "Vendor"]},
    "each row a record": {},
}
BAD = {
    "Line": ("",),
    "Office": ("Berlin", "new  york"),
    "Date": ("13/45/2026", "2026-01-31"),
    "Mode": ("hgih", "1"),
    "Total": ("1.000,00", "x"),
    "Account": ("",),
    "Amount": ("12,5x", "1.005", "", "NaN"),
    "Day": ("31/31/2026", "yesterday"),
    "Billable": ("maybe", "2"),
}
"""Values that cannot be sent, by column; "" is a blank cell of what a create needs."""


class File(NamedTuple):
    rows: list[dict[str, str]]
    bad: set[tuple[int, str]]
    """(row as a spreadsheet counts, column)."""
    grouping: str


@st.composite
def files(draw: st.DrawFn) -> File:
    grouping = draw(st.sampled_from(list(GROUPINGS)))
    kind = GROUPINGS[grouping]
    rows: list[dict[str, str]] = []
    bad: set[tuple[int, str]] = set()
    for bill in range(draw(st.integers(1, 5))):
        cents = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=4 if kind else 1))
        office = draw(st.sampled_from(sorted(OFFICES)))
        for number, amount in enumerate(cents, 1):
            row = {
                "Line": f"{bill}-{number}", "Bill": f"B-{bill}", "No": str(number), "Office": office,
                "Vendor": "V-1", "Date": "1/31/2026", "Mode": "high", "Total": f"{sum(cents) / 100:.2f}",
                "Account": "6000", "Amount": f"{amount / 100:.2f}", "Day": "2/1/2026", "Billable": "T",
            }  # fmt: skip
            is_first = kind.get("header") != "first" or number == 1
            if not is_first:
                row |= dict.fromkeys((*HEADER, "Bill"), "")
            columns = [column for column in BAD if column not in HEADER or is_first]
            for column in draw(st.lists(st.sampled_from(columns), max_size=2, unique=True)):
                row[column] = draw(st.sampled_from(BAD[column]))
                bad.add((len(rows) + 2, column))
            rows.append(row)
    return File(rows, bad, grouping)


def section(file: File) -> PushSettings:
    return settings(
        object="bills",
        source="bills.csv",
        id="Line",
        entity={"column": "Office", "map": OFFICES},
        control={"Total": "lines.txnAmount"},
        fields=FIELDS,
        **GROUPINGS[file.grouping],
    )


def problems(folder: Path, file: File) -> list[Problem]:
    """What the mapping, the grouping and the control totals say of a file."""
    lines = [",".join(COLUMNS), *(",".join(f'"{row[column]}"' for column in COLUMNS) for row in file.rows)]
    (folder / "bills.csv").write_text("\n".join(lines) + "\n")
    given = section(file)
    given.check("bills")
    source = open_source(given, folder / "bills.csv", "[push.bills]")
    aim = target("accounts-payable/bill")
    with Stage() as stage:
        fill(stage, given, "bills", source, source.rows(), aim, (Controls(given, "bills", aim, Blame(given)),))
        return list(stage.problems())


def place(problem: Problem) -> tuple[int, str]:
    row, _, column = problem.path.partition(", column ")
    assert row == f"row {problem.row}", problem
    return problem.row, column


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=files())
def test_each_bad_value_is_reported_once_at_its_cell(tmp_path: Path, file: File) -> None:
    found = problems(tmp_path, file)
    assert Counter(map(place, found)) == Counter(file.bad)
    for problem in found:
        cell = file.rows[problem.row - 2][place(problem)[1]]
        assert problem.value == (cell if len(cell) <= 40 else cell[:39] + "…")
        assert problem.reason


# What only the company can tell --------------------------------------------------------------------------------------

WRONG = {
    "Account": ("60000", "1050"),
    "Department": ("2000",),
    "Location": ("120-TOR", "110-NYX"),
    "Amount": ("12,5x", ""),
}
"""Accounts, departments and places that are not there, are inactive or another entity's; and what no company is asked
about."""
WRONG_VENDORS = ("Nobody Ltd.", "Beacon Printing Corp.")
"""No vendor is called so; one is, and is inactive."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("project")) as made:
        yield made


@st.composite
def records(draw: st.DrawFn) -> tuple[list[dict[str, Any]], set[tuple[int, str]], bool]:
    """Rows of bills, what is wrong in them, and whether their vendors stand on the first rows only."""
    first_only = draw(st.booleans())
    rows: list[dict[str, Any]] = []
    wrong: set[tuple[int, str]] = set()
    for bill in range(draw(st.integers(1, 4))):
        vendor = draw(st.sampled_from(("", "", *WRONG_VENDORS)))
        if vendor:
            wrong.add((len(rows) + 1, "Vendor"))
        count = draw(st.integers(1, 3))
        for number in range(count):
            row = line(f"{bill}-{number}", Bill=f"B-{bill}", Total=f"{count}00.00", Vendor=vendor or GOOD)  # type: ignore[arg-type]
            for column in draw(st.lists(st.sampled_from(sorted(WRONG)), max_size=2, unique=True)):
                row[column] = draw(st.sampled_from(WRONG[column]))
                wrong.add((len(rows) + 1, column))
            if first_only and number:
                row |= dict.fromkeys(("Vendor", "Date", "Due", "Currency", "Entity", "Total"), "")
            rows.append(row)
    return rows, wrong, first_only


GOOD = "Granite Peak Utilities Ltd"


@hypothesis_settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(made=records())
def test_so_is_what_the_company_does_not_have(
    demo: Ground, made: tuple[list[dict[str, Any]], set[tuple[int, str]], bool]
) -> None:
    rows, wrong, first_only = made
    by_name = demo.with_text(
        lambda text: text.replace('"Vendor"', '{ column = "Vendor", lookup = "name" }', 1).replace(
            "[push.bills]\n", f'[push.bills]\nheader = "{"first" if first_only else "every"}"\n'
        )
    )
    report = by_name.check("bills", rows)
    assert Counter(map(place, report.problems)) == Counter(wrong)
    for problem in report.problems:
        assert problem.value == rows[problem.row - 1][place(problem)[1]]
