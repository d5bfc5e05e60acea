"""Trains the veto on a strategy's entries, judges it out of sample, and promotes it only if it is proven to save money."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from backtester.market import align
from backtester.progress import progress
from core.command import run_command
from core.config_loader import load_settings
from core.config_schema import Settings
from core.errors import ConfigError, Rejected
from core.exit_codes import ExitCode
from data.bar_table import DataError
from data.sources import open_source
from features.catalogue import FEATURES
from ml.entries import DEFAULT_FEATURES
from ml.evaluation import TESTS
from ml.labels import Barriers
from ml.training import NothingToTrain, Trained, train
from strategy.registry import create

ROOT = Path(__file__).resolve().parent.parent
REFUSED = 1
_EPILOG = f"""examples:
  python -m ml.ml_model_trainer --strategy momentum --data skfolio        daily closes of 20 stocks
  python -m ml.ml_model_trainer --strategy mean_reversion --data bars     your own bars, of the traded size
  python -m ml.ml_model_trainer --strategy momentum --dry-run             judge only, write nothing

Live trading uses a model only for the signals it was trained on: the same parameters, stops and bar size (bars.size_s).
A model that was refused is kept in the registry, with its card, and can't be promoted.

features by default: {", ".join(DEFAULT_FEATURES)}
exit codes: 0 passed, {REFUSED} refused, 2 wrong usage
"""


def main(arguments: Sequence[str]) -> int:
    """Train one strategy's veto; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        loaded = load_settings(options.config, os.environ)
        found = _train(options, loaded.settings, loaded.root)
    except (ConfigError, DataError) as error:
        print("\n".join(error.problems), file=sys.stderr)
        return ExitCode.USAGE
    except NothingToTrain as error:
        print(f"REFUSED: {error}")
        return REFUSED
    except (Rejected, ValueError) as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    _tell(found, options)
    return ExitCode.CLEAN if found.manifest.passed else REFUSED


def _train(options: argparse.Namespace, settings: Settings, root: Path) -> Trained:
    chosen = next((one for one in settings.strategies if one.name == options.strategy), None)
    strategy = create(options.strategy, chosen.parameters if chosen else {})
    features = tuple(options.features.split(",")) if options.features else DEFAULT_FEATURES
    unknown = [name for name in features if name not in FEATURES]
    if unknown:
        raise ConfigError([f"--features: {name} is none of {', '.join(FEATURES)}" for name in unknown])
    symbols = options.symbols.split(",") if options.symbols else None
    source = open_source(options.data, symbols, calendar_name=settings.universe.calendar)
    market = align(source.tables, source.calendar, settlement_days=settings.caps.settlement_days)
    print(f"{options.data}: {len(market.symbols)} symbols, {len(market.end_ns):,} bars of {market.size_s} s")
    with progress("walk-forward", TESTS, unit="tests") as on_done:
        return train(
            settings,
            market,
            strategy,
            source=options.data,
            registry=None if options.dry_run else options.registry or root / settings.veto.models,
            weight=chosen.weight if chosen else 1.0,
            features=features,
            barriers=Barriers(target_multiple=options.target, max_bars=options.max_bars),
            seed=options.seed,
            use=not options.no_promote,
            on_done=on_done,
        )


def _tell(found: Trained, options: argparse.Namespace) -> None:
    training, entries = found.manifest.training, found.entries
    print(
        f"{len(entries):,} entries of {options.strategy}, {training.first} to {training.last}, "
        f"{entries.won.mean():.1%} earned more than they cost"
    )
    for why, number in entries.left_out.items():
        print(f"  {number:,} more were left out: {why}")
    print(f"\nout of sample      {'vetoed':>9}{'saved':>14}{'95 % interval':>26}{'Brier':>9}{'AUC':>8}")
    for name, one in found.figures.items():
        interval = f"{one.gain.low:+,.0f} to {one.gain.high:+,.0f}"
        auc = "-" if one.auc is None else f"{one.auc:.3f}"
        share = f"{one.vetoed}/{one.entries}"
        print(f"  {name:<15}{share:>11}{one.gain.value:>+14,.0f}{interval:>26}{one.brier:>9.4f}{auc:>8}")
    print(f"  (Brier of the share of winners alone: {found.figures['best'].brier_of_base:.4f})")
    print(f"\n{'passed' if found.manifest.passed else 'REFUSED'}: {found.manifest.verdict}")
    if found.version is not None:
        state = "in use" if found.promoted else "not in use"
        print(
            f"registered as {options.strategy} {found.version}, {state}: python -m ml show {options.strategy} {found.version}"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.ml_model_trainer",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--strategy",
        required=True,
        metavar="NAME",
        help="whose entries; its parameters are those of the configuration",
    )
    add(
        "--data",
        default="packaged",
        metavar="SOURCE",
        help="bars: packaged, skfolio, a folder, a store (%(default)s)",
    )
    add("--symbols", metavar="A,B", help="which ones (all)")
    add("--features", metavar="A,B", help="features of the catalogue (see below)")
    add(
        "--target",
        type=float,
        default=float("inf"),
        metavar="X",
        help="profit target in stop distances (none, as live)",
    )
    add("--max-bars", type=int, default=250, metavar="N", help="longest life of a position (%(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="%(default)s")
    add("--config", type=Path, default=ROOT / "config.yaml", help="configuration (%(default)s)")
    add(
        "--registry",
        type=Path,
        metavar="FOLDER",
        help="where models are kept (veto.models of the configuration)",
    )
    add("--no-promote", action="store_true", help="register a model that passes, but don't put it to use")
    add("--dry-run", action="store_true", help="judge only, write nothing")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
