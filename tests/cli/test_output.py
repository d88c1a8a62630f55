"""How results look: exact money, aligned columns, JSON and CSV that lose nothing, data that cannot drive a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tieout.cli.output import Column, Output, Styled, counted, money, plain
from tieout.cli.progress import Progress

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=2)


def captured(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


@given(amounts, st.integers(0, 10))
def test_money_keeps_the_value(amount: Decimal, scale: int) -> None:
    assert Decimal(money(amount, scale).replace(",", "")) == amount


@pytest.mark.parametrize(
    ("value", "scale", "shown"),
    [
        (Decimal("1234.5"), 2, "1,234.50"),
        (Decimal("-0.005"), 2, "-0.005"),
        (Decimal("1E+3"), None, "1,000"),
        (Decimal("0E-10"), None, "0.0000000000"),
        (1440, None, "1,440"),
        (None, 2, ""),
    ],
)
def test_money_never_rounds(value: Decimal | int | None, scale: int | None, shown: str) -> None:
    assert money(value, scale) == shown


def test_counted_speaks_english() -> None:
    assert (counted(1, "row"), counted(0, "row"), counted(1440, "row")) == ("1 row", "0 rows", "1,440 rows")
    assert counted(2, "entry", "entries") == "2 entries"


def test_table_puts_points_under_points(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["id", "totalDue"], [["B1", Decimal("1234.5")], ["B20", Decimal("7.25")], ["B3", None]])
    lines = captured(capsys).splitlines()
    assert lines[0].split() == ["id", "totalDue"]
    assert [line.find(".") for line in lines[1:3]] == [lines[1].find(".")] * 2
    assert lines[1].endswith("1,234.50")
    assert lines[3] == "B3"


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=300), min_size=1, max_size=5))
@settings(deadline=None)
def test_a_table_in_a_pipe_is_one_whole_line_a_row(values: list[str]) -> None:
    stream = io.StringIO()
    output = Output()
    original, sys.stdout = sys.stdout, stream
    try:
        output.table(["a", "b"], [[value, "end"] for value in values])
    finally:
        sys.stdout = original
    lines = stream.getvalue().split("\n")[:-1]
    assert len(lines) == len(values) + 1
    assert all(line.endswith("end") for line in lines[1:])
    for value, line in zip(values, lines[1:], strict=True):
        if value.isprintable():
            assert value.rstrip() in line


def test_data_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(["name"], [["\x1b[2Jgone"], ["two\nlines"], ["[red]markup[/red]"]])
    shown = captured(capsys)
    assert "\x1b" not in shown
    assert "two⏎lines" in shown
    assert "[red]markup[/red]" in shown


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.one_of(
            st.none(), st.booleans(), st.integers(), amounts, st.text(), st.dates(), st.lists(amounts, max_size=3)
        ),
    )
)
def test_json_loses_nothing(value: dict[str, object]) -> None:
    back = json.loads(json.dumps(plain(value)))
    assert back.keys() == value.keys()
    for name, item in value.items():
        match item:
            case Decimal():
                assert Decimal(back[name]) == item
                assert "E" not in back[name]
            case date():
                assert date.fromisoformat(back[name]) == item
            case list():
                assert [Decimal(text) for text in back[name]] == item
            case _:
                assert back[name] == item


def test_json_times_are_utc() -> None:
    stamp = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)
    assert plain(stamp) == "2026-11-23T14:05:00Z"
    assert plain(stamp.astimezone(timezone(timedelta(hours=-8)))) == "2026-11-23T14:05:00Z"


def test_csv_is_exact_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ["B,1", Decimal("1234.50"), None, True, date(2026, 1, 31)],
        ['say "hi"\n', Decimal("0E-2"), "", False, None],
    ]
    Output().csv(["id", "amount", "memo", "onHold", "due"], rows)
    back = list(csv.reader(io.StringIO(captured(capsys))))
    assert back == [
        ["id", "amount", "memo", "onHold", "due"],
        ["B,1", "1234.50", "", "true", "2026-01-31"],
        ['say "hi"\n', "0.00", "", "false", ""],
    ]


def test_quiet_keeps_results_and_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.say("reading")
    output.warn("odd")
    output.line("result")
    with output.progress() as progress:
        progress.advance("bills", 1, 2)
        progress.finish("bills", "2 rows")
    shown = capsys.readouterr()
    assert shown.out == "result\n"
    assert shown.err == "warning: odd\n"


def test_progress_without_a_terminal_is_a_line_a_subject(capsys: pytest.CaptureFixture[str]) -> None:
    with Output().progress() as progress:
        for done in range(100):
            progress.advance("bills", done, 100)
        progress.finish("bills", "100 rows")
    assert capsys.readouterr().err == "bills: 100 rows\n"


def test_progress_on_a_terminal_says_how_fast_and_what_it_costs() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=80)
    with Progress(Output(), console) as progress:
        progress.advance("bills", 4000, 9000, "rows", "1 page, 1 transaction")
        progress.advance("bills", 9000, 9000, "rows", "3 pages, 3 transactions")
        progress.finish("bills", "9,000 rows")
    (last,) = [line for line in shown.getvalue().splitlines() if "9000/9000" in line][-1:]
    assert "rows" in last
    assert "/s" in last
    assert "3 pages, 3 transactions" in last


def test_progress_of_many_subjects_leaves_room_for_those_under_way() -> None:
    shown = io.StringIO()
    with Progress(Output(), Console(file=shown, force_terminal=True, width=100, height=24)) as progress:
        progress.advance("slow", 1, 9)
        for number in range(40):
            progress.advance(f"bills{number}", 1, 1)
            progress.finish(f"bills{number}", "1 row")
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.getvalue()).rpartition("before")[2]
    assert "slow" in last
    assert "33/33 finished" in last
    assert last.count("bills") == 7
    assert "bills39" in last


def test_verdicts_need_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.table(["", Column("verdict")], [["a", output.ok(True)], ["b", output.ok(False)], ["c", Styled("x", "bad")]])
    shown = captured(capsys)
    assert "ties" in shown
    assert "differs" in shown
    assert "\x1b" not in shown


def on_terminal(code: str, **environment: str) -> str:
    """What a child shows on a terminal of 60 columns."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "60", "LINES": "24"} | environment,
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the terminal's end, on Linux
            break
        if not part:
            break
        parts.append(part)
    os.close(master)
    assert child.wait() == 0
    return b"".join(parts).decode()


TABLE = (
    "from tieout.cli.output import Output; o = Output();"
    "o.table(['id', 'name'], [['V1', 'x' * 200]]); o.line(o.ok(False).text); o.render; o.table(['v'], [[o.ok(False)]])"
)


def test_a_terminal_gets_colour_and_lines_that_fit() -> None:
    shown = on_terminal(TABLE)
    assert "\x1b[31m" in shown
    assert "…" in shown
    assert max(len(line) for line in re.sub("\x1b\\[[0-9;]*m", "", shown).splitlines()) <= 60


def test_no_color_is_honoured() -> None:
    assert "\x1b[31m" not in on_terminal(TABLE, NO_COLOR="1")
    assert "\x1b[3" not in on_terminal(TABLE, TERM="dumb")


WRAPPING = """
from tieout.cli.output import Column, Output, Styled
from tieout.errors import TieoutError
output = Output()
output.prose("Correct the record or the company's set-up, and then do the same thing again.", indent=2)
output.table([Column("name"), Column("")], [["A", "differs: 25 failed, 12 held and quite some more"]])
output.error(TieoutError("Something that takes more than one line to tell.", advice="Do this and then do that."))
"""


def test_a_narrow_terminal_breaks_between_words_and_loses_none() -> None:
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"NO_COLOR": "1"}
    subprocess.run([sys.executable, "-c", WRAPPING], stdout=slave, stderr=slave, env=environment, check=True)
    os.close(slave)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", os.read(master, 65536).decode()).replace("\r", "").splitlines()
    os.close(master)
    assert all(len(line) <= 30 for line in lines), lines
    assert lines[:3] == ["  Correct the record or the", "  company's set-up, and then", "  do the same thing again."]
    assert " ".join(" ".join(lines[3:]).split()).count("quite some more") == 1
    assert any(line.startswith("error: Something that takes") for line in lines)
    assert lines[-1].startswith("       ")
