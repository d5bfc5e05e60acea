"""Results on disk: one line a unit, so that a campaign that was stopped goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.chaos.outcome import Outcome, as_document, from_document


class Store:
    """Appends to ``results/chaos/<version>-<scale>.jsonl``; another version of what is played begins a file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.done: dict[tuple[str, int], Outcome] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            document: dict[str, Any] = json.loads(line)
            outcome = from_document(document["outcome"])
            # A unit that was played twice (by two campaigns at once) counts twice: no failure is written over.
            self.done.setdefault((document["row"], document["seed"]), Outcome()).add(outcome)
        except (ValueError, KeyError, TypeError):
            return  # the end of a line that was being written when the campaign was stopped

    def add(self, row: str, seed: int, outcome: Outcome) -> None:
        """Keep a unit's outcome."""
        self.done[row, seed] = outcome
        with self.path.open("a") as file:
            file.write(json.dumps({"row": row, "seed": seed, "outcome": as_document(outcome)}) + "\n")

    def of(self, row: str) -> Outcome:
        """Sum over a row's units."""
        total = Outcome()
        for (name, _), outcome in sorted(self.done.items()):
            if name == row:
                total.add(outcome)
        return total

    def rows(self) -> list[str]:
        """Rows that have any result."""
        return list(dict.fromkeys(row for row, _ in self.done))
