"""A workbook is read as Excel shows it; what Excel cannot show as a value is refused with its cell."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from tests.push.support import settings
from tieout.errors import SourceError
from tieout.push.sources import Source, open_source
from tieout.push.sources.sheet import column_of, letters_of
from tieout.push.sources.xlsx import look_of

Fill = Callable[[Any, Any], None]


def book(folder: Path, fill: Fill, **options: Any) -> Path:
    """A workbook with one sheet, Times, filled by `fill(workbook, sheet)`."""
    path = folder / "book.xlsx"
    workbook = xlsxwriter.Workbook(path, options)
    fill(workbook, workbook.add_worksheet("Times"))
    workbook.close()
    return path


def opened(path: Path, **more: Any) -> Source:
    given = settings(object="customers", id="id", source="book.xlsx", fields={"name": "v"}, **more)
    return open_source(given, path, "[push.x]")


def refusal(path: Path, **more: Any) -> str:
    with pytest.raises(SourceError) as caught:
        list(opened(path, **more).rows())
    return str(caught.value)


def one(folder: Path, write: Fill, **options: Any) -> Any:
    """What a single cell is read as; `write(workbook, sheet)` fills B2."""

    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["id", "v"])
        sheet.write(1, 0, "a")
        write(workbook, sheet)

    [row] = opened(book(folder, fill, **options)).rows()
    return row.values["v"]


def number(value: float, format: str = "") -> Fill:
    def write(workbook: Any, sheet: Any) -> None:
        sheet.write_number(1, 1, value, workbook.add_format({"num_format": format}) if format else None)

    return write


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (number(7.0), 7),
        (number(0.1 + 0.2), Decimal("0.3")),
        (number(-1234.5, '#,##0.00_);[Red](#,##0.00)"d"'), Decimal("-1234.5")),
        (number(0.05, "0%"), Decimal("0.05")),
        (number(1.5e-7, "0.00E+00"), Decimal("1.5E-7")),
        (number(7, "00000"), "00007"),
        (number(46053, "m/d/yyyy"), date(2026, 1, 31)),
        (number(46053, "[$-407]dd/ mmmm yyyy;@"), date(2026, 1, 31)),
        (number(46053, 'yyyy"年"m"月"'), date(2026, 1, 31)),
        (number(46053.75, "m/d/yyyy"), datetime(2026, 1, 31, 18)),  # noqa: DTZ001
        (number(46053.75, "m/d/yyyy h:mm AM/PM"), datetime(2026, 1, 31, 18)),  # noqa: DTZ001
        (number(46053, "m/d/yyyy h:mm"), datetime(2026, 1, 31)),  # noqa: DTZ001
        (number(0.3125, "h:mm"), "07:30:00"),
        (number(0.3125, "[h]:mm"), "7:30:00"),
        (number(1, "d/m/yy"), date(1900, 1, 1)),
        (number(59, "d/m/yy"), date(1900, 2, 28)),
        (number(61, "d/m/yy"), date(1900, 3, 1)),
        (number(60, "d/m/yy"), "2/29/1900"),
        (number(0, "d/m/yy"), "1/0/1900"),
        (number(-1, "d/m/yy"), -1),
        (lambda _, sheet: sheet.write_string(1, 1, "007"), "007"),
        (lambda _, sheet: sheet.write_string(1, 1, "a\nb _x000D_ \x01"), "a\nb _x000D_ \x01"),
        (lambda _, sheet: sheet.write_boolean(1, 1, True), True),
        (lambda book, sheet: sheet.write_rich_string(1, 1, "a", book.add_format({"bold": True}), "b", "c"), "abc"),
        (lambda _, sheet: sheet.write_formula(1, 1, "=A2", None, "text"), "text"),
        (lambda _, sheet: sheet.write_formula(1, 1, "=1+1", None, 2), 2),
    ],
)
def test_a_cell_is_read_as_excel_shows_it(tmp_path: Path, write: Fill, expected: object) -> None:
    found = one(tmp_path, write)
    assert found == expected
    assert type(found) is type(expected)


def test_texts_inside_the_sheet_are_read_like_shared_ones(tmp_path: Path) -> None:
    assert one(tmp_path, lambda _, sheet: sheet.write_string(1, 1, " ü "), constant_memory=True) == " ü "


def test_dates_follow_the_workbooks_own_first_day(tmp_path: Path) -> None:
    def write(workbook: Any, sheet: Any) -> None:
        sheet.write_datetime(1, 1, date(2026, 1, 31), workbook.add_format({"num_format": 14}))

    assert one(tmp_path, write) == one(tmp_path, write, date_1904=True) == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda _, s: s.write_formula(1, 1, "=1/0", None, "#DIV/0!"), "(column 'v') holds the error #DIV/0!"),
        (lambda _, s: s.write_formula(1, 1, "=Gone!A1", None, "#REF!"), "holds the error #REF!"),
        (lambda _, s: s.write_formula(1, 1, "=A2"), "holds a formula that was never calculated"),
    ],
)
def test_a_cell_without_a_value_is_refused_with_its_place(tmp_path: Path, write: Fill, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        one(tmp_path, write)
    assert "book.xlsx, sheet 'Times', row 2: cell B2" in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.advice


def test_a_formula_that_no_program_calculated_is_not_taken_for_blank(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["id", "v"])
    workbook.active.append([1, "=A2*2"])
    workbook.save(tmp_path / "book.xlsx")
    assert "never calculated" in refusal(tmp_path / "book.xlsx")


def test_an_error_in_a_column_without_a_name_stops_nothing_but_is_mentioned(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ["id", "v"])
        sheet.write_row(1, 0, ["a", 1])
        sheet.write_formula(1, 3, "=1/0", None, "#DIV/0!")

    found = opened(book(tmp_path, fill))
    assert [dict(row.values) for row in found.rows()] == [{"id": "a", "v": 1}]
    assert found.notes == ["book.xlsx: cells in columns without a name are not read, the first is D2."]


def test_rows_keep_the_numbers_that_excel_shows(tmp_path: Path) -> None:
    def fill(workbook: Any, sheet: Any) -> None:
        sheet.write(0, 0, "Payroll of January")
        sheet.write_row(2, 0, ["id", "v"])
        sheet.write_row(3, 0, ["#", "What goes here"])
        sheet.write_formula(5, 1, "=1/0", None, "#DIV/0!")
        sheet.write(5, 0, "# a row that its owner put aside")
        sheet.write_row(4, 0, ["a", 1])
        sheet.write_row(8, 0, ["b", 2])
        sheet.write_blank(20, 0, None, workbook.add_format({"bold": True}))

    found = opened(book(tmp_path, fill), header_row=3, skip={"column": "id", "value": "#"})
    assert found.columns == ("id", "v")
    assert [(row.number, row.values["id"]) for row in found.rows()] == [(5, "a"), (9, "b")]
    assert (found.row_count, found.blank_rows, found.skipped_rows) == (2, 2, 2)


def test_hidden_rows_and_columns_and_merged_cells_are_read_and_mentioned(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.merge_range("A1:C1", "title")
        sheet.write_row(1, 0, ["id", "v", "w"])
        for row in range(2, 10):
            sheet.write_row(row, 0, [row, None if row in (3, 4) else "x", "y"])
        sheet.merge_range("B4:B5", "both")
        for row in (2, 3, 4, 5, 6, 7, 40):
            sheet.set_row(row, None, None, {"hidden": True})
        sheet.set_column("C:XFD", None, None, {"hidden": True})

    found = opened(book(tmp_path, fill), header_row=2)
    rows = list(found.rows())
    assert [row.values["v"] for row in rows] == ["x", "both", None, *["x"] * 5]
    assert found.notes == [
        "book.xlsx: rows 3, 4, 5, 6, 7 and 1 more are hidden, and read like the others.",
        "book.xlsx: hidden columns are read like the others: w.",
        "book.xlsx: of merged cells only the first holds the value, the others are blank: B4:B5.",
    ]


def test_a_sheet_is_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        for name in ("Notes", "Times", "Lists", "Nothing"):
            sheet = workbook.add_worksheet(name)
            if name != "Nothing":
                sheet.write_column(0, 0, ["id", name])
        workbook.get_worksheet_by_name("Lists").hide()
        workbook.add_chartsheet("Chart")
    text = refusal(path)
    assert "has several sheets: Notes, Times." in text
    assert 'sheet = "Notes"' in text
    assert "has no sheet 'Time'; it has Notes, Times, Lists, Nothing. Did you mean 'Times'?" in refusal(
        path, sheet="Time"
    )
    assert [row.values["id"] for row in opened(path, sheet="times").rows()] == ["Times"]
    assert [row.values["id"] for row in opened(path, sheet="Lists").rows()] == ["Lists"]
    assert "sheet 'Nothing', row 1 holds no column names" in refusal(path, sheet="Nothing")


def test_the_only_sheet_with_something_in_it_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        for name in ("Sheet1", "Sheet2", "Sheet3"):
            workbook.add_worksheet(name)
        workbook.get_worksheet_by_name("Sheet2").write_column(0, 0, ["id", "a"])
    assert [row.values["id"] for row in opened(path).rows()] == ["a"]


def test_two_cells_at_the_ends_of_the_grid_cost_nothing(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write(0, 0, "id")
        sheet.write(1_048_575, 0, "last")
        sheet.write(1_048_575, 16_383, "far")

    found = opened(book(tmp_path, fill))
    assert [(row.number, dict(row.values)) for row in found.rows()] == [(1_048_576, {"id": "last"})]
    assert found.blank_rows == 1_048_574
    assert "XFD1048576" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"id,v\n1,2\n", "is not an .xlsx workbook"),
        (b"", "is not an .xlsx workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "an old .xls workbook, or one protected by a password"),
    ],
)
def test_what_is_no_workbook_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    text = refusal(path)
    assert words in text
    assert "save" in text


def test_a_damaged_workbook_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = book(tmp_path, lambda _, sheet: sheet.write_column(0, 0, ["id", *range(20_000)]))
    whole = path.read_bytes()
    at = whole.index(b"xl/worksheets/sheet1.xml") + 3_000
    path.write_bytes(whole[:at] + b"\x99" * 200 + whole[at + 200 :])
    assert "book.xlsx is damaged" in refusal(path)
    path.write_bytes(whole[:-30])
    assert "not an .xlsx workbook" in refusal(path)


def rewritten(path: Path, part: str, change: Callable[[str], str]) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[part] = change(parts[part].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_a_document_type_declaration_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path, lambda _, sheet: sheet.write_column(0, 0, ["id", "a"]))
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    rewritten(path, "xl/worksheets/sheet1.xml", lambda xml: xml.replace("<worksheet", f"{bomb}<worksheet", 1))
    assert "document type declaration" in refusal(path)


def test_other_ways_to_write_the_same_sheet(tmp_path: Path) -> None:
    """With a prefix, without references, with dates in ISO 8601, and with a hint how to say a text."""
    path = book(tmp_path, lambda _, sheet: sheet.write(0, 0, "x"))
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = (
        f'<x:worksheet xmlns:x="{space}"><x:sheetData><x:row><x:c t="inlineStr"><x:is><x:t>id</x:t></x:is></x:c>'
        '<x:c t="str"><x:v>v</x:v></x:c></x:row>\n<x:row><x:c t="inlineStr"><x:is><x:r><x:t>東</x:t></x:r>'
        "<x:r><x:t>京</x:t>"
        '</x:r><x:rPh sb="0" eb="1"><x:t>トウ</x:t></x:rPh></x:is></x:c> <x:c t="d"><x:v>2026-01-31</x:v></x:c></x:row>'
        '<x:row><x:c/><x:c t="d"><x:v>2026-01-31T17:00:00</x:v></x:c></x:row>'
        '<x:row><x:c t="n"><x:v>7</x:v></x:c><x:c t="str"><x:f>""</x:f><x:v></x:v></x:c></x:row>'
        "</x:sheetData></x:worksheet>"
    )
    rewritten(path, "xl/worksheets/sheet1.xml", lambda _: sheet)
    assert [(row.number, tuple(row.values.values())) for row in opened(path).rows()] == [
        (2, ("東京", date(2026, 1, 31))),
        (3, (None, datetime(2026, 1, 31, 17))),  # noqa: DTZ001
        (4, (7, "")),
    ]


def test_a_hint_how_to_say_a_shared_text_is_no_part_of_it(tmp_path: Path) -> None:
    path = book(tmp_path, lambda _, sheet: sheet.write_column(0, 0, ["id", "東京"]))
    hint = '東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></si>'
    rewritten(path, "xl/sharedStrings.xml", lambda xml: xml.replace("東京</t></si>", hint))
    assert [row.values["id"] for row in opened(path).rows()] == ["東京"]


def test_names_of_parts_have_no_case(tmp_path: Path) -> None:
    path = book(tmp_path, lambda _, sheet: sheet.write_column(0, 0, ["id", "a"]))
    rewritten(path, "xl/_rels/workbook.xml.rels", lambda xml: xml.replace("sharedStrings.xml", "SharedStrings.xml"))
    assert [row.values["id"] for row in opened(path).rows()] == ["a"]


def test_the_hash_is_the_files_own(tmp_path: Path) -> None:
    path = book(tmp_path, lambda _, sheet: sheet.write_column(0, 0, ["id", "a"]))
    found = opened(path)
    list(found.rows())
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("code", "look"),
    [
        ("General", "number"),
        ("0.00", "number"),
        ('#,##0.00 "days"', "number"),
        ("[Red]0;[Blue]-0", "number"),
        ("[>=100]0.0;General", "number"),
        ("mmm", "date"),
        ("mm:ss.0", "time"),
        ("h:mm AM/PM", "time"),
        ("[mm]:ss", "duration"),
        (r"yyyy\-mm\-dd\ hh:mm", "datetime"),
        ('"d"0', "number"),
        ("000", 3),
        ("0", "number"),
        ("@", "number"),
    ],
)
def test_number_formats(code: str, look: object) -> None:
    assert look_of(code) == look


def test_columns_have_letters() -> None:
    assert [letters_of(n) for n in (0, 25, 26, 701, 702, 16_383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
    assert all(column_of(f"{letters_of(n)}7") == n for n in range(16_384))
