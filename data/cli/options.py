"""The command line of ``python -m data``. Only argparse is imported, so that ``--help`` is there at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from data.bar_sizes import parse_size

ROOT = Path(__file__).resolve().parents[2]

EPILOG = """examples:
  python -m data import packaged                               packaged prices into state/history.duckdb
  python -m data import prices/ --name mine                    a folder of CSV or Parquet files
  python -m data download ib --symbols AAPL,MSFT --size 5m --start 2024-01-02 --end 2024-06-28
  python -m data download yahoo --symbols AAPL --start 2010-01-01
  python -m data list
  python -m data check prices/ --quality unadjusted_splits=repair
  python -m data export state/history.duckdb@ib,5m --to exported/ --format parquet
  python run_backtest.py --data state/history.duckdb@ib,5m     and so are they traded
`python -m data COMMAND --help` says more; docs/data.md explains sources, store and checks
exit codes: 0 clean, 2 bad usage or data, 6 no broker
"""

SOURCE_HELP = "packaged, skfolio, a folder or file of CSV or Parquet, or NAME.duckdb[@SOURCE,SIZE,PRICES]"


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m data",
        description="Past bars: bring them into the history store, look at them, check them, take them out again.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_import(commands)
    _add_download(commands)
    _add_list(commands)
    _add_check(commands)
    _add_export(commands)
    _add_calibrate(commands)
    return parser


if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (argparse has no public name)


def _command(commands: _Commands, name: str, summary: str, examples: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", type=Path, default=ROOT / "config.yaml", metavar="FILE", help="default: config.yaml"
    )
    return parser


def _add_symbols(parser: argparse.ArgumentParser, *, needed: bool = False) -> None:
    default = "" if needed else " (default: all)"
    parser.add_argument(
        "--symbols",
        action="extend",
        type=_symbols,
        default=[],
        required=needed,
        metavar="A,B",
        help=f"which ones{default}; may be repeated",
    )


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store", type=_store, metavar="FILE", help="the history store (default: state/history.duckdb)"
    )


def _add_quality(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--quality",
        action="append",
        default=[],
        metavar="CHECK=POLICY",
        help="override data.quality, such as holes=fail or duplicates=drop; may be repeated",
    )


def _add_import(commands: _Commands) -> None:
    parser = _command(
        commands,
        "import",
        "put bars of files or packages into the store",
        "  python -m data import packaged\n"
        "  python -m data import prices/ --name mine --prices raw --quality duplicates=drop\n"
        "  python -m data import prices/AAPL.parquet --store /tmp/try.duckdb\n",
    )
    parser.add_argument("source", metavar="SOURCE", help="packaged, skfolio, or a folder or file of bars")
    _add_store(parser)
    _add_symbols(parser)
    parser.add_argument("--name", help="name of the source in the store (default: what it is)")
    parser.add_argument(
        "--prices",
        choices=("raw", "splits", "total"),
        help="what the prices are: as traded, adjusted for splits, for dividends too (default: splits; raw for files)",
    )
    _add_quality(parser)


def _add_download(commands: _Commands) -> None:
    parser = _command(
        commands,
        "download",
        "download bars into the store",
        "  python -m data download ib --symbols AAPL,MSFT --size 5m --start 2024-01-02 --end 2024-06-28\n"
        "  python -m data download yahoo --symbols AAPL --start 2010-01-01\n"
        "  POLYGON_API_KEY=... python -m data download polygon --symbols AAPL --size 1m --start 2024-06-03\n"
        "A download from ib that was stopped, even by kill -9, goes on where it was when it is asked for again.\n",
    )
    parser.add_argument("service", choices=("ib", "yahoo", "polygon"), help="where from")
    _add_store(parser)
    _add_symbols(parser, needed=True)
    parser.add_argument("--size", type=_size, default="1d", metavar="SIZE", help="1d, 1h, 5m, 30s ... (1d)")
    parser.add_argument("--start", type=_date, required=True, metavar="DATE", help="first session")
    parser.add_argument(
        "--end", type=_date, metavar="DATE", help="last session (default: the last that is over)"
    )
    parser.add_argument("--host", help="ib: address of TWS or IB Gateway (broker.host)")
    parser.add_argument("--port", type=int, help="ib: its port (broker.port)")
    parser.add_argument(
        "--client-id", type=int, default=31, metavar="ID", help="ib: no other client's (%(default)s)"
    )
    parser.add_argument(
        "--wait",
        type=_count,
        default=20,
        metavar="S",
        help="ib: patience with the connection (%(default)s s)",
    )
    parser.add_argument(
        "--pacing",
        choices=("strict", "relaxed"),
        default="strict",
        help="ib: strict keeps to 60 requests in ten minutes; relaxed doesn't for bars above 30 s, as IB allows",
    )
    parser.add_argument("--url", help="yahoo, polygon: another server that speaks the same, such as a proxy")
    _add_quality(parser)


def _add_list(commands: _Commands) -> None:
    parser = _command(
        commands,
        "list",
        "list what the store holds",
        "  python -m data list\n  python -m data list --store /tmp/try.duckdb --json\n",
    )
    _add_store(parser)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _add_check(commands: _Commands) -> None:
    parser = _command(
        commands,
        "check",
        "check bars, and say what was found and what was done about it",
        "  python -m data check packaged\n"
        "  python -m data check prices/ --quality duplicates=drop --json\n"
        "  python -m data check state/history.duckdb@ib,5m --symbols AAPL\n",
    )
    parser.add_argument("source", metavar="SOURCE", help=SOURCE_HELP)
    _add_symbols(parser)
    _add_quality(parser)
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _add_export(commands: _Commands) -> None:
    parser = _command(
        commands,
        "export",
        "write bars to one file a symbol",
        "  python -m data export state/history.duckdb@ib,5m --to exported/\n"
        "  python -m data export packaged --to prices/ --format parquet --start 2010-01-01\n",
    )
    parser.add_argument("source", metavar="SOURCE", help=SOURCE_HELP)
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="is made when it isn't there"
    )
    parser.add_argument("--format", choices=("csv", "parquet"), default="csv", help="default: %(default)s")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    _add_symbols(parser)
    parser.add_argument("--start", type=_date, metavar="DATE", help="first session")
    parser.add_argument("--end", type=_date, metavar="DATE", help="last session")
    _add_quality(parser)


def _add_calibrate(commands: _Commands) -> None:
    parser = _command(
        commands,
        "calibrate",
        "measure the checks on random walks, with planted defects and without",
        "  python -m data calibrate --series 1000\n",
    )
    parser.add_argument(
        "--series", type=_count, default=200, metavar="N", help="series of each kind (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")


def _symbols(text: str) -> list[str]:
    symbols = [one.strip().upper() for one in text.split(",") if one.strip()]
    if not symbols:
        raise argparse.ArgumentTypeError(f"{text!r} names no symbol")
    return symbols


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form YYYY-MM-DD") from None


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _store(text: str) -> Path:
    if not text.endswith(".duckdb"):
        raise argparse.ArgumentTypeError(f"{text!r}: the name of a store ends in .duckdb")
    return Path(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 1000000")
    return int(text)
