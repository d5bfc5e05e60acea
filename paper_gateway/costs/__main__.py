"""``python -m paper_gateway.costs``: cost of each execution method against the order's size, as a table and a picture."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from core.errors import BackstopError
from paper_gateway.costs.study import WAYS, Cell, study
from paper_gateway.impact import ImpactModel

_SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03)


def _parser() -> argparse.ArgumentParser:
    model = ImpactModel()
    parser = argparse.ArgumentParser(prog="python -m paper_gateway.costs", description=__doc__)
    add = parser.add_argument
    add("--symbol", default="MSFT", help="packaged symbol (%(default)s)")
    add("--first", type=date.fromisoformat, default=date(2012, 10, 1), metavar="DATE", help="(%(default)s)")
    add("--days", type=int, default=5, metavar="N", help="sessions (%(default)s)")
    add("--impact", type=float, default=model.strength, metavar="Y", help="as the gateway's (%(default)s)")
    add("--seed", type=int, default=1, help="of the simulated paths (%(default)s)")
    add("--json", action="store_true", help="print JSON instead of the table")
    add("--png", type=Path, metavar="FILE", help="draw the table")
    return parser


def _print_table(cells: Sequence[Cell]) -> None:
    print(f"{'method':<18}{'part of volume':>15}{'cost, bps':>11}{'filled':>9}{'minutes':>9}")
    for cell in cells:
        print(
            f"{cell.way:<18}{cell.share:>15.2%}{cell.cost_bps:>11.2f}{cell.filled:>9.1%}{cell.minutes:>9.1f}"
        )


def _draw(cells: Sequence[Cell], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (slow to load, and only for this)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8.0, 4.8), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for way in WAYS:
        own = [cell for cell in cells if cell.way == way.name]
        axes.plot([100 * one.share for one in own], [one.cost_bps for one in own], marker="o", label=way.name)
    axes.set_xscale("log")
    axes.set_xticks([100 * share for share in _SHARES], [f"{100 * share:g}" for share in _SHARES])
    axes.minorticks_off()
    axes.set(xlabel="order, % of the day's volume", ylabel="cost against the arrival midpoint, bps")
    axes.set_title("Simulated cost of execution by method and size", loc="left")
    axes.axhline(0, color="0.6", lw=0.8)
    axes.grid(color="0.9", lw=0.6)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> int:
    """Run the study; return the exit code."""
    arguments = _parser().parse_args()
    try:
        impact = ImpactModel(strength=arguments.impact)
        cells = study(arguments.symbol, arguments.first, arguments.days, _SHARES, impact, seed=arguments.seed)
    except (BackstopError, ValueError) as problem:
        print(f"costs: {problem}", file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps([asdict(cell) for cell in cells], indent=1))
    else:
        _print_table(cells)
    if arguments.png is not None:
        _draw(cells, arguments.png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
