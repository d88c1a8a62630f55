"""`tieout simulate` as a program: its first line, its end, and what it refuses."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tieout.cli.simulate import simulate
from tieout.errors import ConfigurationError

PROGRAM = "import sys, pathlib; from tieout.cli.simulate import simulate; sys.exit(simulate({arguments}))"


def start(arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(arguments=arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_stops_quietly(tmp_path: Path, how: signal.Signals) -> None:
    path = tmp_path / "demo.company"
    with start(f"0, pathlib.Path({str(path)!r}), 'empty'") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        assert found, first
        for word in ("demo-client", "demo-secret", "company demo", "admin", "us", "ca"):
            assert word in first
        with urllib.request.urlopen(f"{found[0]}/_simulator/", timeout=10) as reply:
            assert reply.status == 200
        process.send_signal(how)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert path.exists()
    assert not path.with_name("demo.company-wal").exists()


def test_a_taken_port_is_one_sentence_and_exit_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationError, match="--port") as caught:
            simulate(taken.getsockname()[1], seed="empty")
    assert caught.value.exit_code == 2


def test_bad_files_and_seeds_are_one_sentence_and_exit_2(tmp_path: Path) -> None:
    for arguments in (
        {"load": [tmp_path / "missing.json"]},
        {"company": tmp_path / "no" / "folder.company"},
        {"seed": "huge"},
    ):
        with pytest.raises(ConfigurationError) as caught:
            simulate(0, **{"seed": "empty", **arguments})
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)
