"""``python -m dashboard``: the panel on a terminal, plain lines elsewhere. It reads, and can change nothing.

It is a process of its own so that a terminal that stops (Ctrl-S, a lost connection) holds up nobody else.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import deque
from pathlib import Path

from rich.console import Console
from rich.live import Live

from dashboard.panel import render
from dashboard.tail import ConsoleTail, Rationing
from dashboard.view import SystemView, describe, take_view

_REFRESH_S = 0.25
_PLAIN_EVERY_S = 5.0
_MOST_LINES = 6
_ECHO = 4
_STOPS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main() -> int:
    """Show the system until a signal ends it."""
    options = _parse()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    # Without a gateway in this run its console file would be an old one.
    names = ("gateway", "risk_monitor", "main") if options.gateway_status else ("risk_monitor", "main")
    tails = [ConsoleTail(name, options.logs / f"{name}.console.log") for name in names]
    tails.insert(0, ConsoleTail("system", options.logs / "system.console.log", options.system_from))
    try:
        if options.plain or not sys.stdout.isatty():
            _show_lines(options, tails)
        else:
            _show_panel(options, tails)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; there is nobody left to tell
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dashboard", description=__doc__)
    parser.add_argument(
        "--logs", type=Path, default=Path("logs"), help="folder of heartbeats and console files"
    )
    parser.add_argument("--gateway-status", type=Path, help="status file of the paper gateway")
    parser.add_argument("--run-id", help="show only this run")
    parser.add_argument("--system-from", type=int, default=0, help="byte of system.console.log to begin at")
    parser.add_argument("--plain", action="store_true", help="lines instead of the panel")
    return parser.parse_args()


def _look(options: argparse.Namespace) -> SystemView:
    return take_view(options.logs, options.gateway_status, options.run_id, time.monotonic_ns())


def _show_lines(options: argparse.Namespace, tails: list[ConsoleTail]) -> None:
    # A replay goes through days in seconds: nobody reads every order of it.
    rationing = Rationing(_MOST_LINES if options.gateway_status else None)
    next_line = time.monotonic() + 1.0
    stopping = False
    while True:
        for tail in tails:
            for line in tail.read_lines():
                if rationing.admits(line):
                    print(f"{tail.name:<12} | {line}", flush=True)
        if stopping:  # after a last look, so that what was said at the end is not lost
            return
        if time.monotonic() >= next_line:
            held_back = rationing.begin_interval()
            if held_back:
                print(f"{'':<12} | ({held_back} more lines; all are in {options.logs})", flush=True)
            print(f"{'status':<12} | {describe(_look(options))}", flush=True)
            next_line += _PLAIN_EVERY_S
        stopping = signal.sigtimedwait(_STOPS, _REFRESH_S) is not None


def _show_panel(options: argparse.Namespace, tails: list[ConsoleTail]) -> None:
    messages: deque[str] = deque(maxlen=8)
    run_id = options.run_id or ""
    with Live(console=Console(), auto_refresh=False, vertical_overflow="crop") as live:
        stopping = False
        while not stopping:
            stopping = signal.sigtimedwait(_STOPS, _REFRESH_S) is not None
            for tail in tails:
                messages.extend(f"{tail.name:<12} {line}" for line in tail.read_lines())
            # Room for the "^C" that the terminal echoes: wrapped to another line it would shift the picture.
            width = max(live.console.width - _ECHO, 1)
            live.update(render(_look(options), messages, run_id=run_id, width=width), refresh=True)


if __name__ == "__main__":
    sys.exit(main())
