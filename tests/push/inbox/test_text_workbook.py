"""Whatever a cell says, the workbook says it too, as text, to other programs and to our own reader."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from tests.push.support import settings
from tieout.errors import SourceError
from tieout.push.inbox.cells import LONGEST
from tieout.push.inbox.text_workbook import TextWorkbook
from tieout.push.sources import open_source

TEXTS = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    ["=1+1", "+SUM(A1)", "-2", "@x", "\t=1", "\r=1", "007", "1E5", "2026-11-16", "3/4/26", "TRUE", "'quoted", " pad ",
     "_x0041_", "_x0041_x0042_", "_x005F_", "_x0041\x01", "a\r\nb", "a\nb", "1234567890123456789", "é€😀",
     "&lt;<>\"'", "#N/A"]
)  # fmt: skip


def written(path: Path, rows: list[list[str]]) -> None:
    with TextWorkbook(path) as book:
        sheet = book.sheet("Failed", ["One", "Two"])
        for row in rows:
            sheet.add(row)
        book.save([sheet])


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
@example([("x" * LONGEST, "=" * LONGEST)])
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_text_comes_back_letter_for_letter(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "book.xlsx"
    wanted = [list(row) for row in rows if any(row)]
    written(path, wanted)
    source = open_source(settings(object="customers", source="book.xlsx"), path, "[push.x]")
    assert [[value or "" for value in row.values.values()] for row in source.rows()] == wanted
    sheet = openpyxl.load_workbook(path)["Failed"]
    cells = [list(row) for row in sheet.iter_rows(min_row=2)]
    assert [[unescape(cell.value or "") for cell in row] for row in cells] == wanted
    for cell in (cell for row in cells for cell in row if cell.value):
        assert cell.data_type == "s", "no formula, no number, no date"
        assert cell.number_format == "@"
        if unescape(cell.value).startswith(("=", "+", "-", "@", "\t", "\r")):
            assert cell.quotePrefix


def test_a_cell_that_nobody_filled_is_text_once_it_is(tmp_path: Path) -> None:
    written(tmp_path / "book.xlsx", [["", "x"]])
    sheet = openpyxl.load_workbook(tmp_path / "book.xlsx")["Failed"]
    assert sheet.column_dimensions["A"].number_format == "@"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:B2"
    assert sheet.column_dimensions["A"].width >= len("One")


def test_a_text_longer_than_a_cell_is_cut_and_says_so(tmp_path: Path) -> None:
    written(tmp_path / "book.xlsx", [["😀" * 20_000, "x" * (LONGEST + 1)]])
    one, two = next(openpyxl.load_workbook(tmp_path / "book.xlsx")["Failed"].iter_rows(min_row=2, values_only=True))
    for text in (one, two):
        assert len(text.encode("utf-16-le")) // 2 <= LONGEST
        assert text.endswith("(cut: longer than a cell)")


def test_only_addresses_of_the_web_are_links(tmp_path: Path) -> None:
    with TextWorkbook(tmp_path / "book.xlsx") as book:
        sheet = book.sheet("Posted", ["Link"])
        for link in ('https://x.test/?a=1&b="2"', "file:///etc/passwd", "javascript:alert(1)"):
            sheet.add([link], link)
        book.save([sheet])
    cells = [row[0] for row in openpyxl.load_workbook(tmp_path / "book.xlsx")["Posted"].iter_rows(min_row=2)]
    assert [cell.hyperlink.target if cell.hyperlink else None for cell in cells] == [
        'https://x.test/?a=1&b="2"', None, None
    ]  # fmt: skip


def test_an_interrupted_workbook_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with TextWorkbook(tmp_path / "book.xlsx") as book:
            book.sheet("Failed", ["One"]).add(["x"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError, match="cannot be written"):
        written(tmp_path / "no" / "book.xlsx", [["a", "b"]])


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        with TextWorkbook(tmp_path / "book.xlsx") as book:
            sheet = book.sheet("Posted", [f"Column {n}" for n in range(10)])
            for number in range(rows):
                sheet.add([f"value {number} {n}" for n in range(10)])
            book.save([sheet])
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(10_000) - peak(1_000) < 500_000, "bytes; the rows alone are some 20 MB"
