"""Which fields hold personal or bank data, so that their values are not shown in messages (DESIGN rule 11)."""

from __future__ import annotations

import re

_PERSONAL = re.compile(r"(ssn|birth ?date|social|routing|account ?number|bank|iban|password|ach\.)", re.IGNORECASE)


def personal(path: str) -> bool:
    """True where a value at this path must not be repeated in a message, a log or a report."""
    return _PERSONAL.search(path) is not None
