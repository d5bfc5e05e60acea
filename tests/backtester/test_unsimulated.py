"""What a backtest doesn't do as live trading would is said, in words and in the result."""

import pytest

from backtester.unsimulated import unsimulated, unsimulated_methods
from core.config_schema import ExecutionSettings, Settings
from core.config_veto import VetoSettings


def settings_of(*, fill_at="open", **execution):
    base = Settings()
    return base.model_copy(
        update={
            "execution": ExecutionSettings.model_validate(execution),
            "backtest": base.backtest.model_copy(update={"fill_at": fill_at}),
        }
    )


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        (settings_of(), []),
        (settings_of(method="LMT"), []),
        (settings_of(method="MOC", exit_method="MOC", fill_at="close"), []),
        (settings_of(method="MOC"), ["execution.method MOC"]),
        (settings_of(method="wheel", exit_method="TWAP"), ["execution.method wheel", "execution.exit_method TWAP"]),
        (settings_of(exit_method="LMT"), ["execution.exit_method LMT"]),
        (settings_of(method="LMT", methods={"limit_placement": "touch"}), ["execution.methods.limit_placement touch"]),
    ],
)  # fmt: skip
def test_each_method_that_a_backtest_does_not_have_is_named(settings, keys):
    sentences = unsimulated_methods(settings)
    assert len(sentences) == len(keys)
    for sentence, key in zip(sentences, keys, strict=True):
        assert sentence.startswith(f"{key} isn't simulated")


def test_a_veto_that_live_trading_would_obey_is_named():
    shadow, enforce = (
        Settings().model_copy(update={"veto": VetoSettings(mode=mode)}) for mode in ("shadow", "enforce")
    )
    assert unsimulated(shadow) == ()
    (sentence,) = unsimulated(enforce)
    assert sentence.startswith("veto.mode enforce isn't simulated")
