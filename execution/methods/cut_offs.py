"""Until when the exchanges take orders for the closing auction, and until when one may be withdrawn.

Counted back from the session's close, early or not:

- NYSE and NYSE American: MOC and LOC until ten minutes before the close, and no cancel after that (NYSE rule 7.35B;
  "NYSE Opening and Closing Auctions": "Can be entered until 3:50 pm").
- Nasdaq: MOC until five, LOC until two minutes before it; no cancel in the last ten (Nasdaq rule 4754; 4702(b)(11) and (12)).
- NYSE Arca: until one minute before it (NYSE Arca rule 7.35-E).

Whatever lists elsewhere, or whose exchange isn't known, is held to the earliest, NYSE's. The rules are today's; they were
others in the years of the packaged prices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.vocabulary import ExecutionMethod

TRAVEL_S: Final = 5.0
"""An order must be at the exchange by the cut-off, not on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffs:
    """Seconds before the close."""

    moc_s: float
    loc_s: float
    cancel_s: float

    def entry_s(self, method: ExecutionMethod) -> float:
        """Until when an order of ``method`` is taken."""
        return self.loc_s if method is ExecutionMethod.LOC else self.moc_s


NYSE: Final = CutOffs(moc_s=600.0, loc_s=600.0, cancel_s=600.0)
NASDAQ: Final = CutOffs(moc_s=300.0, loc_s=120.0, cancel_s=600.0)
ARCA: Final = CutOffs(moc_s=60.0, loc_s=60.0, cancel_s=60.0)
_BY_EXCHANGE: Final = {"NASDAQ": NASDAQ, "ISLAND": NASDAQ, "ARCA": ARCA}


def cut_offs(exchange: str) -> CutOffs:
    """Cut-offs of a listing exchange, by IB's name for it."""
    return _BY_EXCHANGE.get(exchange, NYSE)
