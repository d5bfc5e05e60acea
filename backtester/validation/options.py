"""Options of the modes walk_forward, monte_carlo and scenario_analysis. Only argparse is imported here, for a quick ``--help``."""

from __future__ import annotations

import argparse
from pathlib import Path

VALIDATION_MODES = {
    "walk_forward": "parameters chosen on past windows, traded on the next ones",
    "monte_carlo": "many histories made of one",
    "scenario_analysis": "crises and shocks",
}
"""Each with half a line for ``--help``."""

VALIDATION_EXAMPLES = """  python run_backtest.py --mode walk_forward --strategy momentum --train 756 --test 252
  python run_backtest.py --mode walk_forward --strategy donchian --cpcv 8:2 --purge 5 --embargo 5
  python run_backtest.py --mode monte_carlo --strategy momentum --paths 10000 --seed 7
  python run_backtest.py --mode monte_carlo --strategy momentum --method prices --paths 500
  python run_backtest.py --mode scenario_analysis --strategy momentum --shock gap:-0.2@2008-09-15 --shock volatility:3
"""

METHODS = ("stationary", "circular", "trades", "parameters", "costs", "prices")


def add_validation_options(parser: argparse.ArgumentParser) -> None:
    """Add the groups of all three modes. They share ``--grid``, ``--metric`` and ``--seed`` with the searches."""
    _add_walk_forward(parser.add_argument_group("walk_forward (lengths in sessions)"))
    _add_monte_carlo(parser.add_argument_group("monte_carlo"))
    _add_scenarios(parser.add_argument_group("scenario_analysis"))


def _add_walk_forward(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--train",
        type=int,
        default=756,
        metavar="N",
        help="length of a training window (default: %(default)s)",
    )
    add("--test", type=int, default=252, metavar="N", help="length of a test window (default: %(default)s)")
    add("--step", type=int, metavar="N", help="from one test window to the next (default: --test)")
    add("--anchored", action="store_true", help="every training window begins with the first one")
    add(
        "--purge",
        type=int,
        default=0,
        metavar="N",
        help="training sessions left out next to a test (default: 0)",
    )
    add(
        "--embargo",
        type=int,
        default=0,
        metavar="N",
        help="more of them; behind a test with --cpcv (default: 0)",
    )
    add(
        "--choose",
        choices=("best", "plateau"),
        default="best",
        help="best candidate, or best median over neighbours",
    )
    add(
        "--fold-end",
        choices=("restart", "close", "carry"),
        default="restart",
        help="what goes over to the next test window: capital only, the account, or its positions too (default: %(default)s)",
    )
    add("--per-symbol", action="store_true", help="choose for every symbol, each with an account of its own")
    add(
        "--nested",
        type=int,
        default=0,
        metavar="N",
        help="choose metric and rule too, by N folds inside each training window",
    )
    add("--cpcv", metavar="GROUPS:TEST", help="combinatorial purged cross-validation instead, such as 8:2")
    add(
        "--earlier-trials",
        type=int,
        default=0,
        metavar="N",
        help="configurations tried elsewhere; they count too, as those in the trial ledger do",
    )


def _add_monte_carlo(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--method", choices=METHODS, default="stationary", help="what is drawn anew (default: %(default)s)")
    add("--paths", type=int, metavar="N", help="default: 10000; 200 where the strategy runs again on each")
    add("--horizon", type=int, metavar="N", help="sessions in a path (default: as many as were traded)")
    add(
        "--block",
        metavar="N",
        help="mean length of a block in sessions (default: auto, by Politis and White)",
    )
    add(
        "--ruin",
        type=float,
        default=0.5,
        metavar="FRACTION",
        help="loss of the opening equity that is ruin (default: %(default)s)",
    )
    add(
        "--jitter",
        type=float,
        default=0.2,
        metavar="FRACTION",
        help="reach of changed parameters and costs (default: %(default)s)",
    )


def _add_scenarios(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--shock",
        action="append",
        default=[],
        metavar="KIND:SIZE[@DATE]",
        help="gap:-0.2, volatility:3, correlation:1, liquidity:0.1, costs:5, halt:5, limit_down:3; may be repeated",
    )
    add("--scenarios", type=Path, metavar="FILE", help="YAML list of scenarios, each a name and its shocks")
    add(
        "--lead",
        type=int,
        default=63,
        metavar="N",
        help="sessions that the account trades before a shock (default: %(default)s)",
    )
    add("--follow", type=int, default=126, metavar="N", help="sessions after it (default: %(default)s)")
