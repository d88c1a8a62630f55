"""`tieout doctor` on one screen: what is right, what is wrong, whose move it is; and the way to Intacct itself."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tests.cli.conftest import Run


@contextmanager
def tls_server(folder: Path, *, days: int) -> Iterator[int]:
    """A port that speaks TLS with a certificate of its own making, which ends in so many days."""
    key, pem = self_signed("localhost", timedelta(days=days), name="Office Proxy")
    (folder / "issuer.pem").write_bytes(pem)
    both = folder / "both.pem"
    both.write_bytes(key + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    plain_socket, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain_socket, server_side=True) as secure:
                        secure.recv(4096)
                        secure.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def by_environment(monkeypatch: pytest.MonkeyPatch, tieout: Run) -> Run:
    """No state database: the credentials are in the environment."""
    for name in ("TIEOUT_CLIENT_ID", "TIEOUT_CLIENT_SECRET", "TIEOUT_USER", "TIEOUT_COMPANY"):
        monkeypatch.setenv(name, f"planted-{name.lower()}")
    return tieout


def steps(shown_json: dict[str, list[dict[str, str]]]) -> dict[str, dict[str, str]]:
    return {finding["step"]: finding for finding in shown_json["findings"]}


def test_a_connection_that_works_on_one_screen(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(
        '[pull.bills]\nobject = "bills"\n[push.hours]\nobject = "timesheets"\nsource = "h.csv"\n'
        '[pull.other]\nobject = "customers"\nconnection = "elsewhere"\n'
    )
    shown = connected("doctor")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert len(lines) <= 24
    assert all(line.startswith(("✓ ok", "- skipped", " ")) for line in lines), shown.out
    assert "accounts-payable/bill " in shown.out
    assert "only a write would show" in shown.out
    assert "customer" not in shown.out, "it is another connection's"
    assert "The connection works. 4 billable transactions used." in shown.err
    assert connected("doctor", "demo", "--object", "customers", "--json").json["transactions"] == 4, (
        "one is the model, by now remembered"
    )


def test_what_is_wrong_is_told_with_code_move_and_place(connected: Run) -> None:
    shown = connected("doctor", "--entity", "E999")
    assert shown.code == 3
    assert "✗ failed" in shown.out
    assert "Your Intacct administrator's move: " in shown.out
    assert "Where: Company > Admin > Users > admin > User entities" in shown.out
    assert "1 failed. The first move is your Intacct administrator's." in shown.err
    report = connected("doctor", "--entity", "E999", "--json")
    assert (report.code, report.json["exit_code"], report.json["counts"]["failed"]) == (3, 3, 1)


def test_a_terminal_without_unicode_gets_words_alone(connected: Run, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tieout", "doctor"],
        cwd=tmp_path,
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        check=True,
    )
    assert done.stdout.startswith(b"ok")
    assert done.stdout.isascii()
    assert b"?" not in done.stdout


def test_a_mistake_in_the_project_file_comes_first(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text('[pull.bills]\nobject = "bilsl"\n')
    shown = connected("doctor", "--json")
    assert shown.code == 2
    assert steps(shown.json)["project"]["status"] == "failed"
    assert steps(shown.json)["token"]["status"] == "skipped"


def test_a_host_that_does_not_exist(by_environment: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_BASE_URL", "https://no-such-host.invalid")
    shown = by_environment("doctor", "--json")
    found = steps(shown.json)
    assert shown.code == 4
    assert (found["dns"]["status"], found["tcp"]["said"]) == ("failed", "needs Name of the host")
    assert "no-such-host.invalid" in found["dns"]["said"]
    assert "planted-tieout_client_secret" not in shown.out


def test_a_port_where_nobody_listens(by_environment: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("TIEOUT_BASE_URL", f"http://127.0.0.1:{port}")
    shown = by_environment("doctor", "--json")
    found = steps(shown.json)
    assert shown.code == 4
    assert (found["dns"]["status"], found["tcp"]["status"]) == ("ok", "failed")
    assert "tieout simulate" in found["tcp"]["advice"]


@pytest.mark.parametrize(("days", "reason"), [(300, "is signed by itself"), (-5, "has expired")])
def test_a_certificate_that_is_not_trusted(
    days: int, reason: str, by_environment: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(tmp_path, days=days) as port:
        monkeypatch.setenv("TIEOUT_BASE_URL", f"https://localhost:{port}")
        if days < 0:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "issuer.pem"))  # trusted, but for its age
        shown = by_environment("doctor", "--json")
    finding = steps(shown.json)["tls"]
    assert shown.code == 4
    assert finding["status"] == "failed"
    assert reason in finding["said"]
    assert "Office Proxy" in finding["said"], "who issued it tells which proxy it is"
    assert "SSL_CERT_FILE" in finding["advice"]


@pytest.mark.parametrize(("days", "status"), [(300, "ok"), (5, "warning")])
def test_a_certificate_that_is_trusted_and_one_that_ends_soon(
    days: int, status: str, by_environment: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(tmp_path, days=days) as port:
        monkeypatch.setenv("TIEOUT_BASE_URL", f"https://localhost:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "issuer.pem"))
        shown = by_environment("doctor", "--json", "--timeout", "1")
    found = steps(shown.json)
    assert found["tls"]["status"] == status
    assert "Office Proxy" in found["tls"]["said"]
    assert found["server"]["status"] == "ok"
    assert found["token"]["status"] == "failed"


def test_behind_a_proxy_it_is_the_proxy_that_is_looked_at(by_environment: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:planted-password@127.0.0.1:{port}")
    shown = by_environment("doctor", "--json")
    found = steps(shown.json)
    assert "a proxy before api.intacct.com" in found["dns"]["said"]
    assert found["tcp"]["status"] == "failed"
    assert "planted" not in found["tcp"]["said"] + found["dns"]["said"]


def test_nothing_is_connected(tieout: Run, tmp_path: Path) -> None:
    shown = tieout("doctor")
    assert shown.code == 3
    assert "tieout connect" in shown.out
    assert not list(tmp_path.iterdir())
