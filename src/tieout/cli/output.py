"""Where every command's words go: the result to standard output, progress and messages to standard error; as tables
with aligned money, as JSON, CSV or JSON lines. It knows how things look and nothing of what they mean.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json as jsonlib
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from tieout.cli.progress import Progress
    from tieout.errors import StoreError, TieoutError

UNBOUNDED = 100_000
"""Width of a table that no terminal limits, in characters: a pipe never cuts a value."""


def plain(value: Any) -> Any:
    """Any value of ours as JSON builtins: Decimal as an exact string, dates and times in ISO 8601."""
    match value:
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case bool() | int() | float() | str() | None:
            return value
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return str(value)


def money(value: Decimal | int | None, scale: int | None = None) -> str:
    """`1,234.50`; at least `scale` digits after the point, never fewer than the value has."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    digits = max(_scale(value), scale or 0)
    return f"{value:,.{digits}f}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 row`, `1,440 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _scale(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


@dataclass(frozen=True)
class Column:
    """A column of a table. `wrap` lets long text run over several lines on a terminal instead of being cut."""

    title: str
    right: bool = False
    wrap: bool = False


@dataclass
class Styled:
    """A cell with a look on terminals: good, bad, faint or strong."""

    text: str
    look: str


LOOKS = {"good": "green", "bad": "red", "faint": "dim", "strong": "bold"}


@dataclass
class Output:
    """The two streams of one run. `json` and `quiet` are the options of the same name."""

    json: bool = False
    quiet: bool = False
    _consoles: dict[int, Console] = field(default_factory=dict, repr=False)

    # Results: standard output.

    def result(self, value: Any) -> None:
        """One JSON document, indented."""
        self._write(sys.stdout, jsonlib.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")

    def line(self, text: str = "") -> None:
        """One line of the result."""
        self._write(sys.stdout, text + "\n")

    def prose(self, text: str, *, indent: int = 0, hanging: int | None = None) -> None:
        """A sentence of the result: a terminal breaks it between words and keeps the indentation, or gives its further
        lines that of `hanging`; a pipe never."""
        self._write(sys.stdout, _wrapped(" " * indent + _one_line(text), _width(sys.stdout), hanging=hanging) + "\n")

    def item(self, text: str, *, indent: int = 2) -> None:
        """One of several sentences that stand below each other: its further lines stand deeper."""
        self.prose(text, indent=indent, hanging=indent + 2)

    def heading(self, text: str) -> None:
        """A line that says what follows; bold on a terminal."""
        self.render(_text(Styled(text, "strong")))

    def table(self, columns: Sequence[Column | str], rows: Iterable[Sequence[Any]], *, indent: int = 0) -> None:
        """Rows under their column titles. Decimals share their digits after the point and stand under each other.

        A column of words without a title holds remarks: they wrap like those of a `wrap` column, nothing is cut off."""
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        heads = [column if isinstance(column, Column) else Column(column) for column in columns]
        body = [list(row) for row in rows]
        titled = any(head.title for head in heads)
        table = Table(box=None, show_header=titled, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for number, head in enumerate(heads):
            right = _format_column(body, number) or head.right
            wrap = head.wrap or not (head.title or right)
            table.add_column(
                Text(head.title),
                justify="right" if right else "left",
                no_wrap=not wrap,
                overflow="fold" if wrap else "ellipsis",
            )
        for row in body:
            table.add_row(*(_text(cell) for cell in row))
        self.render(Padding(table, (0, 0, 0, indent)) if indent else table)

    def narrowed(
        self, columns: Sequence[Column], rows: list[list[Any]], dispensable: Sequence[str]
    ) -> tuple[list[Column], list[list[Any]]]:
        """A table of texts without as many of the `dispensable` columns, the first one first, as a terminal has no room
        for unless it breaks or cuts a value; in a pipe there is room."""
        left = list(columns)
        for title in dispensable:
            widths = (max(map(_cells, column)) for column in zip([head.title for head in left], *rows, strict=True))
            if sum(width + 2 for width in widths) - 2 <= self._console(sys.stdout).width:
                break
            place = [head.title for head in left].index(title)
            left.pop(place)
            rows = [row[:place] + row[place + 1 :] for row in rows]
        return left, rows

    def render(self, what: RenderableType) -> None:
        """Anything that rich can draw, on standard output."""
        console = self._console(sys.stdout)
        with self._to_stdout(), console.capture() as capture:
            console.print(what)
        self._write(sys.stdout, "".join(line.rstrip() + "\n" for line in capture.get().splitlines()))

    def csv(self, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """RFC 4180 with a header line, `\\n` line ends; null is empty, exact decimals, ISO dates."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["" if cell is None else _csv_cell(cell) for cell in row])
            if buffer.tell() > 65536:
                self._write(sys.stdout, buffer.getvalue())
                buffer.seek(0)
                buffer.truncate()
        self._write(sys.stdout, buffer.getvalue())

    def json_lines(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """One JSON object a line."""
        for row in rows:
            self._write(sys.stdout, jsonlib.dumps(plain(row), ensure_ascii=False, separators=(",", ":")) + "\n")

    # Messages: standard error.

    def say(self, text: str) -> None:
        """What is going on; silent with --quiet."""
        if not self.quiet:
            self.ask(text)

    def ask(self, text: str) -> None:
        """What a person must read to go on, even with --quiet."""
        width = _width(sys.stderr)
        lines = (_wrapped(line, width, hanging=_after_number(line)) for line in text.split("\n"))
        self._write(sys.stderr, "\n".join(lines) + "\n")

    def warn(self, text: str) -> None:
        """Something to know even with --quiet."""
        self._write(sys.stderr, _wrapped(f"warning: {text}", _width(sys.stderr), hanging=len("warning: ")) + "\n")

    def error(self, error: TieoutError) -> None:
        """What happened, then what to do. With --json the error's public facts on standard output instead."""
        if self.json:
            self.result(error.to_dict())
            return
        width = _width(sys.stderr)
        first = _wrapped(f"error: {_sentence(error)}", width, hanging=len("error: "))
        self._write(sys.stderr, f"{self.paint('error:', 'bad', sys.stderr)}{first.removeprefix('error:')}\n")
        for extra in _error_lines(error):
            self._write(sys.stderr, _wrapped(f"       {extra}", width) + "\n")

    def interrupted(self) -> None:
        """After Ctrl-C."""
        self._write(sys.stderr, "\nInterrupted. What was finished is kept; run the same command again to continue.\n")

    def progress(self) -> Progress:
        """A context manager that shows how far things are: bars on a terminal, plain lines otherwise."""
        from tieout.cli.progress import Progress

        bars = sys.stderr.isatty() and not self.quiet and os.environ.get("TERM") != "dumb"
        return Progress(self, self._console(sys.stderr) if bars else None)

    # Looks.

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads the result."""
        return sys.stdout.isatty()

    def ok(self, ties: bool) -> Styled:
        """`✓` or `✗` with its word, readable without colour and without Unicode."""
        good, bad = ("✓ ", "✗ ") if _speaks_unicode(sys.stdout) else ("", "")
        return Styled(f"{good}ties", "good") if ties else Styled(f"{bad}differs", "bad")

    def marked(self, word: str, mark: str, look: str) -> Styled:
        """A word behind its mark, where the terminal can show that."""
        return Styled(f"{mark} {word}" if _speaks_unicode(sys.stdout) else word, look)

    def paint(self, text: str, look: str, stream: IO[str]) -> str:
        """`text` in colour where the stream takes it."""
        codes = {"good": "32", "bad": "31", "faint": "2", "strong": "1"}
        return f"\x1b[{codes[look]}m{text}\x1b[0m" if _takes_colour(stream) else text

    def _console(self, stream: IO[str]) -> Console:
        from rich.console import Console

        console = self._consoles.get(id(stream))
        if console is None:
            terminal = stream.isatty()
            console = Console(
                file=stream,
                force_terminal=terminal,
                no_color=not _takes_colour(stream),
                color_system="standard" if _takes_colour(stream) else None,
                highlight=False,
                markup=False,
                emoji=False,
                soft_wrap=False,
                width=None if terminal else UNBOUNDED,
            )
            self._consoles[id(stream)] = console
        return console

    def _write(self, stream: IO[str], text: str) -> None:
        if stream is sys.stdout:
            with self._to_stdout():
                stream.write(text)
            return
        with contextlib.suppress(OSError):  # nowhere left to say it; the exit code remains
            stream.write(text)
            stream.flush()

    def flush(self) -> None:
        """Everything of the result is out. StoreError where it cannot be written: a full disk behind a `>`."""
        with self._to_stdout():
            sys.stdout.flush()

    @contextlib.contextmanager
    def _to_stdout(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise  # whoever read us has enough, which is no error
        except OSError as error:
            self.json = False  # what is wrong can only be said on the other stream
            raise unwritable(error) from None


def unwritable(error: OSError) -> StoreError:
    """The result has nowhere to go. What is left of it is dropped, or the interpreter would try again when it ends."""
    from tieout.errors import StoreError

    abandon_stdout()
    return StoreError(
        f"The output cannot be written: {error.strerror}.", advice="Send it somewhere else, or free some space."
    )


def abandon_stdout() -> None:
    """Gives the interpreter a standard output that it can flush when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _format_column(body: list[list[Any]], number: int) -> bool:
    """Formats one column's cells in place; true where it is numeric and belongs to the right."""
    cells = [row[number] for row in body]
    decimals = [cell for cell in cells if isinstance(cell, Decimal)]
    scale = max(map(_scale, decimals), default=0)
    numeric = any(isinstance(cell, (Decimal, int)) and not isinstance(cell, bool) for cell in cells)
    for row in body:
        row[number] = _table_cell(row[number], scale)
    return numeric


def _table_cell(cell: Any, scale: int) -> str | Styled:
    match cell:
        case Styled() | str():
            return cell
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return money(cell, scale)
        case datetime():
            return cell.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if cell.tzinfo else str(cell)
        case list() | dict():
            return jsonlib.dumps(plain(cell), ensure_ascii=False)
    return str(cell)


def _csv_cell(cell: Any) -> Any:
    ready = plain(cell)
    if isinstance(ready, bool):
        return "true" if ready else "false"
    return jsonlib.dumps(ready, ensure_ascii=False) if isinstance(ready, (list, dict)) else ready


def _text(cell: str | Styled) -> RenderableType:
    from rich.text import Text

    if isinstance(cell, Styled):
        return Text(_one_line(cell.text), style=LOOKS[cell.look])
    return Text(_one_line(cell))


def _cells(cell: Any) -> int:
    """How wide a terminal shows a text."""
    from rich.cells import cell_len

    return cell_len(_one_line(cell.text if isinstance(cell, Styled) else str(cell)))


def _one_line(text: str) -> str:
    """Data never breaks a table nor drives the terminal: control characters become visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else {"\n": "⏎", "\t": " "}.get(c, "·") for c in text)


def _sentence(error: TieoutError) -> str:
    from tieout.errors import IntacctError

    if isinstance(error, IntacctError):
        label = error.error_id or error.code or f"HTTP {error.status}"
        return _one_line(f"{error.message} ({label})")
    return _one_line(error.message)


def _error_lines(error: TieoutError) -> list[str]:
    from tieout.errors import IntacctError

    lines = []
    if isinstance(error, IntacctError):
        lines += [_one_line(detail.message) for detail in error.details if detail.message != error.message]
    if error.advice:
        lines.append(_one_line(error.advice))
    if isinstance(error, IntacctError) and error.support_id:
        lines.append(f"support id {error.support_id}")
    return lines


def _width(stream: IO[str]) -> int | None:
    """Columns of the terminal behind `stream`; None where there is none, so that nothing is ever broken in a pipe."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def _wrapped(text: str, width: int | None, *, hanging: int | None = None) -> str:
    """`text` broken between words; further lines start under the first, or `hanging` characters in."""
    if width is None or len(text) <= width:
        return text
    margin = len(text) - len(text.lstrip()) if hanging is None else hanging
    return textwrap.fill(
        text,
        width=max(width, margin + 20),
        subsequent_indent=" " * margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _after_number(line: str) -> int | None:
    """Where the words of a numbered choice begin, so that its further lines stand under them."""
    found = re.match(r" +\d+ +", line)
    return found.end() if found else None


def _takes_colour(stream: IO[str]) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _speaks_unicode(stream: IO[str]) -> bool:
    return "utf" in (getattr(stream, "encoding", None) or "").lower()
