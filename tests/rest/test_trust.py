"""Whose certificates a client trusts."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from tests.certificates import self_signed
from tieout.rest.trust import trusted


def issuers() -> int:
    return trusted().cert_store_stats()["x509"]


def test_another_file_or_another_content_counts_at_once_and_nothing_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "issuers.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    for number in (1, 2):
        with file.open("ab") as more:
            more.write(self_signed("example.com", datetime.timedelta(days=1), name=f"issuer {number}")[1])
        os.utime(file, ns=(number, number))
        assert issuers() == number
        assert trusted() is trusted()
    (tmp_path / "other.pem").write_bytes(self_signed("example.com", datetime.timedelta(days=1))[1])
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    assert issuers() == 1
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(OSError):
        trusted()
