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
    marked = settings(object="c", source="c.csv", id="a", encoding="utf-8-sig", fields={"name": "b"})
    assert "line 3, byte 6: 0xe9" in refusal(tmp_path, "a,b\n1,x\n2,Café\n".encode("cp1252"), marked)
    assert 'encoding = "cp1252"' in text


def test_windows_bytes_are_read_where_declared(tmp_path: Path) -> None:
    given = settings(object="customers", source="c.csv", id="a", encoding="cp1252", fields={"name": "b"})
    assert read(tmp_path, "a,b\n1,Café – “x”\n".encode("cp1252"), given) == [(2, {"a": "1", "b": "Café – “x”"})]


def test_utf_16_is_recognised_and_read_where_declared(tmp_path: Path) -> None:
    content = "a\tb\n1\tü\n".encode("utf-16")
    assert 'encoding = "utf-16"' in refusal(tmp_path, content)
    given = settings(object="c", source="c.txt", id="a", encoding="utf-16", separator="\t", fields={"name": "b"})
    assert read(tmp_path, content, given) == [(2, {"a": "1", "b": "ü"})]


@pytest.mark.parametrize("encoding", ["latin-99", "hex", "rot13"])
def test_an_unknown_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    given = settings(object="c", source="c.csv", id="a", encoding=encoding, fields={"name": "b"})
    assert f"{encoding!r}, which does not exist" in refusal(tmp_path, "a,b\n", given)


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


def test_the_line_of_a_wrong_byte_is_right_however_far_down_it_is(tmp_path: Path) -> None:
    good = "".join(f"{n},row {n}\n" for n in range(40_000)).encode()
    assert "line 40002, byte 3: 0xe9" in refusal(tmp_path, b"a,b\n" + good + b"1,\xe9\n")
    assert "line 40002 holds a NUL byte" in refusal(tmp_path, b"a,b\n" + good + b"1,\x00\n")


def test_a_multi_byte_character_at_a_block_edge_is_read_whole(tmp_path: Path) -> None:
    for shift in range(4):
        content = "a,b\n" + "x" * shift + "," + "€" * 100_000 + "\n"
        assert read(tmp_path, content) == [(2, {"a": "x" * shift, "b": "€" * 100_000})]


@pytest.mark.parametrize(
    ("content", "encoding", "hint"),
    [
        (b"\xef\xbb\xbfa,b\n1,x\n", "cp1252", 'encoding = "utf-8"'),
        ("a,b\n1,x\n".encode("utf-16"), "cp1252", 'encoding = "utf-16"'),
    ],
)
def test_a_mark_that_contradicts_the_declared_encoding_is_refused(
    tmp_path: Path, content: bytes, encoding: str, hint: str
) -> None:
    text = refusal(
        tmp_path, content, settings(object="c", source="c.csv", id="a", encoding=encoding, fields={"n": "b"})
    )
    assert "begins with the mark of" in text
    assert hint in text


def test_wide_encodings_are_held_to_their_word(tmp_path: Path) -> None:
    wide = settings(object="c", source="c.csv", id="a", encoding="utf-16-le", fields={"name": "b"})
    assert read(tmp_path, "\ufeffa,b\n1,\u2028x\n".encode("utf-16-le"), wide) == [(2, {"a": "1", "b": "\u2028x"})]
    bare = settings(object="c", source="c.csv", id="a", encoding="utf-16", fields={"name": "b"})
    assert 'encoding = "utf-16-le"' in refusal(tmp_path, "a,b\n1,x\n".encode("utf-16-le"), bare)
    assert "byte 9 is not utf-16-le" in refusal(tmp_path, "a,b\n".encode("utf-16-le") + b"\x00\xdc1\x00", wide)
    assert "line 2 holds a NUL byte" in refusal(tmp_path, "a,b\n1,\x00\n".encode("utf-16-le"), wide)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, end.join(["a,b", "1,x", '2,"y"', ""])) == [
        (2, {"a": "1", "b": "x"}),
        (3, {"a": "2", "b": "y"}),
    ]


def test_a_line_end_inside_a_cell_stays_as_it_is(tmp_path: Path) -> None:
    assert read(tmp_path, 'a,b\r\n1,"x\r\ny\rz\nw"\r\n') == [(2, {"a": "1", "b": "x\r\ny\rz\nw"})]


def test_titles_above_the_header_are_not_data(tmp_path: Path) -> None:
    given = settings(object="c", source="c.csv", id="a", header_row=3, fields={"name": "b"})
    content = 'Bills of January\n"made by, Ann",x,y\na,b\n1,x\n'
    assert read(tmp_path, content, given) == [(4, {"a": "1", "b": "x"})]
    assert "has no header in row 3" in refusal(tmp_path, "a,b\n1,x\n", given)
    assert "line 5 (row 5) has 1 cell" in refusal(tmp_path, content + "2\n", given)


def test_marked_rows_are_left_out_and_counted_however_they_look(tmp_path: Path) -> None:
    given = settings(
        object="c", source="c.csv", id="a", skip={"column": "DONOTIMPORT", "value": "#"}, fields={"name": "b"}
    )
    content = "DONOTIMPORT,a,b\n#,Required,Text\n# see help\n,1,x\n #,2,y\n##,3,z,too many\n,4,#\n"
    found = source(tmp_path, content, given)
    assert [(row.number, row.values["a"]) for row in found.rows()] == [(4, "1"), (7, "4")]
    assert (found.row_count, found.skipped_rows, found.blank_rows) == (2, 4, 0)


def test_a_skip_of_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    given = settings(object="c", source="c.csv", id="a", skip={"column": "Aa", "value": "#"}, fields={"name": "b"})
    assert "skip in [push.times] names the column 'Aa', which c.csv does not have" in refusal(tmp_path, "a,b\n", given)


def test_columns_are_known_before_and_after_rows_are_asked_for(tmp_path: Path) -> None:
    found = source(tmp_path, "a,b\n1,x\n", CSV)
    assert found.columns == ("a", "b")
    assert len(list(found.rows())) == 1
    assert found.columns == ("a", "b")
    with pytest.raises(AssertionError):
        found.rows()


def test_a_closed_source_lets_go_of_its_file(tmp_path: Path) -> None:
    found = source(tmp_path, "a,b\n1,x\n", CSV)
    rows = found.rows()
    next(rows)
    assert str(tmp_path / "c.csv") in open_files()
    found.close()
    assert str(tmp_path / "c.csv") not in open_files()
    assert list(rows) == []


def open_files() -> set[str]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("this system does not tell which files are open")
    return {str(link.readlink()) for link in folder.iterdir() if link.exists()}


def test_a_file_of_another_kind_tells_by_its_ending(tmp_path: Path) -> None:
    given = settings(object="c", source="c.dat", format="csv", id="a", fields={"name": "b"})
    for name, content in (("c.dat", "a,b\n1,x\n"), ("other", "a,b\n1,x\n"), ("fixed.jsonl", '{"a": "1", "b": "x"}\n')):
        (tmp_path / name).write_text(content)
        rows = list(open_source(given, tmp_path / name, "[push.x]").rows())
        assert [dict(row.values) for row in rows] == [{"a": "1", "b": "x"}]
