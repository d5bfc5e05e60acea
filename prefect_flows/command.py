"""The nightly flow as a plain script: ``python -m prefect_flows.nightly_feature_pipeline``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from prefect_flows.environment import PROJECT, prepare

_EPILOG: Final = """examples:
  python -m prefect_flows.nightly_feature_pipeline                                the newest session, as config.yaml says
  python -m prefect_flows.nightly_feature_pipeline --source ib                    bars from the broker
  python -m prefect_flows.nightly_feature_pipeline --session 2013-02-28 --replace an earlier session again
  python -m prefect_flows.nightly_feature_pipeline --prefect                      the same as a Prefect flow

After a failure or a crash: run it again. Tables, pictures and run.json: results/nightly/SESSION/. docs/nightly.md says more.
exit codes: 0 clean, 1 a step failed, 2 wrong usage, configuration or data, 5 already running, 6 no broker
"""


def main(arguments: Sequence[str]) -> int:
    """Run the flow; returns the exit code."""
    options = _parser().parse_args(arguments)
    prepare()
    if options.prefect:
        from prefect_flows.nightly_feature_pipeline import run_flow  # noqa: PLC0415

        return run_flow(options.config, options.session, options.source, replace=options.replace)
    from prefect_flows.plain import run_plain  # noqa: PLC0415 (numpy, pandas, DuckDB)

    return run_plain(options.config, options.session, options.source, replace=options.replace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prefect_flows.nightly_feature_pipeline",
        description="Bars, checks, features, snapshot, costs, drift and training: one night's work.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", type=Path, default=PROJECT / "config.yaml", metavar="FILE", help="configuration"
    )
    parser.add_argument(
        "--session",
        type=date.fromisoformat,
        metavar="DATE",
        help="session to work on (default: the newest that is over and has bars)",
    )
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help="ib, packaged, skfolio, a folder or a store (default: nightly.source)",
    )
    parser.add_argument(
        "--replace", action="store_true", help="let the store go back to an earlier session than it holds"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--plain", action="store_true", help="without Prefect (the default)")
    how.add_argument(
        "--prefect", action="store_true", help="as a Prefect flow, by a server or a temporary one"
    )
    return parser
