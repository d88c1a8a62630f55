"""A local Sage Intacct: OAuth and the REST API of one or more companies, on this machine only.

It knows Sage's behaviour and nothing of tieout's client; what each behaviour rests on is in docs/simulator.md.
"""

from tieout.simulator.clock import Clock
from tieout.simulator.company import Company
from tieout.simulator.http import Request, Response
from tieout.simulator.recordings import load_recording
from tieout.simulator.server import CompanyError, Simulator

__all__ = ["Clock", "Company", "CompanyError", "Request", "Response", "Simulator", "load_recording"]
