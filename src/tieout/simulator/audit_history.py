"""What is written to `company-config/audit-history`: deletions alone, where the company is set to.

Knows the shape of an entry (REST reference 9.5, 10.2); which records are deleted, the company says.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

OBJECT: Final = "company-config/audit-history"


def deletion(object: str, id: str, user: str, at: datetime) -> Mapping[str, Any]:
    """The entry of a deleted record. That it is called `delete` is INFERRED from `modify`."""
    return {
        "id": f"{object}:{id}",
        "changeDetails": {"objectName": object, "objectId": id},
        "changeSource": {
            "completedBy": user,
            "accessDateTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "actionPerformed": "delete",
            "source": "userInterface",
        },
    }
