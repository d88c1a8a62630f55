"""What is to be pulled into one table, and how. Knows nothing of what was pulled before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue.model import Model
from tieout.pull.abreast import Share
from tieout.pull.destinations.base import Destination
from tieout.pull.plan.rules import Rules
from tieout.pull.plan.strategy import Wanted
from tieout.pull.report import OnProgress

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct


class TableJob(msgspec.Struct, kw_only=True):
    """One table to pull."""

    client: Intacct
    company: str
    environment: str = ""
    """Of the company's connection; "" where it is not known."""
    model: Model
    destination: Destination
    table: str
    fields: Sequence[str] | None
    types: Mapping[str, str] = {}
    """Path -> the type a section gives it."""
    where: Filter | None = None
    private: bool = False
    page_size: int = 4000
    lookback: timedelta = timedelta(minutes=10)
    """How long before its watermark what changed is read again; the longer one of once a day goes on top, unless 0."""
    strategy: Wanted = "auto"
    full: bool = False
    since: str = ""
    """What changed from this moment on is read, instead of since the watermark; "" for that."""
    reset: bool = False
    """Drop the table with all that is known of it, and read it anew."""
    progress: OnProgress | None = None
    share: Share = msgspec.field(default_factory=Share)
    """What it may have of the run."""
    tie_out: bool = True
    """Whether the table is compared with Intacct at the end."""
    owner: str | None = None
    """For lines: the path of the reference to their document, `bill`."""
    owner_table: tuple[str, str] | None = None
    """For lines: table of their documents and its column of modified stamps; None where stamps are not complete."""
    documents_low: str = ""
    """For lines: the moment from which on their documents have been read."""
    parent: str = ""
    """For lines: table of their documents."""
    rules: Rules = Rules()
    """For lines: how those go that left a document."""
    lines: tuple[str, ...] = ()
    """For documents: tables of their lines."""
