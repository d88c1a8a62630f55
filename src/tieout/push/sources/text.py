"""A text file's lines: decoded as declared, hashed as they pass; one clear sentence where they are not what was said.

Knows bytes and encodings, no columns.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import SourceError

if TYPE_CHECKING:
    from hashlib import _Hash

_NUL = "\x00"
_BLOCK = 1 << 17
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MARKS: dict[str, tuple[bytes, ...]] = {
    "utf-16": _WIDE_MARKS,
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


class _NulError(Exception):
    """The file holds a NUL byte where its encoding has none."""


class _HashedFile(io.FileIO):
    """A file whose bytes go through a hash on their way."""

    def __init__(self, path: Path, digest: _Hash, *, nul_allowed: bool) -> None:
        super().__init__(path)
        self._digest = digest
        self._nul_allowed = nul_allowed

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # narrower: what BufferedReader gives
        count = super().readinto(buffer) or 0
        block = bytes(memoryview(buffer)[:count])
        self._digest.update(block)
        if not self._nul_allowed and b"\0" in block:
            raise _NulError
        return count


class TextFile:
    """A file to be read as text in a declared encoding. `digest` has seen every byte at the end."""

    def __init__(self, path: Path, encoding: str, section: str, digest: _Hash) -> None:
        self.path = path
        self._declared = encoding
        self._section = section
        self._digest = digest
        try:
            found = codecs.lookup(encoding)
            if not getattr(found, "_is_text_encoding", True):
                raise LookupError
            self._codec = found.name
        except LookupError:
            raise SourceError(
                f"{section} names the encoding {encoding!r}, which does not exist.",
                advice='Use encoding = "utf-8", "cp1252" (Windows) or "utf-16".',
            ) from None
        self._is_wide = codecs.encode("\n", self._codec).removeprefix(codecs.BOM_UTF8) != b"\n"

    @contextmanager
    def lines(self) -> Iterator[Iterator[str]]:
        """The lines with their ends, which are \\n, \\r\\n or \\r. What goes wrong while they are read is raised as
        SourceError."""
        try:
            with io.BufferedReader(_HashedFile(self.path, self._digest, nul_allowed=self._is_wide), _BLOCK) as file:
                encoding = self._encoding(file.peek(4)[:4])
                with io.TextIOWrapper(file, encoding, newline="") as text:
                    yield self._without_nul(text) if self._is_wide else text
        except _NulError:
            raise self._with_nul() from None
        except UnicodeDecodeError as error:
            raise self._undecodable(error) from None
        except OSError as error:
            raise unreadable(self.path, error, self._section) from None

    def _encoding(self, start: bytes) -> str:
        """A byte order mark belongs to the encoding, not to the first column's name; another encoding's is refused."""
        if start.startswith(codecs.BOM_UTF8) and self._codec not in ("utf-8", "utf-8-sig"):
            raise self._marked("UTF-8", "utf-8")
        if start.startswith(_WIDE_MARKS) and not self._is_wide:
            raise self._marked("UTF-16", "utf-16")
        if self._codec == "utf-8":
            return "utf-8-sig"
        marks = _MARKS.get(self._codec[:6], ())
        if start.startswith(marks):
            return self._codec[:6]
        if self._codec in _MARKS and start:
            raise SourceError(
                f"{self.path.name} does not begin with the mark that {self._declared} has.",
                advice=f'Say encoding = "{self._codec}-le" in {self._section} if it comes from Windows, or "utf-8" '
                "if it is that.",
            )
        return self._codec

    def _marked(self, what: str, encoding: str) -> SourceError:
        return SourceError(
            f"{self.path.name} begins with the mark of {what}, so it is not {self._declared}.",
            advice=f'Say encoding = "{encoding}" in {self._section}.',
        )

    def _without_nul(self, lines: io.TextIOWrapper) -> Iterator[str]:
        for number, line in enumerate(lines, 1):
            if _NUL in line:
                raise self._holds_nul(number)
            yield line

    def _with_nul(self) -> SourceError:
        """Reads once more to say where, or what the file says it is."""
        with self.path.open("rb") as file:
            self._encoding(file.read(4))
            file.seek(0)
            return self._holds_nul(next((number for number, raw in enumerate(file, 1) if b"\0" in raw), 1))

    def _holds_nul(self, number: int) -> SourceError:
        return SourceError(
            f"{self.path.name}, line {number} holds a NUL byte, so this is not a text file in this encoding.",
            advice=f'Export it again as text; Excel\'s "Unicode Text" needs encoding = "utf-16" in {self._section}.',
        )

    def _undecodable(self, error: UnicodeDecodeError) -> SourceError:
        """Reads once more to say where: the decoder works on blocks and does not know."""
        if self._is_wide:
            data = self.path.read_bytes()
            try:
                data.decode(self._codec)
            except UnicodeDecodeError as whole:
                error = whole
            return SourceError(
                f"{self.path.name}: byte {error.start + 1} is not {self._declared}.",
                advice=f"Save the file as UTF-8, or correct encoding in {self._section}.",
            )
        number, raw = 1, b""
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, 1):  # noqa: B007 - used below: the line that failed
                try:
                    raw.decode(self._codec)
                except UnicodeDecodeError as here:
                    error = here
                    break
        hint = "cp1252" if self._codec in ("utf-8", "utf-8-sig") else "utf-8"
        byte = error.object[error.start]
        return SourceError(
            f"{self.path.name}, line {number}, byte {error.start + 1}: 0x{byte:02x} is not {self._declared}.",
            advice=f"If the file comes from {'Windows' if hint == 'cp1252' else 'another program'}, "
            f'say encoding = "{hint}" in {self._section}.',
        )


def refuse_unreadable(path: Path) -> None:
    """Raise SourceError where a file that somebody named in place of a section's source cannot be opened."""
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError, section: str = "") -> SourceError:
    """Why a file cannot be opened or read, and what to do. `section` is what names it, if that is a section."""
    correct = f"Correct source in {section}" if section else "Name another file"
    if isinstance(error, FileNotFoundError):
        relative = "it is relative to the project file" if section else "it is looked for in the working directory"
        return SourceError(f"There is no file {str(path)!r}.", advice=f"{correct}; {relative}.")
    if isinstance(error, IsADirectoryError):
        return SourceError(f"{str(path)!r} is a directory, not a file.", advice=f"{correct}.")
    reason = error.strerror or type(error).__name__
    return SourceError(f"{str(path)!r} cannot be read: {reason}.", advice="Check the file and its permissions.")
