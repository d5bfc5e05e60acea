"""What orders have cost, as features: by symbol and execution method, over the orders that were over by each session's close.

A row of a session counts the last `ORDERS` parent orders of its symbol and method that had ended by its close and whose costs
can't change any more but by a correction. So a row never knows an order of a later session, and a history made today
holds the rows that would have been made then; a broker's later correction is the exception, and the truth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

ORDERS: Final = 50
"""Orders that a mean is taken over, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostFeature:
    """One feature of costs.

    Attributes
    ----------
    expression
        Aggregate over the window, in SQL over the columns of ``parents``.
    formula
        For people.
    version
        A changed formula gets a new one.
    """

    expression: str
    formula: str
    version: int = 1


COST_FEATURES: Final = {
    "cost_orders": CostFeature(
        expression="count(*)", formula=f"orders that the row is over, at most {ORDERS}"
    ),
    "cost_arrival_bps": CostFeature(
        expression="avg(arrival_bps)", formula="mean slippage against the arrival mid, basis points"
    ),
    "cost_shortfall_bps": CostFeature(
        expression="avg(shortfall_bps)", formula="mean implementation shortfall, basis points"
    ),
    "cost_deviation_bps": CostFeature(
        expression="stddev_samp(arrival_bps)", formula="sample standard deviation of that slippage"
    ),
    "cost_spread_bps": CostFeature(
        expression="avg(spread_bps)", formula="mean quoted spread at the orders' arrival, basis points"
    ),
    "cost_fees_bps": CostFeature(
        expression="avg(CASE WHEN notional > 0 THEN fees / notional END) * 1e4",
        formula="mean fees over notional, basis points",
    ),
    "cost_participation": CostFeature(
        expression="avg(adv_share)", formula="mean share of the average daily volume"
    ),
    "cost_fill_rate": CostFeature(
        expression="avg(CASE WHEN quantity > 0 THEN filled / quantity END)",
        formula="mean filled share of the quantity",
    ),
}
"""Every feature of costs by name."""


def no_costs() -> pa.Table:
    """Return what `cost_rows` gives without any order."""
    keys = [("symbol", pa.string()), ("method", pa.string()), ("close_ns", pa.int64())]
    return pa.schema([*keys, *((name, pa.float64()) for name in COST_FEATURES)]).empty_table()


def journals_sha256(connection: duckdb.DuckDBPyConnection) -> str:
    """Hash of the journals that the database was made from, and up to where."""
    heads = connection.sql("SELECT journal_id, head_seq, head_hash FROM journals ORDER BY ALL").fetchall()
    return hashlib.sha256(repr(heads).encode()).hexdigest()


def cost_rows(connection: duckdb.DuckDBPyConnection, closes_ns: Sequence[int]) -> pa.Table:
    """Features of costs at each session's close.

    Parameters
    ----------
    connection
        The TCA database.
    closes_ns
        Closes of the sessions wanted, nanoseconds UTC, rising.

    Returns
    -------
    pa.Table
        ``symbol``, ``method``, ``close_ns`` and the features as float64, sorted by close, symbol, method. A symbol and
        method has rows in the sessions by whose close one of its orders had ended since the session before: other
        sessions change nothing, and a point-in-time join finds the newest row.
    """
    names = ", ".join(
        f'CAST({feature.expression} AS DOUBLE) AS "{name}"' for name, feature in COST_FEATURES.items()
    )
    sessions = pa.table({"close_ns": pa.array(closes_ns, pa.int64())})
    connection.execute("SET threads = 1")  # sums in one order, so that the same orders give the same bits
    connection.register("sessions", sessions)
    try:
        return connection.sql(
            f"""
            WITH ended AS (
                SELECT p.*, s.close_ns,
                       row_number() OVER (PARTITION BY symbol, method ORDER BY ended_ns, journal_id, order_ref) AS place
                FROM parents p ASOF JOIN sessions s ON p.ended_ns <= s.close_ns
                WHERE p.is_final AND p.ended_ns IS NOT NULL AND p.filled > 0
            ),
            rows AS (SELECT symbol, method, close_ns, max(place) AS last FROM ended GROUP BY ALL)
            SELECT r.symbol, r.method, r.close_ns, {names}
            FROM rows r JOIN ended e
              ON e.symbol = r.symbol AND e.method = r.method AND e.place > r.last - {ORDERS} AND e.place <= r.last
            GROUP BY r.symbol, r.method, r.close_ns
            ORDER BY r.close_ns, r.symbol, r.method"""  # noqa: S608 - our own names and numbers
        ).to_arrow_table()
    finally:
        connection.unregister("sessions")
