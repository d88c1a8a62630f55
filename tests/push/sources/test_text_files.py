"""Every way a file can be wrong gives one sentence that names file, line and remedy; a right one is read exactly."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.push.support import settings, source
from tieout.errors import SourceError
from tieout.push.settings import PushSettings
from tieout.push.sources import open_source

CSV = settings(object="customers", source="c.csv", id="a", fields={"name": "b"})
JSONL = settings(object="customers", source="c.jsonl")


def refusal(folder: Path, content: str | bytes, given: PushSettings = CSV) -> str:
    with pytest.raises(SourceError) as caught:
        list(source(folder, content, given).rows())
    return str(caught.value)


def read(folder: Path, content: str | bytes, given: PushSettings = CSV) -> list[tuple[int, dict[str, object]]]:
    return [(row.number, dict(row.values)) for row in source(folder, content, given).rows()]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    content = 'a,b\n1,"two\nlines"\n\n3,x\n'
    assert [number for number, _ in read(tmp_path, content)] == [2, 4]


def test_blank_rows_are_counted_and_not_rows(tmp_path: Path) -> None:
    found = source(tmp_path, "a,b\n1,x\n,\n\n2,y\n", CSV)
    assert len(list(found.rows())) == found.row_count == 2
    assert found.blank_rows == 2


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    found = source(tmp_path, b"\xef\xbb\xbfa,b\r\n1,x\r\n", CSV)
    assert [dict(row.values) for row in found.rows()] == [{"a": "1", "b": "x"}]


def test_windows_bytes_are_named_with_line_byte_and_remedy(tmp_path: Path) -> None:
    text = refusal(tmp_path, "a,b\n1,x\n2,Café\n".encode("cp1252"))
    assert "line 3, byte 6: 0xe9" in text
    assert 'encoding = "cp1252"' in text


def test_windows_bytes_are_read_where_declared(tmp_path: Path) -> None:
    given = settings(object="customers", source="c.csv", id="a", encoding="cp1252", fields={"name": "b"})
    assert read(tmp_path, "a,b\n1,Café – “x”\n".encode("cp1252"), given) == [(2, {"a": "1", "b": "Café – “x”"})]


def test_utf_16_is_recognised_and_read_where_declared(tmp_path: Path) -> None:
    content = "a\tb\n1\tü\n".encode("utf-16")
    assert 'encoding = "utf-16"' in refusal(tmp_path, content)
    given = settings(object="c", source="c.txt", id="a", encoding="utf-16", separator="\t", fields={"name": "b"})
    assert read(tmp_path, content, given) == [(2, {"a": "1", "b": "ü"})]


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    given = settings(object="c", source="c.csv", id="a", encoding="latin-99", fields={"name": "b"})
    assert "'latin-99', which does not exist" in refusal(tmp_path, "a,b\n", given)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,x\n2\n", ["line 3 (row 3) has 1 cell, the header has 2"]),
        ("a,b\n1,x,y\n", ["line 2 (row 2) has 3 cells, the header has 2", "must be quoted"]),
        ('a,b\n1,"x\n2,y\n', ["line 2", "never ends"]),
        ('a,b\n1,"x"y\n', ["line 2 is not well-formed CSV"]),
        ("a,b,a\n1,2,3\n", ["the column 'a' occurs twice, at 1 and 3"]),
        ("", ["c.csv is empty"]),
        ("\n1,2\n", ["no header"]),
        ("a,b\n1,\x00\n", ["line 2 holds a NUL byte"]),
    ],
)
def test_malformed_csv_is_one_sentence(tmp_path: Path, content: str, words: list[str]) -> None:
    text = refusal(tmp_path, content)
    for word in words:
        assert word in text
    assert "c.csv" in text


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no file") as caught:
        list(open_source(CSV, tmp_path / "none.csv", "[push.x]").rows())
    assert "source in [push.x]" in caught.value.advice
    with pytest.raises(SourceError, match="is a directory"):
        list(open_source(CSV, tmp_path, "[push.x]").rows())


def test_json_lines_keep_every_digit(tmp_path: Path) -> None:
    content = '{"id": "1", "creditLimit": 12345678901234567.890}\n\n{"id": "2", "creditLimit": 3}\n'
    found = source(tmp_path, content, JSONL)
    rows = [(row.number, row.values["creditLimit"]) for row in found.rows()]
    assert rows == [(1, Decimal("12345678901234567.890")), (3, 3)]
    assert str(rows[0][1]) == "12345678901234567.890"


@pytest.mark.parametrize(
    ("line", "words"), [('{"a": 1', "line 2 is not JSON"), ("[1]", "line 2 holds a list"), ("3", "line 2 holds a bare")]
)
def test_malformed_json_lines_are_one_sentence(tmp_path: Path, line: str, words: str) -> None:
    assert words in refusal(tmp_path, '{"id": "1"}\n' + line + "\n", JSONL)


def test_the_hash_is_the_files_own(tmp_path: Path) -> None:
    import hashlib

    found = source(tmp_path, "a,b\n1,x\n", CSV)
    list(found.rows())
    assert found.sha256 == hashlib.sha256((tmp_path / "c.csv").read_bytes()).hexdigest()


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)] * 2),
        max_size=8,
    )
)
def test_what_a_csv_writer_wrote_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["a", "b"])
    writer.writerows(rows)
    found = source(tmp_path, text.getvalue(), CSV)
    assert [tuple(row.values.values()) for row in found.rows()] == [row for row in rows if any(row)]
    assert found.row_count + found.blank_rows == len(rows)
