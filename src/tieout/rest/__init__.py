"""The REST API of one company. Knows no database, no project file and no other wire.

A call is data (`call`, `operations`); what surrounds it is a generator of effects (`perform`, `reading`, `writing`);
two thin drivers perform the effects (`drivers`); the clients are facades (`client`, `async_client`).
"""

from tieout.rest.async_client import AsyncIntacct
from tieout.rest.attachments import Attached, AttachedFile
from tieout.rest.batch import BatchResult, Outcome, Reference
from tieout.rest.budget import Budget
from tieout.rest.call import Call, Repeat, Reply, Request
from tieout.rest.client import Intacct
from tieout.rest.filters import F, Filter, Macro
from tieout.rest.lazy import AsyncRecords, AsyncRows, Records, Rows
from tieout.rest.lines import Lines
from tieout.rest.log import RequestLog, Tries
from tieout.rest.memory import KeptModel, Memory, ProcessMemory
from tieout.rest.meter import Cost, CountingMeter, Meter, Try, Usage
from tieout.rest.plans import Plan
from tieout.rest.query import Query
from tieout.rest.raw import RawReply
from tieout.rest.rows import Page, Record, Row
from tieout.rest.session import Session
from tieout.rest.tokens import ClientCredentials, Grant, RefreshToken, Token, TokenSource
from tieout.rest.transport import AsyncTransport, InProcessTransport, Transport
from tieout.rest.where import parse_where

__all__ = [
    "AsyncIntacct",
    "AsyncRecords",
    "AsyncRows",
    "AsyncTransport",
    "Attached",
    "AttachedFile",
    "BatchResult",
    "Budget",
    "Call",
    "ClientCredentials",
    "Cost",
    "CountingMeter",
    "F",
    "Filter",
    "Grant",
    "InProcessTransport",
    "Intacct",
    "KeptModel",
    "Lines",
    "Macro",
    "Memory",
    "Meter",
    "Outcome",
    "Page",
    "Plan",
    "ProcessMemory",
    "Query",
    "RawReply",
    "Record",
    "Records",
    "Reference",
    "RefreshToken",
    "Repeat",
    "Reply",
    "Request",
    "RequestLog",
    "Row",
    "Rows",
    "Session",
    "Token",
    "TokenSource",
    "Transport",
    "Tries",
    "Try",
    "Usage",
    "parse_where",
]
