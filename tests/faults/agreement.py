"""Does our book equal the broker's? Both are folded from what was written: the journal, and the gateway's audit."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from core.journal import read
from portfolio.live_manager.book import LiveBook
from tests.faults.truth import Truth

OURS = "BS-"
_CENT = Decimal("0.01")


class Agreement:
    """Follows a journal and an audit while both grow: a look folds only what is new."""

    def __init__(self, journal: Path, audit: Path) -> None:
        self.truth = Truth()
        self._journal, self._audit = journal, audit
        self._book = LiveBook(lambda day: day)
        self._seq = self._offset = 0

    def disagreements(self) -> list[str]:
        """Where the two books differ by now."""
        for record in read(self._journal, self._seq):
            self._book.apply(record.kind, record.payload)
            self._seq = record.seq
        with self._audit.open("rb") as audit:
            audit.seek(self._offset)
            complete, newline, _ = audit.read().rpartition(b"\n")
        for line in complete.splitlines():
            self.truth.take(json.loads(line))
        self._offset += len(complete) + len(newline)
        return compare(self.truth, self._book)


def compare(truth: Truth, book: LiveBook) -> list[str]:
    """Where a folded book differs from the broker's: positions, cash, commissions. What strangers did is left out."""
    if truth.starts != 1:
        return []  # another gateway process is another account
    if not book.is_opened:
        return []
    ours = {symbol: quantity for symbol, quantity in book.ledger.net_positions().items() if quantity}
    strange = {fill.symbol for fill in truth.fills if not fill.order_ref.startswith(OURS)}
    found = [
        f"{symbol}: our book has {ours.get(symbol, 0)}, the broker {truth.held.get(symbol, 0)}"
        for symbol in sorted((ours.keys() | truth.held.keys()) - strange)
        if ours.get(symbol, 0) != truth.held.get(symbol, 0)
    ]
    if not strange:
        costs = sum(truth.commissions.values(), Decimal(0))
        if abs(book.ledger.commissions() - costs) > _CENT:
            found.append(f"commissions: our book has {book.ledger.commissions()}, the broker {costs}")
        if abs(book.ledger.cash - truth.cash) > _CENT:
            found.append(f"cash: our book has {book.ledger.cash}, the broker {truth.cash}")
    return found
