"""Evidence that satisfies the mandate, to be spoiled one figure at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backtester.guards.warnings import Guard
from governance.evidence import (
    Evidence,
    FoldEvidence,
    GuardEvidence,
    LuckEvidence,
    ParityEvidence,
    PlateauEvidence,
    StressEvidence,
)


def fold(**changes: Any) -> FoldEvidence:
    """A good fold."""
    good = FoldEvidence(
        train="2001-01-02 to 2004-12-31",
        test="2005-01-03 to 2006-12-29",
        parameters={"fast_window": 20.0},
        in_sample_sharpe=1.8,
        sharpe=1.4,
        total_return=0.2,
        max_drawdown=0.08,
        fills=120,
    )
    return replace(good, **changes)


GOOD = Evidence(
    folds=(fold(), fold(sharpe=0.9), fold(sharpe=1.6), fold()),
    in_sample_sharpe=1.8,
    out_of_sample_sharpe=1.4,
    plateau=PlateauEvidence(own_sharpe=1.4, sharpes=(1.3, 1.2, 1.1, 1.5)),
    luck=LuckEvidence(
        own_trials=500,
        earlier_trials=40,
        counted_trials=220.0,
        sharpe_by_luck=0.6,
        sharpe=1.6,
        deflated_sharpe=0.99,
        overfitting_probability=0.1,
        ledger="",
    ),
    stress=StressEvidence(
        growth_p5=0.02,
        drawdown_p95=0.15,
        jitter_gains=1.0,
        costs_sharpe=1.1,
        present_costs_sharpe=1.2,
        crises={"2008 financial crisis": 0.1, "2020 March": 0.05},
        shocks={"gap:-0.2": 0.2, "halt:5": 0.1},
    ),
    guards=GuardEvidence(ran=tuple(guard.value for guard in Guard), cautions=("survivorship: symbols: x",)),
    parity=ParityEvidence(problem="", differences=0, sessions=250, age_days=2.0, same_code=True),
    bar_size_s=300,
    traded_size_s=300,
    age_days=1.0,
)
