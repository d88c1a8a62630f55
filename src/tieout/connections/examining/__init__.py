"""Examines a connection step by step, from the project file to the limits of the company.

For each failure it names the cause, whose move it is and where in Sage. It writes nothing to a company, mends nothing.
"""

from __future__ import annotations

from tieout.connections.examining.case import Case, Use
from tieout.connections.examining.examination import examine
from tieout.connections.examining.findings import Finding, Status

__all__ = ["Case", "Finding", "Status", "Use", "examine"]
