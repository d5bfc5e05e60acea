"""Backstop's entry point to research: trade strategies over history exactly as main.py would."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

EPILOG = """examples:
  python run_backtest.py                                        config.yaml's strategies on the packaged daily prices
  python run_backtest.py --strategy momentum --symbols AAPL,MSFT --start 2005-01-01 --end 2010-12-31
  python run_backtest.py --strategy momentum=0.7 --strategy mean_reversion=0.3 --cash 250000
  python run_backtest.py --data prices/ --set sizing.risk_per_trade=0.02 --set backtest.commission=fixed
  python run_backtest.py --set strategies.0.parameters.fast_window=50 --json
  python run_backtest.py --list-strategies
results are written to results/backtests/<id>/ (run.json, fills.csv, denials.csv, equity.csv)
exit codes: 0 clean, 2 configuration, data or usage; docs/backtesting.md says what is simulated and what isn't
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="run_backtest.py",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--mode", choices=("single",), default="single", help="single: one backtest (%(default)s)")
    add(
        "--strategy",
        action="append",
        default=[],
        metavar="NAME[=WEIGHT]",
        help="may be repeated; default: as configured",
    )
    add("--symbols", action="append", default=[], metavar="A,B", help="default: every symbol of the data")
    add(
        "--start",
        type=date.fromisoformat,
        metavar="DATE",
        help="first session to trade; bars before it warm up",
    )
    add("--end", type=date.fromisoformat, metavar="DATE", help="last session")
    add(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="CSV or Parquet, one file a symbol; default: the packaged prices",
    )
    add("--cash", metavar="DOLLARS", help="opening cash (backtest.cash)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the configuration; may be repeated",
    )
    add("--json", action="store_true", help="print the figures as JSON and nothing else")
    add("--list-strategies", action="store_true", help="list strategies and their parameters")
    add("--config", type=Path, default=Path(__file__).parent / "config.yaml", help="configuration file")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit code tells how it ended."""
    options = parse(arguments)
    from backtester.command import Request, list_strategies, run_single, split_list  # noqa: PLC0415 (--help is quick)

    if options.list_strategies:
        return list_strategies()
    return run_single(
        Request(
            config=options.config,
            strategies=split_list(options.strategy),
            symbols=split_list(options.symbols) or None,
            start=options.start,
            end=options.end,
            data=options.data,
            cash=options.cash,
            changes=tuple(options.set),
            as_json=options.json,
        )
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
