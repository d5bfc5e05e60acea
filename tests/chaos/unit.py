"""Plays one unit in this process: ``python -m tests.chaos.unit ROW SEED SCRATCH KEEP``; its outcome goes to a file."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from tests.chaos.outcome import Unit, as_document
from tests.chaos.plan import CAMPAIGNS


def main(row: str, seed: str, scratch: str, keep: str) -> None:
    """Play it."""
    module, _, function = CAMPAIGNS[row].unit.partition(".")
    play: Unit = getattr(importlib.import_module(f"tests.chaos.{module}"), function)
    outcome = play(int(seed), Path(scratch), Path(keep))
    (Path(scratch) / "outcome.json").write_text(json.dumps(as_document(outcome)))


if __name__ == "__main__":
    main(*sys.argv[1:])
