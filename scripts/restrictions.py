"""Lists, adds and clears restrictions on new risk: ``python -m scripts.restrictions``."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.canonical import dump
from core.clock import SystemClock
from core.config_loader import load_settings
from core.errors import BackstopError, ConfigError
from core.exit_codes import ExitCode
from core.restrictions import RestrictionFolder

EPILOG = """examples:
  python -m scripts.restrictions
      What stands, and the factor on new risk that each strategy has by it.
  python -m scripts.restrictions add operator --strategy momentum --scale 0.5 --reason "earnings week"
      Half risk for new positions of momentum. Without --strategy for all of them; --scale 0 opens nothing.
  python -m scripts.restrictions clear drift.momentum --reason "feed was wrong, mended, see note of 3 March"
      Takes it away. The file goes to the archive beside the others, with your name and the reason.
Main looks at its start and at the beginning of each session. Exits and stops are never restricted.
exit codes: 0 done (list: nothing is restricted), 2 wrong usage, 3 list: something is restricted
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.restrictions",
        description="Restrictions on new risk: what stands, and adding or clearing one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", type=Path, default=Path("config.yaml"), help="configuration (%(default)s)"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    listing = commands.add_parser("list", help="what stands (the default)")
    listing.add_argument("--json", action="store_true", help="print it as JSON")
    add = commands.add_parser("add", help="write a restriction")
    add.add_argument("source", help="who restricts, such as operator")
    add.add_argument("--strategy", help="strategy (all)")
    add.add_argument("--scale", type=float, required=True, help="0, 0.5 or 1")
    add.add_argument("--reason", required=True, help="why")
    clear = commands.add_parser("clear", help="take a restriction away")
    clear.add_argument("source", help="as the list names it")
    clear.add_argument("--reason", required=True, help="why it is safe")
    parser.set_defaults(command="list", json=False)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = make_parser().parse_args(arguments)
    try:
        loaded = load_settings(options.config, os.environ)
        folder = RestrictionFolder(loaded.folders.control, SystemClock())
        strategies = [one.name for one in loaded.settings.strategies if one.enabled]
        if options.command == "add":
            made = folder.put(
                options.source, strategy=options.strategy, scale=options.scale, reason=options.reason
            )
            if made.strategy is not None and made.strategy not in strategies:
                print(f"note: no enabled strategy is called {made.strategy}", file=sys.stderr)
            print(f"restricted: {made.strategy or 'all strategies'} x {made.scale:g}, source {made.source}")
            return ExitCode.CLEAN
        if options.command == "clear":
            gone = folder.clear(options.source, user=getpass.getuser(), reason=options.reason)
            print(f"cleared: {gone.source} ({gone.reason})")
            return ExitCode.CLEAN
        return _list(folder, strategies, as_json=options.json)
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
    except (BackstopError, OSError) as error:
        print(f"restrictions: {error}", file=sys.stderr)
    return ExitCode.USAGE


def _list(folder: RestrictionFolder, strategies: Sequence[str], *, as_json: bool) -> int:
    standing = folder.standing()
    scales = standing.scales_of(strategies)
    if as_json:
        print(json.dumps(json.loads(dump(standing.payload(strategies))), indent=2))
    else:
        for one in standing.restrictions:
            print(f"{one.source}: {one.strategy or 'all strategies'} x {one.scale:g} since {one.since}")
            print(f"    {one.reason}")
        if not standing.restrictions:
            print("nothing is restricted")
        for strategy, scale in scales.items():
            print(f"new risk of {strategy}: x {scale:g}")
    return ExitCode.HALTED if any(scale != 1.0 for scale in scales.values()) else ExitCode.CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
