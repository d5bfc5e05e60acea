"""What is traded, in the words of a manifest."""

from __future__ import annotations

from core.config_schema import Settings
from portfolio.veto.manifest import Signals
from strategy.base import Strategy


def signals_of(strategy: Strategy, settings: Settings, bar_size_s: int) -> Signals:
    """Name everything that a strategy's entries and stops depend on."""
    return Signals(
        strategy=strategy.name,
        parameters=dict(strategy.parameters._asdict()),
        bar_size_s=bar_size_s,
        stop_atr_multiple=float(settings.sizing.stop_atr_multiple),
        atr_window=int(settings.sizing.atr_window),
        stop_kind="trailing" if settings.trails(strategy.name) else "fixed",
    )
