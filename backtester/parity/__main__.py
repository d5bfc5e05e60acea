"""Command line: ``python -m backtester.parity --journal state/main.db --data bars``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.atomic_file import write_atomic
from core.command import run_command
from core.config_loader import LoadedSettings, load_settings
from core.errors import BackstopError, ConfigError
from core.exit_codes import ExitCode

EPILOG = """examples:
  python -m backtester.parity --journal state/main.db --data bars
      Did the last run decide as it should have, given the fills that it got? For every night, and any broker.
  python -m backtester.parity --journal state/paper/RUN/main.db --data bars --fills model
      Also: would a backtest by itself have got the same fills? For a paper run with --fill-model bar.
  make parity
      Both, over a paper run that it makes.
exit codes: 0 no difference, 1 differences, 2 wrong configuration or usage
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m backtester.parity",
        description="Holds a live account's journal against the backtester, order by order.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--journal", type=Path, required=True, metavar="FILE", help="main's journal; it may be in use")
    add(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="bars of the size that was traded, warm-up included",
    )
    add("--config", type=Path, default=Path("config.yaml"), help="configuration of the run (%(default)s)")
    add("--run", metavar="ID", help="run of the journal (the last that decided on a bar)")
    add(
        "--fills",
        choices=("recorded", "model", "both"),
        default="recorded",
        help="(%(default)s); see the examples",
    )
    add("--json", action="store_true", help="print the figures as JSON")
    add("--out", type=Path, metavar="FILE", help="also write the figures to this file")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the checks; returns the exit code."""
    options = make_parser().parse_args(arguments)
    try:
        loaded = load_settings(options.config, os.environ)
        return run(loaded, options)
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
    except (BackstopError, OSError) as error:
        print(f"parity: {error}", file=sys.stderr)
    return int(ExitCode.USAGE)


def run(loaded: LoadedSettings, options: argparse.Namespace) -> int:
    """Run the checks that were asked for, print what they found, and say by the exit code whether it was anything."""
    from backtester.parity.check import Fills, check, make_basis, total  # noqa: PLC0415 (numba)
    from backtester.parity.recorded import read_recording  # noqa: PLC0415
    from backtester.parity.report import figures_of, text_of  # noqa: PLC0415
    from data.csv_bars import load_folder  # noqa: PLC0415
    from strategy.registry import validate  # noqa: PLC0415

    settings = loaded.settings
    loaded.reject(validate(settings.strategies))
    recording = read_recording(options.journal, options.run)
    folder = load_folder(options.data, settings.universe.symbols, calendar_name=settings.universe.calendar)
    basis = make_basis(recording, settings, folder)
    wanted = list(Fills) if options.fills == "both" else [Fills(options.fills)]
    results = []
    for fills in wanted:
        with _bar(f"checking, --fills {fills}", len(recording.history.balances)) as advance:
            results.append(check(fills, recording, basis, advance))
    figures = figures_of(results, recording, basis)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(options.out, (json.dumps(figures, indent=2) + "\n").encode())
    print(json.dumps(figures, indent=2) if options.json else text_of(results, recording, basis))
    return 1 if total(results) else 0


@contextmanager
def _bar(what: str, steps: int) -> Iterator[Callable[[], None]]:
    """Progress bar on the error stream, when that is a terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=steps)
        yield lambda: progress.advance(task)


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
