"""The command line of run_backtest.py. Only argparse is imported here, so that ``--help`` is there at once.

The options that all modes share come first; each mode adds a group of its own, read by `backtester.modes.<mode>`.
A YAML file (``--spec``) may give any of them: `backtester.spec` turns it into arguments that stand before those typed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from backtester.spec import spec_arguments

MODES = {
    "single": "one backtest",
}
"""Every mode, with half a line for ``--help``; `backtester.modes` has a module of the same name."""

EPILOG = """examples:
  python run_backtest.py                                        config.yaml's strategies on the packaged daily prices
  python run_backtest.py --strategy momentum --symbols AAPL,MSFT --start 2005-01-01 --end 2010-12-31
  python run_backtest.py --strategy momentum=0.7 --strategy mean_reversion=0.3 --cash 250000
  python run_backtest.py --data prices/ --set sizing.risk_per_trade=0.02 --set backtest.commission=fixed
  python run_backtest.py --set strategies.0.parameters.fast_window=50 --json
  python run_backtest.py --spec study.yaml                      options from a file: "mode: single", "symbols: [AAPL]", ...
  python run_backtest.py --list-strategies
results are written to results/backtests/<id>/ (run.json and tables)
exit codes: 0 clean, 2 configuration, data or usage; docs/backtesting.md says what is simulated and what isn't
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line, and the file that it names as ``--spec``.

    Raises
    ------
    core.errors.ConfigError
        With every problem of the file.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.spec is None:
        return options
    actions = [one for one in parser._actions if one.option_strings]  # noqa: SLF001 (argparse has no public way)
    # A list that was typed takes the place of the file's; single changes of the configuration add up.
    typed = {one.dest for one in actions if isinstance(one.default, list) and getattr(options, one.dest)} - {
        "set"
    }
    known = {one.dest: one for one in actions}
    return parser.parse_args([*spec_arguments(options.spec, known, leave_out=typed), *arguments])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_backtest.py",
        description="Backstop's entry point to research: trade strategies over history exactly as main.py would.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_common(parser)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    modes = "; ".join(f"{name}: {what}" for name, what in MODES.items())
    add("--mode", choices=tuple(MODES), default="single", help=f"{modes} (default: %(default)s)")
    add("--spec", type=Path, metavar="FILE", help="YAML file with options; those typed override it")
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
    add(
        "--config",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "config.yaml",
        metavar="FILE",
        help="default: config.yaml",
    )
