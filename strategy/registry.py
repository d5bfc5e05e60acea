"""The strategies that ``config.yaml`` can name, and the check of what it says about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.config_schema import StrategySettings
from core.errors import ConfigError
from strategy.base import Number, Pairs, Strategy, StrategyKind, nearest
from strategy.buy_and_hold import BUY_AND_HOLD
from strategy.donchian import DONCHIAN
from strategy.mean_reversion import MEAN_REVERSION
from strategy.momentum import MOMENTUM
from strategy.pairs import PAIRS
from strategy.scheduled_rebalance import SCHEDULED_REBALANCE
from strategy.time_series_momentum import TIME_SERIES_MOMENTUM
from strategy.williams_r import WILLIAMS_R

STRATEGIES: dict[str, StrategyKind] = {
    kind.name: kind
    for kind in (
        BUY_AND_HOLD,
        SCHEDULED_REBALANCE,
        MOMENTUM,
        TIME_SERIES_MOMENTUM,
        DONCHIAN,
        MEAN_REVERSION,
        WILLIAMS_R,
        PAIRS,
    )
}
"""Every strategy that ships with the system, by name."""


def create(name: str, parameters: Mapping[str, Number], pairs: Pairs = ()) -> Strategy:
    """Strategy ``name`` with ``parameters``; those not given keep their defaults.

    Raises
    ------
    ConfigError
        Every problem: unknown name, unknown key, value out of range, values that don't fit together.
    """
    kind = STRATEGIES.get(name)
    if kind is None:
        raise ConfigError([f"{name}: unknown strategy{nearest(name, STRATEGIES)}"])
    return kind.create(parameters, pairs)


def validate(settings: Iterable[StrategySettings]) -> list[str]:
    """Every problem in the ``strategies`` section, each beginning with its key path. Disabled ones are checked too."""
    problems = []
    for index, one in enumerate(settings):
        path = f"strategies[{index}]"
        kind = STRATEGIES.get(one.name)
        if kind is None:
            problems.append(f"{path}.name: {one.name!r} is no known strategy{nearest(one.name, STRATEGIES)}")
        else:
            problems += [f"{path}.parameters.{problem}" for problem in kind.validate(one.parameters)]
            problems += [f"{path}.pairs: {problem}" for problem in kind.pair_problems(one.pairs)]
    return problems


def create_enabled(settings: Iterable[StrategySettings]) -> tuple[Strategy, ...]:
    """Create the enabled strategies, in the order of the configuration.

    Raises
    ------
    ConfigError
        With every problem of `validate`.
    """
    chosen = tuple(settings)
    problems = validate(chosen)
    if problems:
        raise ConfigError(problems)
    return tuple(create(one.name, one.parameters, one.pairs) for one in chosen if one.enabled)
