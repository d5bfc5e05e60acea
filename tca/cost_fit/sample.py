"""The orders that a cost model is fitted to, out of the TCA database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

FloatVector = npt.NDArray[np.float64]
IntVector = npt.NDArray[np.int64]

_MEASURED = """
    SELECT arrival_bps AS cost,
           spread_bps / 2 AS half_spread,
           adv_share * CAST(filled / quantity AS DOUBLE) AS adv_share,
           dense_rank() OVER (ORDER BY symbol, decided_ns // 86400000000000) - 1 AS cluster,
           decided_ns
    FROM parents
    WHERE method IN (SELECT unnest($methods)) AND purpose IN ('entry', 'exit') AND ended_ns IS NOT NULL
          AND filled > 0 AND isfinite(arrival_bps) AND spread_bps >= 0 AND isfinite(spread_bps)
          AND adv_share > 0 AND isfinite(adv_share)
    ORDER BY decided_ns, journal_id, order_ref
"""
"""US sessions lie within one day of UTC, so a day of UTC is a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Orders that have ended, each of shape (orders,).

    Attributes
    ----------
    cost
        What the fills were worse by than the arrival mid, basis points; positive is a cost.
    half_spread
        Half of the spread that was quoted at the arrival, basis points.
    participation
        Filled quantity over the average volume of a bar of the backtest.
    cluster
        Number of the order's symbol and session, from 0: orders of one are likely to share the market's move.
    decided_ns
        When it was decided, nanoseconds UTC.
    """

    cost: FloatVector
    half_spread: FloatVector
    participation: FloatVector
    cluster: IntVector
    decided_ns: IntVector

    def __len__(self) -> int:
        return len(self.cost)

    @property
    def clusters(self) -> int:
        """How many pairs of symbol and session there are."""
        return int(self.cluster.max()) + 1 if len(self) else 0


def read_sample(
    connection: duckdb.DuckDBPyConnection, methods: Sequence[str], *, bars_per_session: float
) -> Sample:
    """Entries and exits of these methods of which quote and size were logged.

    Parameters
    ----------
    connection
        The TCA database.
    methods
        Names of `core.vocabulary.ExecutionMethod`.
    bars_per_session
        Of the bars that will be backtested on. ``adv_share`` is the quantity over the average daily volume, and a bar
        has that volume over the bars of a session.
    """
    columns = connection.execute(_MEASURED, {"methods": list(methods)}).fetchnumpy()
    return Sample(
        cost=_floats(columns["cost"]),
        half_spread=_floats(columns["half_spread"]),
        participation=_floats(columns["adv_share"]) * bars_per_session,
        cluster=np.asarray(columns["cluster"], dtype=np.int64),
        decided_ns=np.asarray(columns["decided_ns"], dtype=np.int64),
    )


def ended_by_method(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many entries and exits of each method have filled and ended, the most frequent first."""
    rows = connection.execute(
        "SELECT method, count(*) FROM parents WHERE purpose IN ('entry', 'exit') AND ended_ns IS NOT NULL "
        "AND filled > 0 GROUP BY method ORDER BY count(*) DESC, method"
    ).fetchall()
    return {str(method): int(count) for method, count in rows}


def _floats(column: npt.ArrayLike) -> FloatVector:
    return np.asarray(column, dtype=np.float64)
