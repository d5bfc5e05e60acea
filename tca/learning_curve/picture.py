"""The learning curve as a PNG and as a page."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing

from performance.tear_sheet.colours import light
from performance.tear_sheet.page import Page, Section, Table, Text, Tile, Tiles, write_page
from tca import simulated_market
from tca.learning_curve.experiment import JUDGED
from tca.learning_curve.figure import curve_figure
from tca.learning_curve.summary import COVERAGE_LIMIT, REGRET_LIMIT, Curve


def write_picture(curve: Curve, path: Path) -> None:
    """Draw regret over orders."""
    mpl.use("Agg")
    drawing = Drawing(figsize=(9.0, 4.8), dpi=120, layout="constrained")
    axes = drawing.subplots()
    axes.fill_between(
        curve.parents,
        curve.low,
        curve.high,
        color=light("@equity"),
        alpha=0.18,
        lw=0,
        label="90 % of the seeds",
    )
    axes.plot(curve.parents, curve.ratio, color=light("@equity"), lw=2, label="the wheel")
    name, fixed = curve.best_fixed
    axes.plot(
        [0, curve.change_at], [fixed, fixed], color=light("@second"), lw=1.2, ls="--", label=f"always {name}"
    )
    axes.axhline(REGRET_LIMIT, color=light("@loss"), lw=1.2, ls=":", label="a quarter of uniform choice's")
    axes.axvline(curve.change_at, color=light("@muted"), lw=1)
    axes.annotate(
        "the market changes",
        (curve.change_at, 0.0),
        xytext=(4, 4),
        textcoords="offset points",
        color=light("@muted"),
    )
    axes.set(
        xlabel="parent orders",
        ylabel="regret / regret of uniform choice",
        ylim=(0, 1.05),
        xlim=(0, curve.parents[-1]),
        title=f"The algo wheel learns: regret per order, {curve.seeds} simulated markets",
    )
    axes.legend(loc="upper right", frameon=False, ncols=2)
    axes.grid(color=light("@rule"), lw=0.6)
    drawing.savefig(path)


def write_page_of(curve: Curve, path: Path) -> None:
    """Write the page."""
    ratio = curve.regret_ratio
    recovered = "never" if curve.recovered_after is None else f"{curve.recovered_after:,} orders"
    tiles = Tiles(
        tiles=(
            Tile(
                name=f"Regret at {JUDGED:,} orders",
                value=f"{ratio.estimate:.1%}",
                hint=f"of uniform choice's; {ratio.low:.1%} to {ratio.high:.1%}",
                tone="gain" if ratio.estimate < REGRET_LIMIT else "loss",
            ),
            Tile(
                name="Before the change",
                value=f"{curve.later_ratio:.1%}",
                hint=f"at {curve.change_at:,} orders",
            ),
            Tile(name="Recovered after", value=recovered, hint=f"below {REGRET_LIMIT:.0%} again"),
            Tile(
                name="Coverage",
                value=f"{curve.coverage['doubly_robust']:.1%}",
                hint="of 95 % intervals, doubly robust",
                tone="gain" if curve.coverage["doubly_robust"] >= COVERAGE_LIMIT else "loss",
            ),
        )
    )
    coverage = Table(
        title="Off-policy intervals that held the truth",
        columns=("estimator", "coverage", "mean width, bps"),
        rows=tuple(
            (name.replace("_", " "), f"{share:.1%}", f"{curve.widths[name]:.2f}")
            for name, share in curve.coverage.items()
        ),
        note=f"A candidate trained on the first {JUDGED // 2:,} orders is judged by the log of the next {JUDGED // 2:,}, "
        "which the wheel chose while it went on learning.",
    )
    market = Text(title="The market", paragraphs=(), code=simulated_market.__doc__ or "")
    page = Page(
        title="The algo wheel's learning curve",
        subtitle=f"{curve.seeds} simulated markets; the market changes after {curve.change_at:,} orders",
        sections=(
            Section(title="", blocks=(tiles, curve_figure(curve))),
            Section(title="How sure the log is of another policy", blocks=(coverage,)),
            Section(title="What was simulated", blocks=(market,)),
        ),
        footer="python -m tca learning-curve",
    )
    write_page(page, path)
