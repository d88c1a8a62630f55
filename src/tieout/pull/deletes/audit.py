"""What the company's audit history says of deleted records. A hint that saves a sweep, never a proof.

Whether deletions are written there, by which word, and whether it can be filtered by date is not known (REST reference
10.2); so an answer only names candidates, and a refusal is remembered for as long as the company's memory lasts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tieout.errors import CheckError, IntacctError, UnknownNameError
from tieout.pull.failures import is_connection_wide

if TYPE_CHECKING:
    from tieout.rest import Intacct

AUDIT: Final = "company-config/audit-history"
OBJECT, ID = "changeDetails.objectName", "changeDetails.objectId"
ACTION, AT = "changeSource.actionPerformed", "changeSource.accessDateTime"
LEARNT: Final = "deletions"
MOST = 4000
"""Entries looked at: one page."""
_WORDS = ("delet", "remov")


def readable(client: Intacct) -> bool:
    """Whether it is worth asking: it was not refused before."""
    return LEARNT not in client.memory.unqueryable(AUDIT)


def deleted(client: Intacct, object: str, since: str) -> list[str] | None:
    """Ids, or keys, of records that were deleted since a moment; None where the history cannot be read. One billable
    transaction, none where it is refused. Raises what every other request would raise too."""
    from tieout.rest import F

    where = (F(OBJECT) == object) & (F(AT) >= since)
    try:
        rows = list(client.query(AUDIT, [ID, ACTION], where, order_by=(f"-{AT}",), page_size=MOST, limit=MOST))
    except (IntacctError, UnknownNameError, CheckError) as error:
        if is_connection_wide(error):
            raise
        client.memory.keep_unqueryable(AUDIT, LEARNT, error.message)
        return None
    found = (row[ID] for row in rows if any(word in str(row[ACTION]).lower() for word in _WORDS))
    return list(dict.fromkeys(str(name) for name in found if name))
