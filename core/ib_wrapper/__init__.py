"""The broker connection: the only place that knows ibapi."""

from core.ib_wrapper.session import IBSession
from core.ib_wrapper.types import ContractInfo, SessionStatistics

__all__ = ["ContractInfo", "IBSession", "SessionStatistics"]
