"""Research at speed: every work by us, by the bare kernel and by the peers, in one run and on the same prices.

Each system runs in a process of its own: once to warm up (compile), then some times; the median counts. The peers' own
environments are made by scripts/setup_env.sh when they are needed.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.research.prices import write
from tests.bench.stage import BenchFailed

ROOT = Path(__file__).resolve().parents[3]
PEERS = Path(__file__).parent / "peers"
OURS, KERNEL = "backstop", "bare kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Somebody who does a work.

    Attributes
    ----------
    name
        As printed.
    program, work
        Script in `PEERS` and what it calls the work; our own works are in `tests.bench.research.ours`.
    at_least
        How many times faster we want to be; None where nothing is asked.
    runs
        How often it is timed after one warm-up; slow peers are timed once, without.
    times
        Factor for a peer that does one cell of the work only, because the whole would take hours.
    """

    name: str
    program: str
    work: str
    at_least: float | None = None
    runs: int = 3
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResearchRow:
    """One system's figure for one work.

    ``ratio_to_peer`` (ours only) is the fastest peer's time over ours, ``ratio_to_kernel`` our time over the bare
    kernel's; ``slower_than_us`` (peers only) is a peer's time over ours, ``at_least`` what was asked of it.
    """

    work: str
    system: str
    seconds_median: float
    runs: int
    peak_rss_mb: float
    cold_s: float
    ratio_to_peer: float | None = None
    ratio_to_kernel: float | None = None
    slower_than_us: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``met``, ``MISSED`` or empty where nothing is asked."""
        if self.at_least is None or self.slower_than_us is None:
            return ""
        return "met" if self.slower_than_us >= self.at_least else "MISSED"


_VECTORBT, _BACKTESTING, _NUMPY, _NAUTILUS = (
    f"{name}_peer.py" for name in ("vectorbt", "backtesting", "numpy", "nautilus")
)
WORKS: dict[str, tuple[System, ...]] = {
    "single_5min": (
        System(name="vectorbt, near rules", program=_VECTORBT, work="single_5min_near", at_least=5, runs=7),
        System(name="vectorbt, exact rules", program=_VECTORBT, work="single_5min_exact", at_least=5, runs=7),
        System(name="backtesting.py", program=_BACKTESTING, work="single_5min", at_least=100, runs=1),
        System(name="nautilus_trader", program=_NAUTILUS, work="single_5min", at_least=500, runs=1),
    ),
    "grid_daily": (
        System(name="vectorbt", program=_VECTORBT, work="grid_daily", at_least=20, runs=1),
        System(name="numpy by hand", program=_NUMPY, work="grid_daily", runs=1),
        System(name="backtesting.py", program=_BACKTESTING, work="cell_daily", times=20_000),
    ),
    "grid_5min": (
        System(name="vectorbt", program=_VECTORBT, work="grid_5min", at_least=20, runs=1),
        System(name="numpy by hand", program=_NUMPY, work="grid_5min", runs=1),
        System(name="backtesting.py", program=_BACKTESTING, work="cell_5min", times=500, runs=1),
    ),
    "walk_forward": (System(name="vectorbt", program=_VECTORBT, work="walk_forward", at_least=50, runs=1),),
    "monte_carlo": (
        System(name="numpy in tiles", program=_NUMPY, work="monte_carlo_numpy", at_least=10, runs=5),
        System(name="arch", program=_NUMPY, work="monte_carlo_arch", at_least=10, runs=5),
    ),
    "event_path": (
        System(name="nautilus_trader", program=_NAUTILUS, work="event_path", at_least=4, runs=1),
        System(name="backtesting.py", program=_BACKTESTING, work="event_path", runs=1),
    ),
}
NO_KERNEL = frozenset({"event_path"})


def run(runs: int, say: Callable[[str], None], works: tuple[str, ...] = tuple(WORKS)) -> list[ResearchRow]:
    """Measure the works; ``runs`` is how often our own are timed.

    Raises
    ------
    BenchFailed
        When a system doesn't end its work.
    """
    for kind in ("peers", "peers-nautilus"):
        say(f"environment {kind}")
        subprocess.run([ROOT / "scripts" / "setup_env.sh", kind], check=True, stdout=sys.stderr)
    rows: list[ResearchRow] = []
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for work in works:
            rows += _work(work, Path(folder), runs, say)
    return rows


def _work(work: str, prices: Path, runs: int, say: Callable[[str], None]) -> list[ResearchRow]:
    module = ("-m", "tests.bench.research.ours")
    say(f"{work}: {OURS}")
    ours = _measure([sys.executable, *module, work, prices, "--runs", runs])
    mine = statistics.median(ours["seconds"])
    kernel = None
    if work not in NO_KERNEL:
        say(f"{work}: {KERNEL}")
        kernel = _measure([sys.executable, *module, f"{work}_kernel", prices, "--runs", runs])
    peers = []
    for system in WORKS[work]:
        say(f"{work}: {system.name}")
        measured = _measure(_peer_command(system, prices))
        seconds = statistics.median(measured["seconds"]) * system.times
        note = f"one cell, times {system.times:,}" if system.times > 1 else ""
        peers.append(
            _row(
                work, system.name, measured, seconds,
                slower_than_us=seconds / mine, at_least=system.at_least, note=note,
            )
        )  # fmt: skip
    fastest = min(one.seconds_median for one in peers)
    bare = statistics.median(kernel["seconds"]) if kernel else None
    rows = [
        _row(
            work,
            OURS,
            ours,
            mine,
            ratio_to_peer=fastest / mine,
            ratio_to_kernel=mine / bare if bare else None,
        )
    ]
    if kernel and bare:
        rows.append(_row(work, KERNEL, kernel, bare))
    return rows + peers


def _peer_command(system: System, prices: Path) -> list[Any]:
    kind = "peers-nautilus" if system.program == _NAUTILUS else "peers"
    python = ROOT / f".venv-{kind}" / "bin" / "python"
    warm_up = 0 if system.runs == 1 and system.program != _VECTORBT else 1
    return [python, PEERS / system.program, system.work, prices, "--runs", system.runs, "--warm-up", warm_up]


def _measure(command: list[Any]) -> dict[str, Any]:
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=3600
    )
    if done.returncode != 0:
        raise BenchFailed(f"{' '.join(map(str, command[1:4]))}: {done.stderr.strip()[-400:]}")
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def _row(work: str, system: str, measured: dict[str, Any], seconds: float, **more: Any) -> ResearchRow:
    rounded: dict[str, Any] = {
        name: round(value, 3) if isinstance(value, float) else value for name, value in more.items()
    }
    return ResearchRow(
        work=work,
        system=system,
        seconds_median=round(seconds, 5),
        runs=len(measured["seconds"]),
        peak_rss_mb=round(measured["peak_rss_mb"]),
        cold_s=round(measured["cold_s"], 2),
        **rounded,
    )


def table(rows: list[ResearchRow]) -> str:
    """Rows as text, grouped by work."""
    lines = []
    for work in dict.fromkeys(one.work for one in rows):
        lines.append(f"{work:<24}{'seconds':>11}{'runs':>6}{'peak MB':>9}{'cold s':>8}{'us':>10}{'asked':>8}")
        for one in (row for row in rows if row.work == work):
            ratio = "" if one.slower_than_us is None else f"{one.slower_than_us:,.1f}x"
            if one.ratio_to_peer is not None:
                ratio = f"{one.ratio_to_kernel:.1f}x kernel" if one.ratio_to_kernel else ""
            asked = "" if one.at_least is None else f"{one.at_least:g}x"
            lines.append(
                f"  {one.system:<22}{one.seconds_median:>11,.4f}{one.runs:>6}{one.peak_rss_mb:>9,.0f}{one.cold_s:>8.1f}"
                f"{ratio:>14}{asked:>8} {one.verdict} {one.note}".rstrip()
            )
        lines.append("")
    return "\n".join(lines)
