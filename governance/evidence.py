"""Evidence: what a recalibration found, as plain figures. NaN, nothing and None mean "not known", which no rule lets pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAN = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldEvidence:
    """One fold: what was promised in training, what came on the test window."""

    train: str
    test: str
    parameters: Mapping[str, float]
    in_sample_sharpe: float
    sharpe: float
    total_return: float
    max_drawdown: float
    fills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateauEvidence:
    """The chosen parameters' neighbours out of sample: how many, their median Sharpe ratio, and all of them."""

    own_sharpe: float = NAN
    sharpes: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LuckEvidence:
    """Trials and what they say; Sharpe ratios are annual.

    ``other_data`` counts the other data that the strategy was tried on, each of which the candidates count for once more.
    ``spread`` is the standard deviation of this study's, ``best_in_ledger`` the best of all trials on this data. ``ledger`` says what is wrong with the trial ledger, and is empty when nothing is.
    """

    own_trials: int = 0
    earlier_trials: int = 0
    other_data: int = 0
    counted_trials: float = NAN
    sharpe_by_luck: float = NAN
    sharpe: float = NAN
    deflated_sharpe: float = NAN
    spread: float = NAN
    best_in_ledger: float = NAN
    overfitting_probability: float = NAN
    ledger: str = "it was not looked at"


@dataclass(frozen=True, slots=True, kw_only=True)
class StressEvidence:
    """Resampled sessions, moved parameters, higher costs, crises and shocks."""

    growth_p5: float = NAN
    drawdown_p95: float = NAN
    jitter_gains: float = NAN
    costs_sharpe: float = NAN
    present_costs_sharpe: float = NAN
    crises: Mapping[str, float] = field(default_factory=dict)
    shocks: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardEvidence:
    """Which guards ran, what they hold for a bias, and what they only warn of."""

    ran: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityEvidence:
    """The newest parity check; ``problem`` says why there is none."""

    problem: str = "it was not looked for"
    differences: int | None = None
    sessions: int | None = None
    age_days: float = NAN
    same_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a decision is made of.

    Attributes
    ----------
    folds
        Of the walk-forward; empty when there was none, and then ``failure`` says why.
    in_sample_sharpe, out_of_sample_sharpe
        Mean of the chosen in training, and of the whole curve out of sample.
    bar_size_s, traded_size_s
        Of the evidence's bars, and of live trading's.
    age_days
        Whole days since the newest bar.
    """

    failure: str = ""
    folds: tuple[FoldEvidence, ...] = ()
    in_sample_sharpe: float = NAN
    out_of_sample_sharpe: float = NAN
    plateau: PlateauEvidence = PlateauEvidence()
    luck: LuckEvidence = LuckEvidence()
    stress: StressEvidence = StressEvidence()
    guards: GuardEvidence = GuardEvidence()
    parity: ParityEvidence = ParityEvidence()
    bar_size_s: int = 0
    traded_size_s: int = 0
    age_days: float = NAN
