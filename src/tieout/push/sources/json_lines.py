"""JSON Lines: one record a line, with every digit it was written with."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import SourceError
from tieout.push.sources.base import Source, SourceRow, counted
from tieout.push.sources.text import TextFile

if TYPE_CHECKING:
    from tieout.push.settings import PushSettings


class JsonLinesSource(Source):
    """A file of JSON objects, one a line. There is no header: `columns` stays empty."""

    path: Path

    def __init__(self, path: Path, settings: PushSettings, section: str) -> None:
        super().__init__(path.name, settings, section)
        self.path = path

    def _open(self) -> Iterator[SourceRow]:
        return counted(self, self._read())

    def _read(self) -> Iterator[SourceRow]:
        # Decimal, because a float already has lost the digits that a tie-out needs.
        decoder = msgspec.json.Decoder(float_hook=Decimal)
        with TextFile(self.path, self._settings.encoding, self.section, self._digest).lines() as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    self.blank_rows += 1
                    continue
                try:
                    record = decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise SourceError(
                        f"{self.name}, line {number} is not JSON: {error}.",
                        advice="JSON Lines holds one whole record a line.",
                    ) from None
                if not isinstance(record, dict):
                    raise SourceError(
                        f"{self.name}, line {number} holds {_kind(record)}, not a record.",
                        advice='Each line must be a JSON object, such as {"id": "C1", "name": "..."}.',
                    )
                yield SourceRow(number, record)


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else f"a bare {type(value).__name__}"
