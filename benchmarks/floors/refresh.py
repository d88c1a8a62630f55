"""The floor of a sweep: every refresh token used and replaced, as fast as a hand-written loop goes.

Eight threads over one HTTP client; each answer is decoded and stored in one table of one SQLite file, a commit each. No
lease, no encryption, no audit, no slots, nothing that a second program or a crash would need. Knows nothing of tieout.
"""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import msgspec

CLIENT = {"client_id": "demo-client", "client_secret": "demo-secret"}
THREADS = 8


class Answer(msgspec.Struct):
    access_token: str
    refresh_token: str
    expires_in: float


_answer = msgspec.json.Decoder(Answer).decode


class Sweep:
    """The tokens of a table, `refresh` to begin with."""

    def __init__(self, file: Path, refresh: list[str]) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute("create table tokens (id integer primary key, refresh text, access text, life real)")
        self._db.executemany("insert into tokens (id, refresh) values (?, ?)", enumerate(refresh))
        self._lock = threading.Lock()

    def run(self, base_url: str) -> int:
        """Use every refresh token once -> how many were replaced."""
        due = self._db.execute("select id, refresh from tokens").fetchall()
        with httpx2.Client(base_url=base_url, timeout=60) as client, ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(lambda row: self._one(client, *row), due))

    def _one(self, client: httpx2.Client, id: int, refresh: str) -> int:
        form = {"grant_type": "refresh_token", "refresh_token": refresh, **CLIENT}
        answer = _answer(client.post("/oauth2/token", data=form).raise_for_status().content)
        with self._lock:  # outside a transaction: each statement is its own commit
            self._db.execute(
                "update tokens set refresh = ?, access = ?, life = ? where id = ?",
                (answer.refresh_token, answer.access_token, answer.expires_in, id),
            )
        return 1
