"""Does the sum of the components equal the money that was paid? Three independent roads to the same cent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import duckdb

CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSums:
    """Money of one journal, from three sources.

    ``components`` is the orders' value at their decision prices plus delay, execution and fees; ``executions`` is
    summed over the single executions; ``ledger`` is what the trading ledger's cash has changed by, which
    reconciliation holds against the broker.
    """

    journal_id: str
    path: str
    parents: int
    executions_count: int
    unmeasured: int
    components: Decimal
    executions: Decimal
    ledger: Decimal

    @property
    def difference(self) -> Decimal:
        """Largest distance between two of the three."""
        three = (self.components, self.executions, self.ledger)
        return max(three) - min(three)

    @property
    def agrees(self) -> bool:
        """Whether all three are the same to less than a cent, and no filled order was left out."""
        return self.difference < CENT and self.unmeasured == 0


_QUERY: Final = """
WITH sums AS (
    SELECT journal_id, count(*) AS parents,
        count(*) FILTER (WHERE filled > 0 AND delay IS NULL) AS unmeasured,
        sum(decision_value + delay + execution + fees) AS components
    FROM parents GROUP BY journal_id
), valued AS (  -- one digit more makes DuckDB multiply in 128 bits: 64 overflow at a million dollars
    SELECT journal_id, order_ref, fee, quantity::DECIMAL(19,6) * price AS value FROM fills
), paid AS (
    SELECT f.journal_id, count(*) AS executions,
        sum(CASE p.side WHEN 'BUY' THEN f.value ELSE -f.value END + f.fee) AS money
    FROM valued f JOIN parents p USING (journal_id, order_ref) GROUP BY f.journal_id
)
SELECT j.journal_id, j.path, coalesce(s.parents, 0), coalesce(p.executions, 0), coalesce(s.unmeasured, 0),
    coalesce(s.components, 0), coalesce(p.money, 0), -j.cash_change
FROM journals j LEFT JOIN sums s USING (journal_id) LEFT JOIN paid p USING (journal_id)
ORDER BY j.path
"""


def check(connection: duckdb.DuckDBPyConnection) -> list[JournalSums]:
    """Compare the three sums of each journal in the database."""
    return [
        JournalSums(
            journal_id=journal_id,
            path=path,
            parents=parents,
            executions_count=executions,
            unmeasured=unmeasured,
            components=Decimal(components),
            executions=Decimal(money),
            ledger=Decimal(ledger),
        )
        for journal_id, path, parents, executions, unmeasured, components, money, ledger in connection.execute(
            _QUERY
        ).fetchall()
    ]
