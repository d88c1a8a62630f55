"""What push, failed and verify claim: never more than was proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tieout.cli import tie_out
from tieout.cli.output import Output
from tieout.cli.verify import verdict
from tieout.project.report import TieOutLine
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

CUSTOMERS = """
[push.customers]
object = "customers"
source = "customers.jsonl"
"""


def write(folder: Path, *records: str, text: str = CUSTOMERS) -> None:
    (folder / "tieout.toml").write_text(text)
    (folder / "customers.jsonl").write_text("".join(f"{record}\n" for record in records))


def one(number: int, more: str = "") -> str:
    return f'{{"id": "C{number}", "name": "Customer {number}", "creditLimit": {number}{more}}}'


REFUSED = ', "term": {"id": "NONE"}'


@pytest.fixture
def own(tieout: Run, tmp_path: Path) -> Iterator[Run]:
    """`tieout` connected to an empty company of its own, which stays for this test."""
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        write(tmp_path, one(1), one(2))
        yield tieout


@pytest.mark.usefixtures("impatient")
def test_a_company_that_does_not_answer_ends_verify(tieout: Run, tmp_path: Path) -> None:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        write(tmp_path, one(1))
        assert tieout("push").code == 0
    for arguments in (("verify",), ("verify", "--json")):
        shown = tieout(*arguments)
        assert shown.code == 4
        assert "ties out" not in shown.out
        assert "did not answer" in shown.out + shown.err


def test_failed_says_what_is_true(own: Run, tmp_path: Path) -> None:
    assert own("push", "--dry-run").code == 0
    before = own("failed")
    assert (before.code, before.out) == (0, "customers: nothing was pushed yet.\n")
    write(tmp_path, one(1), one(2, REFUSED))
    assert own("push").code == 1
    shown = own("failed", "customers")
    assert shown.code == 1
    assert "Nothing failed" not in shown.out
    write(tmp_path, one(7))
    assert own("push").code == 0
    assert own("failed").code == 1
    assert own("verify").code == 1, "verify and failed tell the same story"
    dismissed = own("failed", "customers", "--dismiss", "C2")
    assert dismissed.code == 0
    assert "Nothing failed: every record of the last push is posted. 1 record of earlier pushes was" in dismissed.out
    assert own("verify").code == 0
    assert own("failed", "--dismiss", "C2").code == 2
    assert own("failed", "customers", "--dismiss", "C1").code == 2


def test_failed_lists_what_changed_since_it_was_posted(own: Run, tmp_path: Path) -> None:
    assert own("push").code == 0
    assert "Nothing failed" in own("failed").out
    write(tmp_path, one(1, ', "comments": "new"'), one(2))
    pushed = own("push")
    assert pushed.code == 1
    assert "1 changed (C1)" in pushed.out
    shown = own("failed")
    assert shown.code == 1
    assert "posted with other content" in shown.out
    assert "C1" in shown.out


def test_a_push_that_broke_off_is_not_called_whole(own: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tieout.push import run

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run.Sender, "send", interrupted)
        assert own("push").code == 130
    shown = own("failed")
    assert shown.code == 1
    assert "did not finish" in shown.out
    assert "`tieout push customers` goes on" in shown.out


def test_two_connections_are_chosen_between(own: Run, tmp_path: Path) -> None:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert own("connect", "other", "--simulator", running.url).code == 0
        for command in ("push", "retry", "failed", "verify"):
            refused = own(command)
            assert refused.code == 2
            assert "--connection" in refused.err
        assert own("push", "--connection", "demo").code == 0
        assert own("retry", "-c", "demo").code == 0
        assert own("failed", "--connection", "demo").code == 0
        assert own("verify", "--connection", "demo").code == 0
        (tmp_path / "tieout.toml").write_text(CUSTOMERS + 'connection = "demo"\n')
        for command in ("failed", "verify"):
            assert own(command, "--connection", "other").code == 0, "a push keeps its own connection among all"
        assert own("verify", "customers", "--connection", "other").code == 1, "nothing was posted over that one"


def test_one_absent_source_does_not_stop_the_proof_of_others(own: Run, tmp_path: Path) -> None:
    write(tmp_path, one(1), text='[push.gone]\nobject = "customers"\nsource = "gone.jsonl"\n' + CUSTOMERS)
    assert own("push", "customers").code == 0
    shown = own("verify")
    assert shown.code == 1
    assert "There is no file" in shown.out
    assert "documents agree" in shown.out
    assert "Everything ties out" not in shown.out
    assert own("verify", "--json").json["ties"] is None


def test_an_empty_source_is_not_called_a_proof(own: Run, tmp_path: Path) -> None:
    write(tmp_path)
    shown = own("verify")
    assert shown.out.startswith("Nothing was compared")
    assert own("verify", "--json").json == {"ties": None, "lines": [], "findings": [], "notes": []}


def test_a_dry_run_shows_every_kind_of_problem_itself(own: Run, tmp_path: Path) -> None:
    write(tmp_path, *(f'{{"id": "C{n}"}}' for n in range(1, 31)), '{"id": "C99", "name": "x", "nmae": 1}')
    shown = own("push", "--dry-run")
    assert shown.code == 1
    assert "rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 18 more: name: a create needs it" in shown.out
    assert "row 31, nmae" in shown.out
    assert "tieout failed" not in shown.err


@pytest.mark.parametrize(
    ("verdicts", "whole", "words"),
    [
        ([True, True], True, "Everything ties out: 2 comparisons."),
        ([True, None], None, "1 of 2 comparisons ties out."),
        ([None], None, "Nothing could be compared."),
        ([True, False, None], False, "1 comparison of 3 does not tie out."),
        ([], None, ""),
    ],
)
def test_the_verdict_never_claims_more_than_the_lines(
    capsys: pytest.CaptureFixture[str], verdicts: list[bool | None], whole: bool | None, words: str
) -> None:
    lines = [TieOutLine(subject="x", what="rows", source=1, intacct=1, ties=ties) for ties in verdicts]
    assert verdict(lines) is whole
    tie_out.conclusion(Output(), lines)
    shown = capsys.readouterr().out
    assert shown.startswith(words)
    assert ("Everything" in shown) is (whole is True)


def test_a_held_record_that_left_the_source_may_be_dismissed(own: Run, tmp_path: Path) -> None:
    write(tmp_path, one(1), one(2).replace('"creditLimit": 2', '"creditLimit": "x"'))
    assert own("push").code == 1
    assert "Correct the source, then push it again." in own("failed").out
    write(tmp_path, one(1), one(3))
    assert own("push").code == 0
    shown = own("failed")
    assert (shown.code, "Correct the source" in shown.out) == (1, False)
    assert "`tieout failed customers --dismiss C2` takes it off the list" in shown.out
