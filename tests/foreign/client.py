"""Other people's clients, each in its own locked environment, spoken to over pipes.

They know nothing of tieout; what they are told is a base URL and credentials.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class ForeignError(Exception):
    """The client raised: `kind` is the class it raised, `response` the reply's text that it keeps."""

    def __init__(self, kind: str, message: str, response: str | None) -> None:
        super().__init__(f"{kind}: {message} {response or ''}")
        self.kind, self.response = kind, response or ""


class Foreign:
    """One client in a process of its own."""

    def __init__(self, name: str, base_url: str) -> None:
        self._process = subprocess.Popen(
            [str(environment(name)), str(Path(__file__).parent / name / "drive.py"), base_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "*"},
        )

    def ask(self, **request: Any) -> Any:
        """One call of the client -> what it returned. Raises ForeignError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the client's process ended"
        answer = json.loads(line)
        if "error" in answer:
            raise ForeignError(answer["error"], answer["message"], answer["response"])
        return answer["result"]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


def environment(name: str) -> Path:
    """The Python of the client's own environment; skips where `make` did not make it."""
    python = ROOT / ".venv" / "foreign" / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        pytest.skip(f"{name} is not installed in its own environment; `make test` does that")
    return python
