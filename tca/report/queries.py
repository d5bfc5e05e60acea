"""What the report asks the database. Sums are exact, spreads come as deviations, so a million orders stay inside DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import duckdb

from tca.intervals import Interval, t_interval

GROUPINGS: Final[Mapping[str, str]] = {
    "method": "method",
    "symbol": "symbol",
    "size": """CASE WHEN adv_share IS NULL THEN 'unknown' WHEN adv_share < 0.0001 THEN '1: below 0.01 %'
        WHEN adv_share < 0.001 THEN '2: 0.01 to 0.1 %' WHEN adv_share < 0.01 THEN '3: 0.1 to 1 %'
        WHEN adv_share < 0.05 THEN '4: 1 to 5 %' ELSE '5: above 5 %' END""",
    "time of day": """CASE WHEN day_fraction IS NULL THEN 'unknown' ELSE printf('%02d to %02d %%',
        10 * least(9, floor(day_fraction * 10))::INTEGER, 10 + 10 * least(9, floor(day_fraction * 10))::INTEGER) END""",
    "side": "side",
    "strategy": "strategy",
    "purpose": "purpose",
    "urgency": "coalesce(printf('%.1f', urgency), 'unknown')",
}
"""Name of each grouping, and the SQL of its key."""

COMPONENTS: Final = ("delay", "execution", "opportunity", "fees")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parent orders with one thing in common.

    ``bps`` is money over notional; ``mean_bps`` is the mean over the orders, each counting the same, with its 95 % t
    interval. Benchmarks and reversion are means in basis points; None where none is known.
    """

    key: str
    parents: int
    notional: Decimal
    cost: Decimal
    bps: float
    mean_bps: Interval
    arrival_bps: float | None
    vwap_bps: float | None
    close_bps: float | None
    next_open_bps: float | None
    reversion_bps: float | None
    missed_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All measured parent orders together; ``parts`` is the money of each component."""

    parents: int
    unmeasured: int
    notional: Decimal
    parts: Mapping[str, Decimal]
    cost: Decimal
    mean_bps: Interval
    first_ns: int | None
    last_ns: int | None

    def in_bps(self, money: Decimal) -> float:
        """Money in basis points of the notional."""
        return float(money / self.notional) * 1e4 if self.notional else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reweighted:
    """What a method would have cost on all orders that might have used it, by the logged propensities."""

    method: str
    chosen: int
    might_have: int
    effective: float
    bps: Interval


class Source:
    """Queries over the parent orders of the database, or of one run of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, run_id: str | None = None) -> None:
        self._connection = connection
        self._totals: Totals | None = None
        self._groups: dict[str, list[Group]] = {}
        # Only what the tables need: the page asks a dozen times, and each time reads these columns only.
        connection.execute("CREATE TEMP TABLE chosen (run_id VARCHAR)")
        connection.execute("INSERT INTO chosen VALUES (?)", [run_id])
        connection.execute(
            "CREATE TEMP VIEW measured AS SELECT p.* FROM parents p, chosen c "
            "WHERE p.shortfall_bps IS NOT NULL AND (c.run_id IS NULL OR p.run_id = c.run_id)"
        )

    def totals(self) -> Totals:
        """Sum everything up; asked once."""
        if self._totals is None:
            self._totals = self._sum_up()
        return self._totals

    def grouped(self, name: str) -> list[Group]:
        """One row for each value of a grouping, those of ordered kinds in their order, others by cost; asked once."""
        if name not in self._groups:
            self._groups[name] = self._group(name)
        return self._groups[name]

    def _sum_up(self) -> Totals:
        parts = ", ".join(f"coalesce(sum({name}), 0)" for name in COMPONENTS)
        row = self._one(
            "SELECT count(*), coalesce(sum(notional), 0), coalesce(sum(shortfall), 0), avg(shortfall_bps), "  # noqa: S608 - our own words
            f"stddev_samp(shortfall_bps), min(decided_ns), max(decided_ns), {parts} "
            "FROM measured"
        )
        unmeasured = self._one(
            "SELECT count(*) FROM parents p, chosen c "
            "WHERE p.shortfall_bps IS NULL AND (c.run_id IS NULL OR p.run_id = c.run_id)"
        )[0]
        return Totals(
            parents=row[0],
            unmeasured=unmeasured,
            notional=row[1],
            cost=row[2],
            mean_bps=_interval(row[3], row[4], row[0]),
            first_ns=row[5],
            last_ns=row[6],
            parts=dict(zip(COMPONENTS, row[7:], strict=True)),
        )

    def _group(self, name: str) -> list[Group]:
        rows = self._connection.execute(
            f"SELECT {GROUPINGS[name]} AS key, count(*), sum(notional), sum(shortfall), avg(shortfall_bps), "  # noqa: S608 - our own words
            "stddev_samp(shortfall_bps), avg(arrival_bps), avg(vwap_bps), avg(close_bps), avg(next_open_bps), "
            "avg(reversion_6_bps), sum(missed)::DOUBLE / nullif(sum(quantity)::DOUBLE, 0) "
            f"FROM measured GROUP BY 1 ORDER BY {'1' if name in _ORDERED else '4 DESC, 1'}"
        ).fetchall()
        return [
            Group(
                key=str(row[0]),
                parents=row[1],
                notional=row[2],
                cost=row[3],
                bps=float(row[3] / row[2]) * 1e4 if row[2] else 0.0,
                mean_bps=_interval(row[4], row[5], row[1]),
                arrival_bps=row[6],
                vwap_bps=row[7],
                close_bps=row[8],
                next_open_bps=row[9],
                reversion_bps=row[10],
                missed_share=row[11] or 0.0,
            )
            for row in rows
        ]

    def reweighted(self) -> list[Reweighted]:
        """Self-normalised estimate of each method's cost over the orders for which it was admissible.

        An order that got the method with probability ``p`` stands for ``1 / p`` orders that might have.
        """
        rows = self._connection.execute(
            """
            WITH logged AS (
                SELECT method, shortfall_bps AS cost, 1.0 / propensity AS weight FROM measured
                WHERE list_contains(admissible, method) AND propensity > 0
            ), sums AS (
                SELECT method, sum(weight * cost) / sum(weight) AS mean, sum(weight) AS weights,
                    sum(weight) ** 2 / sum(weight * weight) AS effective, count(*) AS chosen
                FROM logged GROUP BY method
            ), spreads AS (
                SELECT method, sqrt(sum((weight * (cost - mean)) ** 2)) / any_value(weights) AS error
                FROM logged JOIN sums USING (method) GROUP BY method
            ), offered AS (
                SELECT unnest(admissible) AS method, count(*) AS might_have FROM measured GROUP BY 1
            )
            SELECT method, chosen, might_have, effective, mean, error
            FROM sums JOIN spreads USING (method) JOIN offered USING (method) ORDER BY mean
            """
        ).fetchall()
        return [
            Reweighted(
                method=row[0],
                chosen=row[1],
                might_have=row[2],
                effective=row[3],
                bps=t_interval(row[4], row[5] * row[3] ** 0.5, max(2, round(row[3]))),
            )
            for row in rows
        ]

    def over_time(self, most: int = 60) -> list[tuple[int, int, float, float]]:
        """Cost over time: middle (ns), orders, mean basis points and its standard error, in at most ``most`` equal parts."""
        return self._connection.execute(
            """
            WITH bounds AS (SELECT min(decided_ns) AS lo, max(decided_ns) + 1 AS hi FROM measured)
            SELECT avg(decided_ns)::BIGINT, count(*), avg(shortfall_bps),
                coalesce(stddev_samp(shortfall_bps) / sqrt(count(*)), 0)
            FROM measured, bounds GROUP BY least(floor((decided_ns - lo)::DOUBLE / (hi - lo) * $1), $1 - 1) ORDER BY 1
            """,
            [most],
        ).fetchall()

    def spread_of_costs(self) -> list[tuple[str, list[float]]]:
        """Quantiles 5, 25, 50, 75 and 95 % of the cost in basis points by method."""
        return self._connection.execute(
            "SELECT method, approx_quantile(shortfall_bps, [0.05, 0.25, 0.5, 0.75, 0.95]) FROM measured "
            "GROUP BY method ORDER BY method"
        ).fetchall()

    def dearest(self, count: int) -> list[dict[str, Any]]:
        """Orders that cost most money, dearest first."""
        cursor = self._connection.execute(
            "SELECT m.order_ref, m.journal_id, j.path, m.decided_ns, m.symbol, m.side, m.method, m.quantity, m.filled, "
            "m.delay, m.execution, m.opportunity, m.fees, m.shortfall, m.shortfall_bps, m.first_seq, m.last_seq "
            "FROM measured m LEFT JOIN journals j USING (journal_id) ORDER BY m.shortfall DESC, m.order_ref LIMIT ?",
            [count],
        )
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def runs(self) -> Sequence[tuple[str, int]]:
        """List the runs in the database, with their parent orders."""
        return self._connection.execute(
            "SELECT run_id, count(*) FROM parents GROUP BY 1 ORDER BY 1"
        ).fetchall()

    def _one(self, query: str) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        if row is None:
            raise RuntimeError("an aggregate gave no row")
        return tuple(row)


_ORDERED: Final = frozenset({"size", "time of day", "urgency"})


def _interval(mean: float | None, deviation: float | None, count: int) -> Interval:
    nan = float("nan")
    return t_interval(nan if mean is None else mean, nan if deviation is None else deviation, count)
