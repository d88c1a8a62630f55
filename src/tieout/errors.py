"""One family of errors for every wire. Each says what happened, whose move it is, and what to do.

    TieoutError
    ├── ConfigurationError          the project, the command or the arguments are wrong         exit 2
    │   ├── UnknownNameError        no such object, field, column, connection ... (nearest names)
    │   ├── CheckError              a query, body or source does not fit; all problems at once
    │   └── SourceError             a source file cannot be read as declared
    ├── NotAuthorisedError          no connection, or its credentials are refused               exit 3
    ├── UnreachableError            no answer from Intacct                                      exit 4
    │   ├── DeadlineError           no answer in time
    │   └── ReplyError              an answer, but not one that Intacct gives (HTML, cut, empty)
    ├── StoreError                  the state database or a destination                         exit 5
    ├── BusyError                   another run holds it                                        exit 6
    ├── BudgetError                 the transaction budget is used up                           exit 7
    ├── OutcomeUnknownError         a write was sent and nobody can tell whether it arrived      exit 1
    ├── AttachmentError             files were attached in part                             as its cause
    └── IntacctError                Intacct answered with an error
        ├── TokenRefusedError       401, REST-1206, REST-2102, GW-0031, GW-0040                  exit 3
        ├── ForbiddenError          403                                                          exit 3
        ├── InvalidRequestError     400: the request itself is wrong                             exit 2
        │   └── TooLargeError       413, or 429 for its size: cut it                             exit 2
        ├── NotFoundError           404                                                          exit 1
        ├── ConflictError           409: idempotency or unique key                               exit 1
        ├── RefusedError            422: a business rule says no                                 exit 1
        ├── ThrottledError          429                                                          exit 4
        └── ServerError             5xx                                                          exit 4

The text of an error never holds a secret, a token or a request body.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

import msgspec


class Exit:
    """Exit codes of the command line (docs/reference/exit-codes.md). Stable."""

    DONE = 0
    RECORDS = 1
    USAGE = 2
    NOT_AUTHORISED = 3
    UNREACHABLE = 4
    STORE = 5
    BUSY = 6
    BUDGET = 7
    INTERRUPTED = 130
    CUT_OFF = 141


class Whose(StrEnum):
    """Whose move it is."""

    YOURS = "yours"
    ADMINISTRATOR = "your Intacct administrator's"
    SAGE = "Sage's"
    NETWORK = "your network's"
    TIEOUT = "tieout's"


def redacted(url: str) -> str:
    """A URL as messages may show it: `postgresql://u:secret@host/db?password=x` -> `postgresql://***@host/db?***`.

    Everything before the last @ counts as credentials, since a password may hold any character unescaped."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    _, at, place = rest.rpartition("@")
    place, question, _ = place.partition("?")
    return f"{scheme}://{'***@' if at else ''}{place}{'?***' if question else ''}"


class TieoutError(Exception):
    """Root of the family.

    `message` says what happened in one sentence, `advice` what to do about it, `whose` who can.
    """

    exit_code: int = Exit.RECORDS
    whose: Whose = Whose.YOURS

    def __init__(self, message: str, *, advice: str = "", whose: Whose | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        if whose is not None:
            self.whose = whose

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()

    def __repr__(self) -> str:
        shown = "".join(f", {name}={value!r}" for name, value in self._facts().items() if value)
        return f"{type(self).__name__}({self.message!r}{shown})"

    def _facts(self) -> dict[str, Any]:
        """What a repr shows beside the message."""
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args` alone, which no error with named arguments survives.
        return _again, (type(self), self.args, self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: every public fact, nothing secret."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "whose_move": str(self.whose),
            "advice": self.advice,
            "exit_code": self.exit_code,
        }


def _again(kind: type[TieoutError], args: tuple[Any, ...], facts: dict[str, Any]) -> TieoutError:
    """An error as it was, in another process or as a copy."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mistake found before anything was sent."""

    path: str
    """Where: a field path, `row 7, column Hours`, `[push.timesheets.fields] lines.hours`."""
    reason: str
    nearest: str = ""
    """The nearest right name or value, if one is near."""
    row: int = 0
    """1-based row of the source, 0 where there is none."""
    value: str = ""
    """The value found, shortened; empty where it could be personal."""

    def __str__(self) -> str:
        hint = f" (did you mean {self.nearest!r}?)" if self.nearest else ""
        return f"{self.path}: {self.reason}{hint}"


class ConfigurationError(TieoutError):
    exit_code = Exit.USAGE


class UnknownNameError(ConfigurationError):
    """A name that nothing answers to. `nearest` holds the closest ones, best first."""

    def __init__(self, kind: str, name: str, *, nearest: Sequence[str] = (), advice: str = "") -> None:
        hint = f"Did you mean {' or '.join(nearest[:3])}?" if nearest else advice
        super().__init__(f"There is no {kind} {name!r}.", advice=hint)
        self.kind, self.name, self.nearest = kind, name, tuple(nearest)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"kind": self.kind, "name": self.name, "nearest": list(self.nearest)}


class CheckError(ConfigurationError):
    """Everything that is wrong with a query, a body or a mapping, found before sending it."""

    def __init__(self, what: str, problems: Sequence[Problem], *, advice: str = "Nothing was sent.") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        shown = "; ".join(str(p) for p in self.problems[:5])
        more = f"; and {count - 5} more" if count > 5 else ""
        super().__init__(f"{what} has {count} problem{'s' if count != 1 else ''}: {shown}{more}.", advice=advice)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"problems": [msgspec.to_builtins(p) for p in self.problems]}


class CheckWarning(UserWarning):
    """What a check doubts but does not refuse: a deprecated name, a rule that only the documentation tells.

    Python's own `warnings`: shown once for each line of a program, silenced or made an error by its usual filters."""


class SourceError(ConfigurationError):
    """A source file cannot be read as it is declared."""


class NotAuthorisedError(TieoutError):
    exit_code = Exit.NOT_AUTHORISED


class UnreachableError(TieoutError):
    exit_code = Exit.UNREACHABLE
    whose = Whose.NETWORK


class DeadlineError(UnreachableError):
    """No answer in time."""


class ReplyError(UnreachableError):
    """An answer came, but not one that Intacct gives: HTML, cut off, empty, or of another shape."""

    whose = Whose.SAGE

    def __init__(self, message: str, *, advice: str = "", whose: Whose | None = None, status: int = 0) -> None:
        super().__init__(message, advice=advice, whose=whose)
        self.status = status
        """HTTP status it came under, 0 where that does not matter."""

    def _facts(self) -> dict[str, Any]:
        return super()._facts() | {"status": self.status}


class StoreError(TieoutError):
    """The state database or a destination cannot be opened, read or written."""

    exit_code = Exit.STORE


class BusyError(TieoutError):
    exit_code = Exit.BUSY


class BudgetError(TieoutError):
    exit_code = Exit.BUDGET
    spent: str = ""
    """How much of the budget is, in words: `the budget of 5 transactions is spent`."""
    reports: Sequence[Any] = ()
    """From a pull: its `PullReport`s of the tables that it had begun, or could not have."""


class OutcomeUnknownError(TieoutError):
    """A write was sent, under one key however often, and no usable answer came: Intacct may or may not hold it.

    Sending the same body again under `idempotency_key` settles it and cannot write twice (REST reference 7.6)."""

    exit_code = Exit.RECORDS

    def __init__(
        self, message: str, *, advice: str = "", whose: Whose | None = None, idempotency_key: str | None = None
    ) -> None:
        super().__init__(message, advice=advice, whose=whose)
        self.idempotency_key = idempotency_key

    def _facts(self) -> dict[str, Any]:
        return {"idempotency_key": self.idempotency_key}

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"idempotency_key": self.idempotency_key}


def left_unknown(error: BaseException) -> OutcomeUnknownError | None:
    """What an interrupted write left behind: Ctrl-C, a cancelled task or a timeout of asyncio around a call that had
    been sent is raised from an OutcomeUnknownError, which names the idempotency key that settles it.

    >>> try:
    ...     async with asyncio.timeout(5):
    ...         await intacct.create("vendors", body)
    ... except TimeoutError as error:
    ...     unknown = left_unknown(error)          # None: nothing was sent
    """
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None or isinstance(seen, OutcomeUnknownError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


class AttachmentError(TieoutError):
    """Files were attached in part. Attaching the same files again adds those that are missing and none twice."""

    def __init__(
        self,
        message: str,
        *,
        id: str,
        cause: TieoutError,
        key: str | None = None,
        added: Sequence[str] = (),
        missing: Sequence[str] = (),
    ) -> None:
        has = f"Attachment {id!r} holds {', '.join(added)}. " if added else ""
        again = f"{has}Attach the same files again: what is there is not added twice."
        super().__init__(message, advice=f"{cause.advice} {again}".strip(), whose=cause.whose)
        self.exit_code = cause.exit_code
        self.cause = cause
        """What Intacct answered, or that it did not."""
        self.key = key
        """The attachment's key; None if it is not known whether it was made."""
        self.id = id
        self.added = tuple(added)
        """Names of the files that this call added."""
        self.missing = tuple(missing)
        """Names of those that it did not, the first one perhaps."""


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of `ia::error.details` (REST reference 8.3)."""

    error_id: str = ""
    code: str = ""
    message: str = ""
    target: str = ""
    correction: str = ""


class IntacctError(TieoutError):
    """Intacct answered with an error (REST reference 8).

    Codes first, words last: branch on `status` and `error_id`, never on `message`.
    """

    whose = Whose.YOURS
    gateway: bool = False
    """It did not come in Intacct's own envelope, `ia::error`, but from a gateway before it, which knows nothing of an
    earlier try of the same request."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error_id: str = "",
        code: str = "",
        support_id: str = "",
        details: Sequence[Detail] = (),
        placeholders: dict[str, str] | None = None,
        advice: str = "",
        whose: Whose | None = None,
        request: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, advice=advice, whose=whose)
        self.status = status
        self.error_id = error_id
        self.code = code
        self.support_id = support_id
        self.details = tuple(details)
        self.placeholders = placeholders or {}
        self.request = request
        """Method and path of the request, without query and body."""
        self.retry_after = retry_after
        """Seconds that Intacct asks to wait before the next try, where it said so."""

    def _facts(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "error_id": self.error_id,
            "code": self.code,
            "details": [f"{d.error_id or d.code}: {d.message}".removeprefix(": ") for d in self.details],
            "request": self.request,
            "support_id": self.support_id,
        }

    def __str__(self) -> str:
        label = self.error_id or self.code or f"HTTP {self.status}"
        text = f"{label}: {self.message}"
        for detail in self.details:
            inner = detail.error_id or detail.code
            text += f" [{inner}: {detail.message}]" if inner else f" [{detail.message}]"
        if self.advice:
            text += f"{'' if text.endswith(('.', '!', '?')) else '.'} {self.advice}"
        if self.support_id:
            text += f" (support id {self.support_id})"
        return text

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {
            "status": self.status,
            "error_id": self.error_id,
            "code": self.code,
            "support_id": self.support_id,
            "details": [msgspec.to_builtins(d) for d in self.details],
            "placeholders": dict(self.placeholders),
            "request": self.request,
            "retry_after": self.retry_after,
        }


class TokenRefusedError(IntacctError):
    exit_code = Exit.NOT_AUTHORISED


class ForbiddenError(IntacctError):
    exit_code = Exit.NOT_AUTHORISED
    whose = Whose.ADMINISTRATOR


class InvalidRequestError(IntacctError):
    exit_code = Exit.USAGE


class TooLargeError(InvalidRequestError):
    """More than Intacct takes in one request (REST reference 4.7, 8.7). Nothing of it was processed."""


class NotFoundError(IntacctError):
    pass


Meaning = Literal["duplicate", "in flight", "reserved", "other body", "unclear"]


class ConflictError(IntacctError):
    """409, whose four meanings Intacct words in ways that no source shows (REST reference 7.6, 8.1)."""

    meaning: Meaning = "unclear"
    """`duplicate`: a record with the same unique value exists; a rule of the books, nothing was written.
    `in flight`: another request under the same idempotency key is under way.
    `reserved`: the key was used more than 48 hours ago; that request was processed, this one was not.
    `other body`: the key was used for another body; this one was not processed.
    `unclear`: Intacct's words fit none of them, and the key may have been used before."""

    def _facts(self) -> dict[str, Any]:
        return super()._facts() | {"meaning": self.meaning}

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"meaning": self.meaning}


class RefusedError(IntacctError):
    pass


class ThrottledError(IntacctError):
    exit_code = Exit.UNREACHABLE
    whose = Whose.SAGE


class ServerError(IntacctError):
    exit_code = Exit.UNREACHABLE
    whose = Whose.SAGE
