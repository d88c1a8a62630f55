"""A record whose entity was corrected is posted there, and is on no list of the entity that it never arrived in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.push.ground import Ground, ground, line
from tests.push.inbox.test_workbook import edit
from tieout import push

WRONG = line(1, Entity="E110", Location="120-MTL")
RIGHT = line(1, Entity="E120", Location="120-MTL", Currency="CAD")


def listed(made: Ground) -> list[tuple[str, str, str]]:
    return [(record.source_id, record.state, record.entity) for record in push.failed(made.project, "bills")]


def test_an_entity_that_was_corrected_in_the_source_takes_the_record_off_the_list(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        assert made.push("bills", [WRONG, line(2), line(3, Account="nowhere")]).held == 2
        report = made.push("bills", [RIGHT, line(2), line(3, Account="nowhere")])
        assert (report.posted, report.skipped, report.held) == (1, 1, 1)
        assert listed(made) == [("B-3", "held", "E110")], "what is still wrong stays where it is"


def test_what_is_held_in_the_new_entity_too_is_listed_once(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        made.push("bills", [WRONG])
        made.push("bills", [RIGHT | {"Account": "nowhere"}])
        assert listed(made) == [("B-1", "held", "E120")]


def test_an_entity_that_was_corrected_in_the_workbook_takes_the_record_off_the_list(tmp_path: Path) -> None:
    def correct(sheet: Any) -> None:
        names = [cell.value for cell in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            row[names.index("Entity")].value, row[names.index("Currency")].value = "E120", "CAD"

    (tmp_path / "p").mkdir()
    with ground(tmp_path / "p") as made:
        made.push("bills", [WRONG, line(2)])
        path = tmp_path / "inbox.xlsx"
        push.write_workbook(made.project, "bills", path)
        edit(path, correct)
        report = push.retry(made.project, "bills", from_file=path)
        assert (report.posted, report.exit_code, listed(made)) == (1, 0, [])
        again = made.push("bills", [WRONG, line(2)])
        assert (again.corrected, again.skipped, again.exit_code, listed(made)) == (1, 1, 0, [])
        assert push.retry(made.project, "bills", from_file=path).posted == 0, "its rows are settled, in both entities"
