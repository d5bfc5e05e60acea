"""The watchdog's start-up and size, and what both processes cost while a market in real time goes by."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from tests.bench.report import Row, row
from tests.bench.stage import ROOT, Stage, wait_for

STARTUP_S, MEMORY_MB = 1.0, 80.0
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
_LIBRARIES = "import ibapi.client, psutil, pydantic, structlog, yaml, zmq"
_POLL_S = 0.002
Say = Callable[[str], None]


def run(runs: int, say: Say, *, watched_s: float = 10.0, idle_s: float = 20.0) -> list[Row]:
    """Start the watchdog ``runs / 5`` times, watch its memory, then let both processes run."""
    with Stage(symbols=SYMBOLS) as stage:
        stage.start_gateway("--symbols", *SYMBOLS, "--start", "2012-11-12")
        rows = _start_up(stage, max(runs // 5, 1), say)
        rows.append(_memory(stage, watched_s, say))
        rows += _idle(stage, idle_s, say)
    return rows


def _start_up(stage: Stage, times: int, say: Say) -> list[Row]:
    first, watching, bare = [], [], []
    for number in range(times):
        bare.append(_bare_start())
        stage.new_run()
        began = time.monotonic()
        process = stage.start_watchdog()
        wait_for(stage.watchdog, "the watchdog's first heartbeat", every_s=_POLL_S)
        first.append(time.monotonic() - began)
        wait_for(lambda: stage.watchdog().get("state") == "watching", "a watching watchdog", every_s=_POLL_S)
        watching.append(time.monotonic() - began)
        process.terminate()
        process.wait()
        say(f"start-up {number + 1}/{times}: {watching[-1]:.2f} s")
    reference = sorted(bare)[len(bare) // 2]
    note = (
        "reference: a Python that only imports the watchdog's libraries. The heartbeat is sent four times a second, which "
        "adds up to 0.25 s to 'watching'."
    )
    return [
        row("watchdog start-up", "process made → first heartbeat", "s", first, target=STARTUP_S, reference=reference, note=note),
        row("watchdog start-up", "process made → watching, lease given", "s", watching, target=STARTUP_S, reference=reference),
    ]  # fmt: skip


def _bare_start() -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _LIBRARIES], cwd=ROOT, check=True)
    return time.monotonic() - began


def _memory(stage: Stage, watched_s: float, say: Say) -> Row:
    stage.new_run()
    process = stage.start_watchdog()
    wait_for(lambda: stage.watchdog().get("state") == "watching", "a watching watchdog")
    time.sleep(watched_s)
    megabytes = psutil.Process(process.pid).memory_info().rss / 1e6
    say(f"memory of the watchdog after {watched_s:g} s: {megabytes:.1f} MB")
    process.terminate()
    process.wait()
    return row(
        "watchdog memory", f"resident after watching {watched_s:g} s", "MB", [megabytes], target=MEMORY_MB
    )


def _idle(stage: Stage, idle_s: float, say: Say) -> list[Row]:
    """Four windows of processor time, in percent of one core, and the memory at the end."""
    stage.new_run()
    watchdog, main = stage.start_watchdog(), stage.start_main()
    wait_for(lambda: stage.heartbeat("main").get("body", {}).get("phase") == "trading", "a trading main")
    wait_for(
        lambda: stage.watchdog().get("checks", {}).get("heartbeat") == "ok", "a watchdog that hears main"
    )
    time.sleep(min(idle_s, 2.0))  # what a start leaves behind
    watched = {"watchdog": psutil.Process(watchdog.pid), "main": psutil.Process(main.pid)}
    used: dict[str, list[float]] = {name: [] for name in watched}
    for _ in range(4):
        before = {name: sum(one.cpu_times()[:2]) for name, one in watched.items()}
        began = time.monotonic()
        time.sleep(idle_s / 4)
        took = time.monotonic() - began
        for name, one in watched.items():
            used[name].append(100 * (sum(one.cpu_times()[:2]) - before[name]) / took)
    rows = []
    for name, one in watched.items():
        say(f"idle {name}: {sum(used[name]) / 4:.1f}% of a core")
        case = f"{name}: processor time over {idle_s:g} s (4 windows)"
        rows.append(
            row("both processes, market at real-time pace, 5 symbols", case, "% of a core", used[name])
        )
        memory = [one.memory_info().rss / 1e6]
        target = MEMORY_MB if name == "watchdog" else None
        rows.append(row("both processes, market at real-time pace, 5 symbols", f"{name}: resident", "MB", memory, target=target))  # fmt: skip
    for process in (main, watchdog):
        process.terminate()
        process.wait()
    return rows
