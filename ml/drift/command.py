"""Measures the drift of the models in use, and restricts new risk in steps: warn, halve, stop."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from backtester.market import Market, align
from core.clock import SystemClock
from core.config_loader import load_settings
from core.config_schema import Settings
from core.errors import BackstopError, ConfigError, Rejected
from core.exit_codes import ExitCode
from core.restrictions import RestrictionFolder
from data.bar_table import DataError
from data.sources import open_source
from ml.drift.history import history_lines
from ml.drift.page import lines_of
from ml.drift.run import WINDOW_SESSIONS, DriftFolders, NoModel, run_drift
from ml.entries import DEFAULT_FEATURES

ROOT = Path(__file__).resolve().parents[2]
_EPILOG = """examples:
  python -m ml.drift --data bars --journal state/main.db          every strategy with a model in use
  python -m ml.drift --data bars --strategy momentum --dry-run    measure only
  python -m ml.drift --data skfolio --history                     how far such features move in ordinary times

A step up counts at once, a step down only after three calm reports, each on bars that reach further than before. A strategy
that can't be measured holds up no other one; the exit code is 1 then. What stands: python -m scripts.restrictions
"""


def main(arguments: Sequence[str]) -> int:
    """Measure and act; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        loaded = load_settings(options.config, os.environ)
        settings = loaded.settings
        symbols = None if options.history else settings.universe.symbols
        source = open_source(options.data, symbols, calendar_name=settings.universe.calendar)
        market = align(source.tables, source.calendar, settlement_days=settings.caps.settlement_days)
        if options.history:
            print("\n".join(history_lines(market, DEFAULT_FEATURES, options.sessions)))
            return ExitCode.CLEAN
        folders = DriftFolders(
            registry=options.registry or loaded.root / settings.veto.models,
            reports=loaded.folders.results / "drift",
            restrictions=RestrictionFolder(loaded.folders.control, SystemClock()),
        )
        names = (
            [options.strategy]
            if options.strategy
            else [one.name for one in settings.strategies if one.enabled]
        )
        measured = [_measure(name, settings, market, folders, options) for name in names]
        return ExitCode.CLEAN if all(measured) else ExitCode.INTERNAL_ERROR
    except (ConfigError, DataError) as error:
        print("\n".join(error.problems), file=sys.stderr)
        return ExitCode.USAGE
    except (BackstopError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return ExitCode.INTERNAL_ERROR


def _measure(
    name: str, settings: Settings, market: Market, folders: DriftFolders, options: argparse.Namespace
) -> bool:
    """Measure one strategy; whether that could be done, or there is nothing to measure."""
    try:
        report = run_drift(
            name,
            settings,
            market,
            options.journal,
            folders,
            window_sessions=options.sessions,
            act=not options.dry_run,
        )
    except NoModel as error:
        print(error)
        return True
    except (Rejected, OSError, ValueError) as error:
        print(f"{name}: not measured: {error}", file=sys.stderr)
        return False
    print("\n".join(lines_of(report)))
    print(f"  report: {folders.reports / f'{name}.html'}")
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.drift",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--data",
        required=True,
        metavar="SOURCE",
        help="bars of the traded size up to now: a folder, a store, packaged",
    )
    add("--journal", type=Path, metavar="FILE", help="main's journal (none: features alone)")
    add("--strategy", metavar="NAME", help="one strategy (all that are enabled)")
    add(
        "--sessions",
        type=int,
        default=WINDOW_SESSIONS,
        metavar="N",
        help="window of the features (%(default)s)",
    )
    add("--config", type=Path, default=ROOT / "config.yaml", help="configuration (%(default)s)")
    add("--registry", type=Path, metavar="FOLDER", help="veto.models of the configuration")
    add(
        "--history",
        action="store_true",
        help="how far windows of the past lay from what was before them, and stop",
    )
    add("--dry-run", action="store_true", help="restrict nothing and remember nothing")
    return parser
