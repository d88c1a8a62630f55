"""Seconds and memory of the inbox of a push: every row of a file is held, goes out as a workbook, comes back with every
one corrected, and is posted. State in SQLite, a responder in another process, each step in a process of its own.

There is no floor: nobody writes this by hand. What it is held against is the patience of a controller, and 300 MB.
Nothing here is asserted: figures, not tests.

    python benchmarks/inbox.py [--records 100000]
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from floors import responder
from floors.customers import COLUMNS, customer
from push_floor import Bench, connected, peak
from tieout.project import Project, load
from tieout.push import push, retry, write_workbook

GOAL = 300
"""MB at 100,000 records."""
LIMIT = bytes([ord("A") + list(COLUMNS).index("Limit")])
"""The letter of its column."""
_CELL = re.compile(
    rb'<c r="([A-Z]+)(\d+)" s="(\d+)" t="inlineStr"><is><t xml:space="preserve">(.*?)</t></is></c>', re.DOTALL
)
_SHARED = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
_RELATION = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"


def spoilt(path: Path, records: int) -> None:
    """The customers of the floor, each with a credit limit that is no number."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for i in range(records):
            cells = list(customer(i))
            cells[list(COLUMNS).index("Limit")] += " EUR"
            out.writerow(cells)


def hold(project: Project, records: int) -> None:
    wanted(push(project, "customers").held, records)


def book(project: Project, records: int) -> None:
    wanted(write_workbook(project, "customers", project.root / "inbox.xlsx").rows["Failed"], records)


def correct(project: Project, records: int) -> None:
    """What people do: take the words out of the numbers, and save. As Excel does, each text is written once, and cells
    name it. The workbook is cut open for it, as that is quicker."""
    texts: dict[bytes, int] = {}
    corrected = 0

    def saved(cell: re.Match[bytes]) -> bytes:
        nonlocal corrected
        column, row, style, text = cell.groups()
        if column == LIMIT and text.endswith(b" EUR"):
            corrected += 1
            text = text.removesuffix(b" EUR")
        return b'<c r="%b%b" s="%b" t="s"><v>%d</v></c>' % (column, row, style, texts.setdefault(text, len(texts)))

    with (
        zipfile.ZipFile(project.root / "inbox.xlsx") as old,
        zipfile.ZipFile(project.root / "corrected.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            data = _CELL.sub(saved, old.read(name))
            part = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%b"/></Types>' % _SHARED
            data = data.replace(b"</Types>", part)
            if name == "xl/_rels/workbook.xml.rels":
                link = b'<Relationship Id="rS" Type="%b" Target="sharedStrings.xml"/></Relationships>' % _RELATION
                data = data.replace(b"</Relationships>", link)
            new.writestr(name, data)
        with new.open("xl/sharedStrings.xml", "w") as file:
            file.write(b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">')
            for text in texts:
                file.write(b'<si><t xml:space="preserve">%b</t></si>' % text)
            file.write(b"</sst>")
    wanted(corrected, records)


def post(project: Project, records: int) -> None:
    report = retry(project, "customers", project.root / "corrected.xlsx", by="Ann")
    wanted(report.posted, records)
    wanted(len(report.corrections), records)


def left_alone(project: Project, records: int) -> None:
    wanted(push(project, "customers").corrected, records)


STEPS: dict[str, tuple[str, Callable[[Project, int], None]]] = {
    "hold": ("push: every row is held", hold),
    "book": ("failed --workbook", book),
    "correct": ("", correct),
    "post": ("retry --from, all corrected", post),
    "again": ("push of the source that still says the old", left_alone),
}


def wanted(found: int, records: int) -> None:
    if found != records:
        raise SystemExit(f"the product did not do the work: {found:,} of {records:,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("TIEOUT_")]:
        del os.environ[name]  # settings of the person who measures reach no project here
    if asked.child:
        began, project = time.perf_counter(), load(Path(asked.child[1]))
        STEPS[asked.child[0]][1](project, asked.records)
        took = {"seconds": time.perf_counter() - began, "cpu": time.process_time(), "peak": peak()}
        print(msgspec.json.encode(took).decode())
        return
    with tempfile.TemporaryDirectory() as folder, responder.start(asked.records, 0.0) as origin:
        file = Path(folder) / "customers.csv"
        spoilt(file, asked.records)
        with connected(Bench(origin, file, asked.records), "sqlite") as project:
            print(f"{asked.records:,} held rows of {len(COLUMNS)} columns, SQLite\n")
            print(f"{'':<46}{'seconds':>9}{'CPU s':>8}{'MB at most':>12}")
            for step, (what, _) in STEPS.items():
                command = [sys.executable, __file__, "--records", str(asked.records)]
                command += ["--child", step, str(project.root)]
                told = msgspec.json.decode(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
                if what:
                    print(f"{what:<46}{told['seconds']:>9.1f}{told['cpu']:>8.1f}{told['peak']:>12,.0f}", flush=True)
            print(f"{'':<46}{'goal':>17}{GOAL:>12}")


if __name__ == "__main__":
    main()
