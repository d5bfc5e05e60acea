"""The mandate: what evidence other parameters must bring before they may trade (``validation_mandate.yaml``).

It is written before the evidence is looked at, and its hash is part of the evidence. Nothing on the command line loosens it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from backtester.validation.crises import CRISES
from core.canonical import dump
from core.config_section import Section
from core.config_yaml import parse
from core.errors import ConfigError

FILE_NAME = "validation_mandate.yaml"
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class WalkForwardMandate(Section):
    """Windows of the walk-forward, and what the folds must show out of sample."""

    train_sessions: int = Field(default=1008, ge=60, le=10_000)
    test_sessions: int = Field(default=504, ge=20, le=5_000)
    anchored: bool = False
    purge_sessions: int = Field(default=5, ge=0, le=500)
    embargo_sessions: int = Field(default=0, ge=0, le=500)
    inner_folds: int = Field(default=3, ge=1, le=20)
    min_folds: int = Field(default=4, ge=2, le=200)
    min_mean_sharpe: float = Field(default=1.0, ge=0, le=10)
    min_worst_sharpe: float = Field(default=0.5, ge=-1, le=10)
    max_mean_drawdown: Share = 0.15
    min_positive_folds: Share = 0.75
    min_efficiency: float = Field(default=0.5, ge=0, le=10)


class TradesMandate(Section):
    """How much must have been traded, so that the figures are more than a few lucky days."""

    min_fills: Count = 200
    min_fills_a_fold: Count = 10


class PlateauMandate(Section):
    """What the neighbours of the chosen parameters must show on the test windows."""

    min_neighbours: int = Field(default=2, ge=1, le=1000)
    min_kept_sharpe: float = Field(default=0.6, ge=0, le=10)
    min_holding_share: Share = 0.75
    holding_sharpe: float = Field(default=0.5, ge=0, le=10)


class LuckMandate(Section):
    """What luck alone may explain, over every configuration in the trial ledger."""

    min_deflated_sharpe: Share = 0.95
    max_overfitting_probability: Share = 0.4


class MonteCarloMandate(Section):
    """Resampled histories, and parameters that are a little off."""

    paths: Count = 10_000
    horizon_sessions: int = Field(default=756, ge=20, le=10_000)
    seed: int = 1
    min_growth_p5: float = Field(default=0.0, ge=-1, le=10)
    max_drawdown_p95: Share = 0.20
    jitter_paths: Count = 100
    jitter: float = Field(default=0.2, gt=0, le=1)
    min_jitter_gains: Share = 0.9


class ScenarioMandate(Section):
    """Largest drawdowns inside crises of the past, and under shocks."""

    crises: dict[str, Share] = {"2008 financial crisis": 0.25, "2020 March": 0.20}  # noqa: RUF012 (pydantic copies it)
    max_shock_drawdown: Share = 0.35


class CostMandate(Section):
    """Spread, slippage and impact a multiple of what is assumed."""

    factor: float = Field(default=2.0, ge=1, le=20)
    min_mean_sharpe: float = Field(default=0.5, ge=0, le=10)


class BarsMandate(Section):
    """Whether the bars of the evidence must be of the size that is traded, and how old the newest may be."""

    same_size: bool = True
    max_age_days: int = Field(default=10, ge=1, le=36_500)


class ParityMandate(Section):
    """The proof that live decides as the backtest does."""

    required: bool = True
    file: str = "results/parity.json"
    max_age_days: float = Field(default=30, gt=0, le=3650)
    min_sessions: int = Field(default=20, ge=1, le=100_000)
    same_code: bool = True


class ProbationMandate(Section):
    """How promoted parameters begin."""

    sessions: int = Field(default=20, ge=5, le=500)
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    paths: Count = 10_000


class Mandate(Section):
    """The whole of ``validation_mandate.yaml``."""

    walk_forward: WalkForwardMandate = WalkForwardMandate()
    trades: TradesMandate = TradesMandate()
    plateau: PlateauMandate = PlateauMandate()
    luck: LuckMandate = LuckMandate()
    monte_carlo: MonteCarloMandate = MonteCarloMandate()
    scenarios: ScenarioMandate = ScenarioMandate()
    costs: CostMandate = CostMandate()
    bars: BarsMandate = BarsMandate()
    parity: ParityMandate = ParityMandate()
    probation: ProbationMandate = ProbationMandate()

    @property
    def sha256(self) -> str:
        """Hash of all values."""
        return hashlib.sha256(dump(self.model_dump(mode="json")).encode()).hexdigest()


def load_mandate(path: Path) -> Mandate:
    """Read the mandate; a key that isn't there keeps its default.

    Raises
    ------
    ConfigError
        With every problem: file, line, key, value, what is allowed.
    """
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"the mandate {path} can't be read: {error}"]) from None
    problems = [f"{path.name} line {line}: {sentence}" for line, sentence in document.problems]
    values = document.value
    if not isinstance(values, dict):
        problems.append(f"{path.name}: holds no mandate")
        values = {}
    try:
        mandate = Mandate.model_validate(values)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            place = one["loc"]
            lines = (document.lines.get(place[:length]) for length in range(len(place), 0, -1))
            line = next((found for found in lines if found is not None), 1)
            problems.append(
                f"{path.name} line {line}: {'.'.join(map(str, place))}: {one['input']!r}: {one['msg']}"
            )
        raise ConfigError(problems) from None
    known = {crisis.name for crisis in CRISES}
    problems += [
        f"{path.name}: scenarios.crises: {name!r} is none of {', '.join(sorted(known))}"
        for name in mandate.scenarios.crises
        if name not in known
    ]
    if problems:
        raise ConfigError(problems)
    return mandate
