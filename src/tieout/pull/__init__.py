"""Intacct -> your database: reads objects page by page, merges them by key, and proves that both sides agree.

Refuses to know how Intacct is reached (rest, connections) and how rows are scheduled (jobs).
"""

from tieout.pull.frames import frame
from tieout.pull.plan.planning import PullPlan, TablePlan
from tieout.pull.proof.verifying import verify
from tieout.pull.report import OnProgress, Progress, PullReport
from tieout.pull.reporting import pull_report
from tieout.pull.run import plan, pull
from tieout.pull.settings import PullSettings
from tieout.pull.to_dlt import dlt_source

__all__ = [
    "OnProgress",
    "Progress",
    "PullPlan",
    "PullReport",
    "PullSettings",
    "TablePlan",
    "dlt_source",
    "frame",
    "plan",
    "pull",
    "pull_report",
    "verify",
]
