"""Command line of ``python -m tca``: words only, so that ``--help`` loads neither DuckDB nor scipy."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from core.vocabulary import ExecutionMethod

ROOT: Final = Path(__file__).resolve().parent.parent
_EPILOG: Final = """examples:
  python -m tca rebuild                     make the database anew from every journal of this installation
  python -m tca check                       do the components add up to the money that was paid?
  python -m tca report                      tables here, and results/tca_report.html
  python -m tca show BS-5913dceb-000001-E   one order: its costs, fills and journal
  python -m tca fit-costs --output costs.yaml   what a backtest should assume: run_backtest.py --spec costs.yaml
  python -m tca learning-curve --json       the algo wheel in the simulated market
  python -m tca generate --parents 1000000 --database /tmp/big.duckdb
"""
_FIT_EPILOG: Final = """example:
  python -m tca fit-costs --output costs.yaml
  python run_backtest.py --spec costs.yaml        books these costs; the printed keys may also go into config.yaml
"""
_FITTED_METHODS: Final = tuple(
    str(method) for method in ExecutionMethod if method not in {ExecutionMethod.MOC, ExecutionMethod.LOC}
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m tca",
        description="Transaction-cost analysis: what orders have cost, by the journal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, default=ROOT / "config.yaml", help="configuration whose folders are meant"
    )
    common.add_argument(
        "--database", type=Path, help="database file (default: tca_log.duckdb in the folder of results)"
    )
    journals = argparse.ArgumentParser(add_help=False)
    journals.add_argument(
        "--journal",
        type=Path,
        action="append",
        metavar="FILE",
        help="a trading process's main.db; may be repeated (default: those of the state folder, paper runs included)",
    )
    parents = [common, journals]
    commands.add_parser("rebuild", parents=parents, help="make the database anew from the journals")
    follow = commands.add_parser(
        "follow", parents=parents, help="keep the database up to date while trading goes on"
    )
    follow.add_argument(
        "--poll", type=_positive, default=0.5, metavar="S", help="seconds between looks (0.5)"
    )
    check = commands.add_parser(
        "check", parents=[common], help="compare components, executions and the ledger's cash, to the cent"
    )
    check.add_argument("--json", action="store_true", help="one JSON object")
    show = commands.add_parser("show", parents=[common], help="one order's costs, fills and journal")
    show.add_argument("order_ref", metavar="ORDER_REF")
    _add_report(commands, common)
    _add_fit_costs(commands, common)
    _add_learning_curve(commands)
    generate = commands.add_parser(
        "generate", help="write a database of simulated parent orders, to try the report on"
    )
    generate.add_argument("--parents", type=_count, default=1_000_000, metavar="N")
    generate.add_argument("--seed", type=int, default=1, metavar="N")
    generate.add_argument("--database", type=Path, required=True)
    return top


def _add_report(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    report = commands.add_parser(
        "report", parents=[common], help="tables on the terminal and a page of HTML without a network"
    )
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="default: tca_report.html beside the database"
    )
    report.add_argument("--run", metavar="RUN_ID", help="only this run's orders")
    report.add_argument(
        "--outliers", type=_count, default=20, metavar="N", help="dearest orders to list (20)"
    )
    report.add_argument("--json", action="store_true", help="the tables as one JSON object instead")


def _add_fit_costs(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser
) -> None:
    fit = commands.add_parser(
        "fit-costs",
        parents=[common],
        help="half spread, slippage and impact of a backtest, estimated from the orders that were traded",
        epilog=_FIT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fit.add_argument(
        "--method",
        action="append",
        choices=_FITTED_METHODS,
        metavar="METHOD",
        help="orders of this method; may be repeated (default: MKT, which a backtest simulates). Closing auctions are "
        f"left out: a backtest books no spread there. One of {', '.join(_FITTED_METHODS)}",
    )
    fit.add_argument(
        "--bars-per-session",
        type=_positive,
        default=1.0,
        metavar="N",
        help="of the bars that will be backtested on: 1 for daily bars (default), 78 for five minutes",
    )
    fit.add_argument("--seed", type=int, default=1, metavar="N", help="of the bootstrap (1)")
    fit.add_argument("--output", type=Path, metavar="FILE", help="write a file for run_backtest.py --spec")
    fit.add_argument("--json", action="store_true", help="print one JSON object")


def _add_learning_curve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    curve = commands.add_parser(
        "learning-curve",
        help="the algo wheel in a simulated market whose best method depends on the order",
    )
    curve.add_argument("--seeds", type=_count, default=200, metavar="N", help="independent markets (200)")
    curve.add_argument("--first-seed", type=_count, default=1, metavar="N", help="seeds are N, N+1, ... (1)")
    curve.add_argument(
        "--parents", type=_count, default=4_000, metavar="N", help="orders before the market changes (4000)"
    )
    curve.add_argument(
        "--output", type=Path, default=Path("results"), metavar="FOLDER", help="for PNG and HTML"
    )
    curve.add_argument(
        "--jobs", type=int, default=-1, metavar="N", help="processes (default: all processors)"
    )
    curve.add_argument("--json", action="store_true", help="print one JSON object")


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value
