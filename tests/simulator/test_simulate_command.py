"""`tieout simulate` as a program: its first line, its end, and what it refuses."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tieout.cli.main import main
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


def test_it_behaves_as_asked_and_tells_what_comes() -> None:
    arguments = ["--seed", "empty", "--clock", "2026-03-20T10:00:00Z", "--latency", "1ms..2ms", "--tier", "2"]
    arguments += ["--set", "rotation=strict", "--fault", '{"method": "DELETE", "status": 502}', "--log"]
    command = [sys.executable, "-m", "tieout", "simulate", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        with urllib.request.urlopen(f"{found[0]}/_simulator/switches", timeout=10) as reply:
            values = {switch["name"]: switch["value"] for switch in json.load(reply)["switches"]}
        wanted = {"latency_from": 1, "latency_to": 2, "tier": "2", "rotation": "strict"}
        assert {name: values[name] for name in wanted} == wanted
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(
                urllib.request.Request(f"{found[0]}/ia/api/v1/objects/a/b", method="DELETE"), timeout=10
            )
        with caught.value as refused:
            assert (refused.status, refused.headers["date"]) == (502, "Fri, 20 Mar 2026 10:00:00 GMT")
        process.terminate()
        _, told = process.communicate(timeout=20)
    assert re.fullmatch(r"10:00:00 DELETE /objects/a/b - 502 fault 1 \d+ms\n", told)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "rotaton=strict"], ["rotaton", "rotation"]),
        (["--set", "rotation=often"], ["lenient", "strict", "often"]),
        (["--set", "rotation"], ["NAME=VALUE"]),
        (["--set", "token_lifetime=inf"], ["number"]),
        (["--tier", "7"], ["2-500k"]),
        (["--latency", "3h"], ["50ms..200ms"]),
        (["--latency", "2s..1s"], ["smaller"]),
        (["--clock", "monday"], ["2026-03-20T10:00:00Z"]),
        (["--fault", "{}"], ["does nothing"]),
        (["--fault", "missing.json"], ["missing.json"]),
        (["--fault", '{"status": 99}'], ["status"]),
        (["--fault", '{"stat": 503}'], ["stat"]),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_2(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("error: ") == 1
    for word in words:
        assert word in told.err


def test_the_choices_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--switches", "--json"]) == 0
    listed = {switch["name"]: switch for switch in json.loads(capsys.readouterr().out)}
    assert listed["rotation"]["choices"] == ["lenient", "strict"]
    assert main(["simulate", "--switches"]) == 0
    table = capsys.readouterr().out
    assert [name for name in listed if name not in table] == []


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
