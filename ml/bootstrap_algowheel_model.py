"""Writes the algo wheel's first model: the rules of thumb, and not one fill."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.code_version import code_version
from core.exit_codes import ExitCode
from portfolio.algo_wheel.model import Evidence, ModelSettings
from portfolio.algo_wheel.model_file import WheelModel, write_model
from portfolio.algo_wheel.rules import rule_coefficients
from portfolio.algo_wheel.wheel import WheelSettings

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PATH = ROOT / "models" / "algo_wheel.json"
_EPILOG = """examples:
  python -m ml.bootstrap_algowheel_model                      models/algo_wheel.json
  python -m ml.bootstrap_algowheel_model --exploration 0.1    more exploring

Until a method has --proven-fills orders it gets at most --unproven-cap of them, and what is left goes to the safe
default (ADAPTIVE_NORMAL, or MKT where that isn't admissible).
"""


def main(arguments: Sequence[str]) -> int:
    """Write the model; returns the exit code."""
    options = _parser().parse_args(arguments)
    path = Path(options.output)
    if path.exists() and not options.force:
        print(f"{path} exists already: --force replaces it by a model that has seen nothing", file=sys.stderr)
        return ExitCode.USAGE
    try:
        wheel = WheelSettings(
            exploration=options.exploration,
            proven_fills=options.proven_fills,
            unproven_cap=options.unproven_cap,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    model = WheelModel(
        evidence=Evidence.none(),
        prior_mean=rule_coefficients(),
        model=ModelSettings(),
        wheel=wheel,
        origin={"made_by": "rules of thumb", "code_version": code_version()},
    )
    digest = write_model(path, model)
    print(f"{path}: rules of thumb, no fills, SHA-256 {digest[:16]}")
    return ExitCode.CLEAN


def _parser() -> argparse.ArgumentParser:
    defaults = WheelSettings()
    parser = argparse.ArgumentParser(
        prog="python -m ml.bootstrap_algowheel_model",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, default=DEFAULT_PATH, metavar="FILE")
    parser.add_argument("--force", action="store_true", help="replace a model that stands there")
    parser.add_argument("--exploration", type=float, default=defaults.exploration, help="0..1 (%(default)s)")
    parser.add_argument(
        "--proven-fills", type=int, default=defaults.proven_fills, help="orders (%(default)s)"
    )
    parser.add_argument(
        "--unproven-cap", type=float, default=defaults.unproven_cap, help="0..1 (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
