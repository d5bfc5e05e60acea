"""What the ``strategies`` section may say, and how a mistake in it is named."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numba
import pytest

from core.config_schema import Settings, StrategySettings
from core.errors import ConfigError
from core.kernel import PROJECT_ROOT
from strategy.registry import STRATEGIES, create, create_enabled, validate


def problems(name: str, **parameters: float) -> list[str]:
    return validate(
        [StrategySettings.model_construct(name=name, enabled=True, weight=0.5, parameters=parameters)]
    )


def test_the_default_configuration_has_no_problem():
    assert validate(Settings().strategies) == []
    assert [s.name for s in create_enabled(Settings().strategies)] == ["momentum", "mean_reversion"]


def test_an_unknown_strategy_is_named_with_its_nearest_spelling():
    assert problems("momentun") == [
        "strategies[0].name: 'momentun' is no known strategy; did you mean momentum?"
    ]


def test_without_a_near_spelling_all_strategies_are_listed():
    assert problems("xyz") == [
        f"strategies[0].name: 'xyz' is no known strategy; known: {', '.join(sorted(STRATEGIES))}"
    ]


def test_an_unknown_parameter_is_named_with_its_nearest_spelling():
    assert problems("momentum", fast_windw=10) == [
        "strategies[0].parameters.fast_windw: unknown parameter of momentum; did you mean fast_window?"
    ]


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        ("momentum", "fast_window", 1, "is out of range: allowed 2 to 500"),
        ("momentum", "fast_window", 2.5, "must be a whole number, 2 to 500"),
        ("momentum", "fast_window", math.nan, "must be a whole number, 2 to 500"),
        ("mean_reversion", "oversold", 60.0, "is out of range: allowed 1.0 to 49.0"),
        ("mean_reversion", "oversold", math.nan, "is out of range: allowed 1.0 to 49.0"),
        ("mean_reversion", "oversold", True, "must be a number, 1.0 to 49.0"),
    ],
)
def test_a_bad_value_is_named_with_its_key_and_allowed_range(name, key, value, words):
    assert problems(name, **{key: value}) == [f"strategies[0].parameters.{key}: {value!r} {words}"]


def test_values_that_do_not_fit_together_are_named():
    assert problems("momentum", fast_window=100, slow_window=50) == [
        "strategies[0].parameters.fast_window: 100 must be less than slow_window (50)"
    ]
    assert problems("mean_reversion", exit_level=20.0) == [
        "strategies[0].parameters.exit_level: 20.0 must lie between oversold (30.0) and overbought (70.0)"
    ]
    assert problems("williams_r", entry_level=-50.0, exit_level=-50.0) == [
        "strategies[0].parameters.entry_level: -50.0 must be less than exit_level (-50.0)"
    ]


def test_all_problems_are_listed_at_once_and_disabled_strategies_are_checked_too():
    settings = [
        StrategySettings(name="momentum", parameters={"fast_window": 0, "slow": 5}),
        StrategySettings(name="mean_reversal", enabled=False),
    ]
    found = validate(settings)
    assert len(found) == 3
    with pytest.raises(ConfigError) as caught:
        create_enabled(settings)
    assert list(caught.value.problems) == found


def test_a_disabled_strategy_is_not_created():
    settings = [StrategySettings(name="momentum", enabled=False), StrategySettings(name="mean_reversion")]
    assert [s.name for s in create_enabled(settings)] == ["mean_reversion"]


def test_parameters_not_given_keep_their_defaults():
    assert create("momentum", {"fast_window": 30}).parameters == (30, 100)


def test_names_in_the_registry_are_the_strategies_own():
    assert all(name == kind.name for name, kind in STRATEGIES.items())


def test_creating_an_unknown_strategy_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean momentum\\?"):
        create("momentun", {})


ONLY_ENABLED = """
from core.config_schema import Settings
from portfolio.decision_setup import compile_kernels
from portfolio.kernel_side import step_of
from strategy.registry import STRATEGIES, create_enabled
settings = Settings()
enabled = create_enabled(settings.strategies)
compile_kernels(enabled, settings.sizing, settings.caps)
steps = {name: step_of(kind.step) for name, kind in STRATEGIES.items() if not kind.trades_pairs}
compiled = {name for name, step in steps.items() if step.signatures}
print(compiled == {strategy.name for strategy in enabled} and compiled < set(STRATEGIES))
"""


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the compiler is switched off")
def test_only_the_enabled_strategies_are_compiled_at_start():
    done = subprocess.run(
        [sys.executable, "-c", ONLY_ENABLED],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == "True"
