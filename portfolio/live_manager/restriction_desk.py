"""What holds new risk down, as main knows it: read from the files, journaled, and given to the decision."""

from __future__ import annotations

import structlog

from core.journal import Journal
from core.records import RecordKind
from core.restrictions import RestrictionFolder, Standing
from portfolio.live_manager.decision_cycle import DecisionCycle


class RestrictionDesk:
    """Owned by the engine thread.

    Parameters
    ----------
    folder
        Where the restrictions stand.
    cycle
        The decision that they scale.
    journal
        Main's. What stands is in it before anything is decided by it, so that a replay decides the same.
    """

    def __init__(self, folder: RestrictionFolder, cycle: DecisionCycle, journal: Journal) -> None:
        self._folder = folder
        self._cycle = cycle
        self._journal = journal
        self._seen: Standing | None = None
        self._log = structlog.get_logger(__name__)

    def look(self) -> None:
        """Read what stands, and go by it from the next decision on.

        Raises
        ------
        StopTrading
            When it can't be journaled; the restrictions count nevertheless.
        """
        standing = self._folder.standing()
        if standing == self._seen:
            return
        self._seen = standing
        self._cycle.restrict(standing.scales_of(self._cycle.strategy_names))
        for one in standing.restrictions:
            self._log.warning(
                "restricted",
                source=one.source,
                strategy=one.strategy or "all",
                scale=one.scale,
                reason=one.reason,
                since=one.since,
            )
        self._journal.append(RecordKind.RESTRICTIONS, standing.payload(self._cycle.strategy_names))
