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
from backtester.validation.options import VALIDATION_EXAMPLES, VALIDATION_MODES, add_validation_options
from core.errors import ConfigError

MODES = {
    "single": "one backtest",
    "grid_search": "every combination of parameters, or a random part of them",
    "optimise": "parameters by TPE, random or genetic search, for one objective or several",
    "compare": "strategies side by side, each with the whole equity",
    **VALIDATION_MODES,
}
"""Every mode, with half a line for ``--help``; `backtester.modes` has a module of the same name."""

ONLY_FOR = {
    ("single",): ("guards",),
    ("grid_search",): ("random",),
    ("grid_search", "optimise"): ("top", "min_fills", "keep_returns", "chunk", "cluster"),
    ("grid_search", "optimise", "walk_forward"): ("grid", "metric"),
    ("optimise",): ("objective", "sampler", "trials"),
    ("compare",): ("against",),
    ("walk_forward",): (
        "train", "test", "step", "anchored", "purge", "embargo", "choose", "fold_end", "per_symbol", "nested", "cpcv",
        "earlier_trials",
    ),
    ("monte_carlo",): ("method", "paths", "horizon", "block", "ruin", "jitter"),
    ("scenario_analysis",): ("shock", "scenarios", "lead", "follow"),
}  # fmt: skip
"""Options that not every mode understands."""

EPILOG = f"""examples:
  python run_backtest.py                                        config.yaml's strategies on the packaged daily prices
  python run_backtest.py --strategy momentum --symbols AAPL,MSFT --start 2005-01-01 --end 2010-12-31
  python run_backtest.py --strategy momentum=0.7 --strategy mean_reversion=0.3 --cash 250000
  python run_backtest.py --data prices/ --set sizing.risk_per_trade=0.02 --set backtest.commission=fixed
  python run_backtest.py --set strategies.0.parameters.fast_window=50 --json
  python run_backtest.py --spec study.yaml                      options from a file: "mode: single", "symbols: [AAPL]", ...
  python run_backtest.py --mode grid_search --strategy momentum --grid momentum.fast_window=5..44 --grid momentum.slow_window=50..290:10
  python run_backtest.py --mode optimise --strategy donchian --objective sharpe --objective max_drawdown:min --trials 300
  python run_backtest.py --mode compare --strategy momentum --strategy donchian --strategy rules/mine.py:mine
{VALIDATION_EXAMPLES}  python run_backtest.py new-strategy mine                      write mine.py, a strategy to start from
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
        return _checked(parser, options)
    actions = [one for one in parser._actions if one.option_strings]  # noqa: SLF001 (argparse has no public way)
    # A list that was typed takes the place of the file's; single changes of the configuration add up.
    typed = {one.dest for one in actions if isinstance(one.default, list) and getattr(options, one.dest)} - {
        "set",
        "param",
    }
    known = {one.dest: one for one in actions}
    together = [*spec_arguments(options.spec, known, leave_out=typed), *arguments]
    return _checked(parser, parser.parse_args(together))


def _checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    """Refuse what another mode understands: whoever types it believes that it was heard."""
    problems = [
        f"--{name.replace('_', '-')} is for --mode {' or '.join(modes)}, not {options.mode}"
        for modes, names in ONLY_FOR.items()
        for name in names
        if options.mode not in modes and getattr(options, name) != parser.get_default(name)
    ]
    if problems:
        raise ConfigError(problems)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_backtest.py",
        description="Backstop's entry point to research: trade strategies over history exactly as main.py would.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_common(parser)
    _add_search(parser)
    add_validation_options(parser)
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2005-01-31") from None


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
        help="may be repeated; also FILE.py:NAME; default: as configured",
    )
    add(
        "--param",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a strategy's parameter, such as momentum.fast_window=50; may be repeated",
    )
    add(
        "--pairs",
        action="append",
        default=[],
        metavar="A/B,C/D",
        help="pairs of symbols for a strategy that trades them; default: as configured",
    )
    _add_data(parser)
    add("--cash", metavar="DOLLARS", help="opening cash (backtest.cash)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a key of the configuration; may be repeated",
    )
    _add_output(parser)
    add("--list-strategies", action="store_true", help="list strategies and their parameters")
    add(
        "--config",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "config.yaml",
        metavar="FILE",
        help="default: config.yaml",
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--symbols", action="append", default=[], metavar="A,B", help="default: every symbol of the data")
    add(
        "--start",
        type=_day,
        metavar="DATE",
        help="first session to trade; bars before it warm up",
    )
    add("--end", type=_day, metavar="DATE", help="last session")
    add(
        "--data",
        metavar="SOURCE",
        help="packaged (default), skfolio, a folder of CSV or Parquet files, or a history store NAME.duckdb[@SERIES]",
    )
    add(
        "--quality",
        action="append",
        default=[],
        metavar="CHECK=POLICY",
        help="what is done about defects of the bars, such as holes=fail (data.quality); may be repeated",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--json", action="store_true", help="print the figures as JSON and nothing else")
    add("--no-html", action="store_true", help="write no report.html (it takes some 0.2 s)")
    add(
        "--png",
        action="store_true",
        help="write report.png, the main figures as a picture (it takes about 1 s)",
    )
    add(
        "--guards",
        action="store_true",
        help="single: search for look-ahead and too little warm-up by experiment (some seconds; guards.json)",
    )


def _add_search(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("search (grid_search, optimise, compare)")
    add = group.add_argument
    add(
        "--grid",
        action="append",
        default=[],
        metavar="KEY=VALUES",
        help="values to try: momentum.fast_window=5..44, =50..290:10 or =10,20,30; also a key of the configuration, "
        "such as sizing.risk_per_trade=0.005,0.01; default: those worth searching (--list-strategies)",
    )
    add("--random", type=_count, metavar="N", help="grid_search: N combinations drawn from the grid")
    add("--seed", type=int, default=1, metavar="N", help="of everything that is drawn (default: %(default)s)")
    add(
        "--metric",
        default="sharpe",
        metavar="NAME",
        help="what ranks the combinations (default: %(default)s)",
    )
    add("--top", type=_count, default=10, metavar="N", help="how many are listed (default: %(default)s)")
    add(
        "--min-fills",
        type=int,
        default=1,
        metavar="N",
        help="combinations with fewer aren't ranked (default: %(default)s)",
    )
    add(
        "--keep-returns",
        action="store_true",
        help="keep every combination's session returns, however many there are",
    )
    add("--chunk", type=_count, metavar="N", help="combinations that are scored and saved together")
    add(
        "--cluster",
        metavar="ADDRESS",
        help="Dask scheduler to work on, such as tcp://10.0.0.5:8786; default: this machine",
    )
    add(
        "--objective",
        action="append",
        default=[],
        metavar="NAME[:max|:min]",
        help="optimise: may be repeated (default: sharpe)",
    )
    add(
        "--sampler", choices=("tpe", "random", "nsga2"), default="tpe", help="optimise (default: %(default)s)"
    )
    add(
        "--trials",
        type=_count,
        default=200,
        metavar="N",
        help="optimise: combinations to try, rounded up to whole batches (--chunk) (default: %(default)s)",
    )
    add(
        "--against",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="compare: a YAML study to set beside",
    )


def _count(text: str) -> int:
    value = int(text.replace("_", "").replace(",", ""))
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


_count.__name__ = "whole number"
