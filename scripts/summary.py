"""Prints the summary of a run and writes it as JSON: reads the journals, changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.atomic_file import write_atomic
from core.errors import JournalCorrupt
from core.exit_codes import ExitCode
from core.journal import Record, read
from core.journal import verify as verify_journal
from performance.run_report import JournalCheck, RunFacts, to_json, to_text
from performance.run_summary import summarise
from portfolio.ledger import Ledger
from scripts.terminal import tell

_CAVEAT = (
    "Prices inside each bar follow a simulated, random path, and so do the fills: "
    "this P&L says nothing about what the strategies would earn."
)


def main(arguments: list[str]) -> int:
    """Summarise the run that ``--run FILE`` describes (``state/latest_run.json``)."""
    parser = argparse.ArgumentParser(prog="python -m scripts.summary", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the file that describes the run")
    run_file = parser.parse_args(arguments).run
    try:
        run = json.loads(run_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        print("No run to summarise yet: start one with ./run_system.sh --paper", file=sys.stderr)
        return ExitCode.USAGE
    text, document, target = _build(run)
    tell(text)
    write_atomic(target, json.dumps(document, indent=2, allow_nan=False).encode() + b"\n")
    return ExitCode.CLEAN if document["journal_verified"] else ExitCode.INTERNAL_ERROR


def _build(run: Mapping[str, Any]) -> tuple[str, dict[str, Any], Path]:
    run_id, state, control = run["run_id"], Path(run["state"]), Path(run["control"])
    journals = {"main": state / "main.db", "watchdog": control / "watchdog.db"}
    checks = [_check(name, path) for name, path in journals.items()]
    mine, theirs = _load_run(journals["main"], run_id), _load_run(journals["watchdog"], run_id)
    summary = summarise(
        mine.records, theirs.records, realized=mine.realized(), open_positions=mine.open_positions()
    )
    target = Path(run["results"]) / ("paper_run.json" if run["is_paper"] else "broker_run.json")
    facts = RunFacts(
        run_id=run_id,
        title="Paper run" if run["is_paper"] else "Run",
        journals=checks,
        files=_name_files(run, journals, target),
        replay=_load_status(state / "gateway_status.json") if run["is_paper"] else None,
        enabled=run.get("strategies"),
        caveat=_CAVEAT if run["is_paper"] else None,
    )
    return to_text(summary, facts), to_json(summary, facts), target


def _check(name: str, path: Path) -> JournalCheck:
    if not path.exists():
        return JournalCheck(
            name=name,
            path=str(path),
            records=0,
            problem=f"there is none, {name} ended before its first record",
        )
    result = verify_journal(path)
    return JournalCheck(
        name=name, path=str(path), records=result.records, problem=None if result.ok else result.problem
    )


@dataclass(slots=True)
class _Run:
    """Records of one run, and the ledger over everything up to its end: a position may be older than the run."""

    records: list[Record] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    earned_before: dict[str, Decimal] = field(default_factory=dict)

    def strategies(self) -> set[str]:
        # Who traded, not only who holds: the watchdog's closing orders settle what strategies held, and cost commission.
        traded = {self.ledger.strategy_of(execution.exec_id) for execution in self.ledger.executions()}
        return {strategy for strategy, _ in self.ledger.holdings()} | {name for name in traded if name}

    def earned(self) -> dict[str, Decimal]:
        return {
            name: self.ledger.realised(name) - self.ledger.commissions(name) for name in self.strategies()
        }

    def realized(self) -> dict[str, Decimal]:
        return {
            name: earned - self.earned_before.get(name, Decimal(0)) for name, earned in self.earned().items()
        }

    def open_positions(self) -> dict[str, int]:
        held = [strategy for (strategy, _), holding in self.ledger.holdings().items() if holding.quantity]
        return {name: held.count(name) for name in self.strategies()}


def _load_run(path: Path, run_id: str) -> _Run:
    """Load one run; a journal that breaks off is taken up to the break, which its verification reports."""
    run = _Run()
    if not path.exists():
        return run
    try:
        for record in read(path):
            if record.run_id == run_id:
                if not run.records:
                    run.earned_before = run.earned()
                run.records.append(record)
            elif run.records:  # a later run
                break
            run.ledger.fold(record.kind, record.payload)
    except JournalCorrupt as error:
        print(error, file=sys.stderr)
    return run


def _name_files(run: Mapping[str, Any], journals: Mapping[str, Path], target: Path) -> dict[str, str]:
    logs = Path(run["logs"])
    return {
        "figures": str(target),
        "main's journal": str(journals["main"]),
        "watchdog's journal": str(journals["watchdog"]),
        "main's log": str(logs / "main.log"),
        "watchdog's log": str(logs / "risk_monitor.log"),
        "order submissions": str(logs / "order_submissions.csv"),
    }


def _load_status(path: Path) -> dict[str, Any] | None:
    try:
        status = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
