"""Whatever bytes a file holds, it is read or refused in one sentence that names it; nothing else comes out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.push.support import settings
from tieout.errors import SourceError
from tieout.push.sources import open_source

LENIENT = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
STRAY = st.sampled_from([b"", b"9", b"x", b"-1", b'"', b"<", b"1e999", b"99999999999999999999", b"NaN", b"XFE1", b"\0"])


def read_or_refused(path: Path, **more: object) -> None:
    given = settings(object="customers", id="id", source=path.name, fields={"name": "v"}, **more)
    refused = None
    try:
        list(open_source(given, path, "[push.x]").rows())
    except SourceError as error:
        refused = error
    if refused is not None:
        assert path.name in str(refused)
        assert refused.advice


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.xlsx"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-32-be", "shift_jis"])
@hypothesis_settings(max_examples=25, suppress_health_check=LENIENT)
@given(content=st.binary(max_size=80) | st.text('a,b;\n\r"{}:[]1\t', max_size=40).map(str.encode))
def test_any_bytes(tmp_path: Path, name: str, encoding: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    read_or_refused(tmp_path / name, encoding=encoding)


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, bytes]:
    """The parts of a workbook that has something of everything."""
    with xlsxwriter.Workbook(tmp_path / "whole.xlsx") as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["id", "v"])
        for row in range(1, 10):
            sheet.write(row, 0, f"a{row}")
            sheet.write_number(
                row, 1, 46_000 + row, workbook.add_format({"num_format": ["m/d/yyyy", "00", "[h]:mm"][row % 3]})
            )
        sheet.write_formula(5, 1, "=A1", None, 5)
        sheet.merge_range("A3:A4", "both")
        sheet.set_row(3, None, None, {"hidden": True})
        sheet.set_column("B:B", None, None, {"hidden": True})
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@hypothesis_settings(max_examples=150, suppress_health_check=LENIENT)
@given(data=st.data())
def test_a_workbook_with_any_part_damaged(tmp_path: Path, parts: dict[str, bytes], data: st.DataObject) -> None:
    changed = dict(parts)
    name = data.draw(st.sampled_from(sorted(name for name in parts if "theme" not in name and "docProps" not in name)))
    whole = changed[name]
    start = data.draw(st.integers(0, len(whole)))
    end = min(len(whole), start + data.draw(st.integers(0, 30)))
    changed[name] = whole[:start] + data.draw(STRAY) + whole[end:]
    if data.draw(st.integers(0, 20)) == 0:
        del changed[name]
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        for part, content in changed.items():
            archive.writestr(part, content)
    read_or_refused(tmp_path / "t.xlsx")


@hypothesis_settings(max_examples=100, suppress_health_check=LENIENT)
@given(spots=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_workbook_with_any_bytes_changed(
    tmp_path: Path, parts: dict[str, bytes], spots: list[tuple[int, int]]
) -> None:
    content = bytearray((tmp_path / "whole.xlsx").read_bytes())
    for position, byte in spots:
        content[position % len(content)] = byte
    (tmp_path / "t.xlsx").write_bytes(content)
    read_or_refused(tmp_path / "t.xlsx")
