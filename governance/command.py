"""The command line of run_recalibration.py: decide, promote, roll back, judge probations."""

from __future__ import annotations

import argparse
import json
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.errors import AlreadyRunning, BackstopError, ConfigError

if TYPE_CHECKING:
    from core.config_loader import LoadedSettings
    from governance.pipeline import Decision
    from governance.search import Subject

CLEAN: Final = 0
INTERNAL: Final = 1
USAGE: Final = 2
REFUSED: Final = 3
RUNNING: Final = 5
FILE_NAME: Final = "validation_mandate.yaml"
EPILOG = """examples:
  python run_recalibration.py --strategy momentum
      Search, walk-forward, Monte Carlo, scenarios and guards; the mandate decides; parameters that pass are promoted.
  python run_recalibration.py --strategy momentum --data state/history.duckdb --symbols AAPL,MSFT --dry-run
      The same on chosen symbols and without the promotion: nothing is written but the report, the trial ledger and the
      decision's record. A promotion takes the symbols of universe.symbols, and all sessions of the data.
  python run_recalibration.py --strategy momentum --grid momentum.fast_window=5..44 --grid momentum.slow_window=50..290:10
      Other candidates than those that the strategy holds worth searching.
  python run_recalibration.py --rollback momentum --reason "the feed was wrong in May"
      The parameters before the last promotion come back.
  python run_recalibration.py --probation
      Every night: judges the probations by main's journal; ends them, or rolls back and alerts.
cron:
  30 22 * * 1-5  cd /srv/backstop && .venv/bin/python run_recalibration.py --probation
  0 6 * * 6      cd /srv/backstop && .venv/bin/python run_recalibration.py --strategy momentum --data state/history.duckdb
exit codes: 0 promoted, already in use, or (dry run) passed; 2 configuration, data or usage; 3 refused by the mandate, or because a
probation of the strategy goes on or the configuration was edited meanwhile; or a probation failed; 5 another one is at work;
docs/recalibration.md says what the mandate asks for
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="run_recalibration.py",
        description="Other parameters for a strategy, if the evidence satisfies validation_mandate.yaml.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--strategy", metavar="NAME", help="strategy to recalibrate (FILE.py:NAME: dry runs only)"
    )
    what.add_argument(
        "--rollback", metavar="NAME", help="bring back a strategy's parameters before the last promotion"
    )
    what.add_argument("--probation", action="store_true", help="judge every probation that goes on")
    add("--dry-run", action="store_true", help="decide and report, promote nothing")
    add("--reason", default="", help="why (rollback: required)")
    add("--data", metavar="SOURCE", help="as for run_backtest.py (default: the packaged daily prices)")
    add(
        "--symbols",
        action="append",
        default=[],
        metavar="A,B",
        help="dry runs only (default: every symbol of the data)",
    )
    add("--start", metavar="DATE", help="dry runs only: first session to trade; bars before it warm up")
    add("--end", metavar="DATE", help="dry runs only: last session")
    add(
        "--grid",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="candidates, as for run_backtest.py; may be repeated",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key (a promotion: backtest.cash only)",
    )
    add(
        "--journal",
        type=Path,
        metavar="FILE",
        help="probation: main's journal (default: paths.state/main.db)",
    )
    add("--mandate", type=Path, metavar="FILE", help="default: validation_mandate.yaml beside config.yaml")
    add(
        "--config",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "config.yaml",
        metavar="FILE",
        help="default: config.yaml",
    )
    add("--json", action="store_true", help="print the decision as JSON; the log goes to standard error")
    add("--no-html", action="store_true", help="write no report.html")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = make_parser().parse_args(arguments)
    try:
        return _run(options)
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return USAGE
    except AlreadyRunning as error:
        print(f"recalibration: {error}", file=sys.stderr)
        return RUNNING
    except (BackstopError, OSError) as error:
        print(f"recalibration: {error}", file=sys.stderr)
        return USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One line a step, with the time; on standard error when standard output is for a program."""

    to_stderr: bool

    def __call__(self, line: str) -> None:
        """Write a line."""
        stream = sys.stderr if self.to_stderr else sys.stdout
        print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ} {line}", file=stream, flush=True)


def _run(options: Namespace) -> int:
    from core.config_loader import load_settings  # noqa: PLC0415 (--help is quick)
    from core.locks import InstanceLock  # noqa: PLC0415
    from governance.journal import LOCK_NAME  # noqa: PLC0415

    _check(options)
    loaded = load_settings(options.config, os.environ)
    log = Log(to_stderr=options.json)
    with InstanceLock(loaded.folders.control / LOCK_NAME, run_id="recalibration"):
        loaded = _finish_interrupted(options, loaded, log)
        if options.rollback:
            from governance.changes import roll_back  # noqa: PLC0415

            return roll_back(loaded, options.rollback, options.reason, log)
        if options.probation:
            from governance.changes import judge_probations  # noqa: PLC0415

            return judge_probations(loaded, options.journal, log, as_json=options.json)
        return _recalibrate(options, log)


def _check(options: Namespace) -> None:
    from governance.overrides import refused_overrides  # noqa: PLC0415

    problems = []
    if options.rollback and not options.reason.strip():
        problems.append("--rollback: say why, with --reason")
    if options.strategy and ".py" in options.strategy and not options.dry_run:
        problems.append(f"--strategy {options.strategy}: a file's strategy can't be promoted: add --dry-run")
    # Evidence of other costs or sizes than those that are traded, of chosen data, or for another mandate, promotes nothing.
    problems += refused_overrides(options, os.environ)
    if options.strategy and not options.dry_run:
        problems += [
            f"--{name} {text}: add --dry-run; a promotion is judged on the universe, over all sessions of the data"
            for name in ("symbols", "start", "end")
            if (text := _given(getattr(options, name)))
        ]
        if options.mandate is not None:
            problems.append(f"--mandate {options.mandate}: add --dry-run; promotions go by {FILE_NAME} alone")
    if problems:
        raise ConfigError(problems)


def _given(value: str | list[str] | None) -> str:
    return " ".join(value) if isinstance(value, list) else value or ""


def _finish_interrupted(options: Namespace, loaded: LoadedSettings, log: Log) -> LoadedSettings:
    """Finish what a killed process has begun; return the configuration as it then is."""
    from core.config_loader import load_settings  # noqa: PLC0415
    from governance.changes import finish_interrupted  # noqa: PLC0415

    if finish_interrupted(loaded, log):
        return load_settings(options.config, os.environ)
    return loaded


def _recalibrate(options: Namespace, log: Log) -> int:
    from governance.changes import record_decision  # noqa: PLC0415
    from governance.page import write_report  # noqa: PLC0415
    from governance.pipeline import decision_json, recalibrate  # noqa: PLC0415
    from governance.progress import told_progress  # noqa: PLC0415
    from governance.report import text_of  # noqa: PLC0415
    from governance.subject import open_subject  # noqa: PLC0415

    subject = open_subject(options)
    log(
        f"data: {len(subject.market.symbols)} symbols, {len(subject.market.sessions):,} sessions, "
        f"{len(subject.grid):,} candidates of {subject.grid.kind.name}"
    )
    decision = recalibrate(subject, log, partial(told_progress, log))
    record_decision(subject, decision)
    figures: dict[str, Any] = decision_json(decision, subject)
    if not options.no_html:
        figures["report"] = str(write_report(subject, decision))
        log(f"report: {figures['report']}")
    code = CLEAN if decision.passed else REFUSED
    outcome = "refused"
    if decision.passed:
        code, outcome = (CLEAN, "passed (dry run)") if options.dry_run else _promote(subject, decision, log)
    figures["outcome"] = outcome
    print(json.dumps(figures, indent=2) if options.json else text_of(decision, outcome))
    return code


def _promote(subject: Subject, decision: Decision, log: Log) -> tuple[int, str]:
    from governance.changes import promote  # noqa: PLC0415
    from governance.parameters import PromotionRefused  # noqa: PLC0415

    try:
        return CLEAN, promote(subject, decision, log)
    except PromotionRefused as error:
        log(f"not promoted: {error}")
        return REFUSED, f"passed, but not promoted: {error}"
