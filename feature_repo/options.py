"""Command line of ``python -m feature_repo``: words only, so that ``--help`` loads neither Feast nor DuckDB."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
_EPILOG: Final = """examples:
  python -m feature_repo compute --data packaged --session 2013-02-28
  python -m feature_repo costs                    what orders have cost, from results/tca_log.duckdb
  python -m feature_repo materialise              apply the definitions, load the online store
  python -m feature_repo publish                  from the online store to state/features/snapshot.json
  python -m feature_repo show                     what live trading would know in the next session
  python -m feature_repo parity --data packaged --days 252
  python -m feature_repo catalogue                every feature: formula, window, version

The nightly flow does the first four (python -m prefect_flows.nightly_feature_pipeline); docs/features.md has the rest.
exit codes: 0 clean, 1 nothing was published or something differs, 2 wrong usage or data, 5 the nightly flow is running
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="python -m feature_repo",
        description="The feature store: compute, load, publish, look, compare.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        default=ROOT / "config.yaml",
        metavar="FILE",
        help="configuration whose folders are meant",
    )
    session = argparse.ArgumentParser(add_help=False)
    session.add_argument(
        "--session",
        type=date.fromisoformat,
        metavar="DATE",
        help="session (default: the newest that is over)",
    )
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data",
        default="packaged",
        metavar="SOURCE",
        help="daily bars: packaged, skfolio, a folder or file, or NAME.duckdb[@SERIES] (docs/data.md)",
    )
    back = argparse.ArgumentParser(add_help=False)
    back.add_argument("--replace", action="store_true", help="go back to an earlier session than what stands")
    dated = [common, session]
    commands.add_parser(
        "compute", parents=[*dated, data, back], help="compute the daily features of all sessions"
    )
    commands.add_parser("costs", parents=dated, help="compute what orders have cost, from the TCA database")
    commands.add_parser(
        "materialise", parents=dated, help="apply Feast's definitions and load the online store"
    )
    commands.add_parser(
        "publish", parents=[*dated, back], help="publish the snapshot that live trading reads"
    )
    commands.add_parser("show", parents=[common], help="print the snapshot that stands")
    parity = commands.add_parser(
        "parity", parents=[*dated, data], help="compare online, offline and raw bars"
    )
    parity.add_argument("--days", type=int, default=252, metavar="N", help="sessions to compare (252)")
    commands.add_parser("catalogue", help="print every feature as a table in Markdown")
    return top
