"""``make parity``: makes a paper session through the real processes, and holds it against the backtester.

The session runs as any other (``run_system.sh --paper``): main, watchdog and gateway, over real sockets. The gateway fills
by the bar model, with the costs of section ``backtest``; the journal records what main did. Then the bars of the same
market are written to files, and ``python -m backtester.parity`` compares.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from core.config_loader import OVERRIDE_PREFIX, load_settings
from core.config_schema import Settings
from core.errors import BackstopError, ConfigError
from core.exit_codes import ExitCode
from core.journal import read
from core.records import RecordKind
from dashboard.sources import read_gateway_status
from scripts.options import PaperOptions, UsageError
from scripts.options import parse as parse_system

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_SESSIONS = 250
DEFAULT_START = "2011-10-03"
DEFAULT_SYMBOLS = "AAPL,GOOG,IBM,MSFT"
"""Packaged symbols that have prices for a year from the default start on."""
_SESSION_S = 23_400
_POLL_S = 0.25

# The watchdog judges live accounts. Whether a strategy that loses is stopped says nothing about parity, so its limits on
# losses are out of the way; a value given in the environment stands.
_PATIENT = {
    "BACKSTOP__RISK__DRAWDOWN__ENABLED": "false",
    "BACKSTOP__RISK__DAILY_LOSS__ENABLED": "false",
}
EPILOG = f"""examples:
  make parity                                      {DEFAULT_SESSIONS} sessions, as long as it takes
  make parity PARITY_OPTIONS="--sessions 5"        a short one
  python -m scripts.parity --sessions 20 --symbols AAPL,IBM --strategies donchian,momentum
  python -m scripts.parity --sessions 20 --set backtest.fill_participation=0.002
                                                   thin: orders fill in parts, from bar to bar
exit codes: 0 no difference, 1 differences, 2 wrong usage, 3 the paper run failed
"""
_RUN_FAILED = 3
_INTERRUPTED = 130
_MARK = "made-by-parity"
"""File that marks a folder as one that may be emptied."""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.parity",
        description="A paper session through the real processes, held against the backtester.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sessions", default=str(DEFAULT_SESSIONS), metavar="N", help="sessions to trade (%(default)s)")
    add("--symbols", metavar="A,B", help=f"symbols to trade ({DEFAULT_SYMBOLS}; of your own bars all)")
    add("--strategies", metavar="A,B", help="strategies, with equal shares (those of the configuration)")
    add("--start", metavar="DATE", help=f"first session, YYYY-MM-DD ({DEFAULT_START})")
    add(
        "--data",
        metavar="FOLDER",
        help="your own bars (packaged daily prices, with simulated paths inside the day)",
    )
    add("--seed", default="1", metavar="N", help="seed of the simulated paths (%(default)s)")
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY.PATH=VALUE",
        help="override a key of the configuration",
    )
    add("--config", type=Path, default=ROOT / "config.yaml", help="configuration (%(default)s)")
    add("--folder", type=Path, help="where the run's files go (results/parity, emptied before)")
    add("--out", type=Path, help="where the figures go (results/parity.json)")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Record and compare; returns the exit code."""
    options = make_parser().parse_args(arguments)
    if options.data is None:
        options.symbols = options.symbols or DEFAULT_SYMBOLS
        options.start = options.start or DEFAULT_START
    try:
        words = _paper_words(options)
        paper = parse_system(words, ROOT).paper or PaperOptions()
        environment = _environment(options, paper.symbols, os.environ)
        settings = load_settings(options.config, environment).settings
        _reject_what_differs(settings)
    except UsageError as error:
        print(f"parity: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return ExitCode.USAGE
    folder = (options.folder or options.config.resolve().parent / "results" / "parity").resolve()
    out = options.out or folder.parent / "parity.json"
    try:
        _make_folder(folder, options.config)
        journal = _record(folder, words, environment, int(options.sessions))
        if journal is None:
            return _RUN_FAILED
        _write_bars(folder, journal, settings, paper)
    except KeyboardInterrupt:
        print("parity: interrupted; the paper run was stopped", file=sys.stderr)
        return _INTERRUPTED
    except (BackstopError, OSError, subprocess.CalledProcessError) as error:
        print(f"parity: {error}", file=sys.stderr)
        return _RUN_FAILED
    print(f"the session's files: {folder}\nfigures: {out}\n", flush=True)
    command = [
        sys.executable,
        "-m",
        "backtester.parity",
        "--journal",
        str(journal),
        "--data",
        str(folder / "bars"),
    ]
    command += ["--config", str(folder / "config.yaml"), "--fills", "both", "--out", str(out)]
    # No shell is involved, and the words come from our own parser.
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603


def _paper_words(options: argparse.Namespace) -> list[str]:
    words = ["--paper", "--fill-model", "bar", "--sessions", options.sessions, "--seed", options.seed]
    for name in ("symbols", "start", "data"):
        value = getattr(options, name)
        if value is not None:
            words += [f"--{name}", value]
    return words


def _environment(
    options: argparse.Namespace, symbols: Sequence[str], base: Mapping[str, str]
) -> dict[str, str]:
    """Environment of the run and of the comparison: the same overrides for both."""
    environment = _PATIENT | dict(base)
    problems = []
    for change in options.set:
        path, equals, value = change.partition("=")
        if not equals or not path.strip() or not value.strip():
            problems.append(f"--set {change}: write key.path=value, such as sizing.risk_per_trade=0.02")
        environment[OVERRIDE_PREFIX + path.strip().upper().replace(".", "__")] = value.strip()
    if problems:
        raise ConfigError(problems)
    environment[f"{OVERRIDE_PREFIX}UNIVERSE__SYMBOLS"] = f"[{', '.join(symbols)}]"
    if options.strategies:
        names = [name.strip() for name in options.strategies.split(",") if name.strip()]
        chosen = ", ".join(f"{{name: {name}, weight: {1 / len(names):.6f}}}" for name in names)
        environment[f"{OVERRIDE_PREFIX}STRATEGIES"] = f"[{chosen}]"
    return environment


def _reject_what_differs(settings: Settings) -> None:
    """Refuse what the gateway can't fill as a backtest assumes.

    Raises
    ------
    ConfigError
        With each key.
    """
    assumed = settings.backtest
    wrong = (
        (assumed.fill_at != "open", "backtest.fill_at: must be open, as live market orders are"),
        (assumed.time_in_force != "DAY", "backtest.time_in_force: must be DAY, as live orders are"),
        (
            assumed.commission == "none",
            "backtest.commission: the gateway charges IB's tiered or fixed schedule",
        ),
        (settings.execution.method != "MKT", "execution.method: must be MKT"),
        (settings.execution.exit_method != "MKT", "execution.exit_method: must be MKT"),
        (settings.caps.settlement_days != 1, "caps.settlement_days: the gateway settles on T+1"),
    )
    problems = [text for is_wrong, text in wrong if is_wrong]
    if problems:
        raise ConfigError(problems)


def _make_folder(folder: Path, config: Path) -> None:
    """Empty the folder, if it is one of ours, and put a configuration there: a paper run keeps its files beside it."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / _MARK).is_file():
            raise BackstopError(f"{folder} holds something else than a parity run: choose another --folder")
        shutil.rmtree(folder)
    (folder / "flags").mkdir(parents=True)
    (folder / _MARK).touch()
    shutil.copy(config, folder / "config.yaml")


def _record(folder: Path, words: list[str], environment: dict[str, str], sessions: int) -> Path | None:
    """Run the paper session to its end; return its journal, or None (and say why) when it didn't end well."""
    cash = str(load_settings(folder / "config.yaml", environment).settings.backtest.cash)
    command = [
        str(ROOT / "run_system.sh"),
        *words,
        "--cash",
        cash,
        "--plain",
        "--config",
        str(folder / "config.yaml"),
    ]
    terminal = folder / "terminal.txt"
    began = time.monotonic()
    with terminal.open("wb") as file, _progress(sessions) as show:
        # No shell is involved, and the words come from our own parser.
        process = subprocess.Popen(  # noqa: S603
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            while process.poll() is None:
                time.sleep(_POLL_S)
                show(_sessions_done(folder))
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
    journal = next(folder.glob("state/paper/*/main.db"), None)
    if process.returncode != 0 or journal is None:
        tail = "\n".join(terminal.read_text(errors="replace").splitlines()[-30:])
        print(f"{tail}\nparity: the paper run ended with exit code {process.returncode}", file=sys.stderr)
        return None
    print(f"recorded in {time.monotonic() - began:.0f} s")
    return journal


def _sessions_done(folder: Path) -> int:
    status = next(folder.glob("state/paper/*/gateway_status.json"), None)
    view = read_gateway_status(status) if status is not None else None
    return view.sessions_done if view is not None else 0


@contextmanager
def _progress(sessions: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("paper session", total=sessions)
        yield lambda done: progress.update(task, completed=done)


def _write_bars(folder: Path, journal: Path, settings: Settings, paper: PaperOptions) -> None:
    days = [date.fromisoformat(str(one.payload["date"])) for one in read(journal, kinds=[RecordKind.SESSION])]
    if not days:
        raise BackstopError("the session has no bar: nothing was traded")
    sessions = math.ceil(settings.bars.warmup_bars / max(_SESSION_S // settings.bars.size_s, 1)) + 2
    start = days[0] - timedelta(days=2 * sessions + 10)  # weekends and holidays
    command = [sys.executable, "-m", "paper_gateway.bars", "--out", str(folder / "bars")]
    command += [
        "--bar-size",
        str(settings.bars.size_s),
        "--seed",
        str(paper.seed if paper.seed is not None else 1),
    ]
    command += ["--symbols", *settings.universe.symbols, "--start", str(start), "--end", str(days[-1])]
    if paper.data is not None:
        command += ["--data", str(paper.data)]
    # No shell is involved, and the words come from our own parser.
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
