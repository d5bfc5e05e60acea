"""Where a backtest works orders otherwise than live trading would with the same configuration: said, never silent."""

from __future__ import annotations

from core.config_schema import Settings


def unsimulated(settings: Settings) -> tuple[str, ...]:
    """Sentences about all that is configured for live trading and not simulated; empty when nothing is."""
    return (*unsimulated_methods(settings), *_unsimulated_veto(settings))


def unsimulated_methods(settings: Settings) -> tuple[str, ...]:
    """Sentences about execution methods that a backtest doesn't have; empty when it does as live trading would.

    It has market orders at the next open, marketable limits to enter with, and market orders at the closing auction
    (``backtest.fill_at: close``). Whatever else is configured is traded as one of these.
    """
    execution, at_close = settings.execution, settings.backtest.fill_at == "close"
    instead = "at the next bar's close" if at_close else "at the next bar's open"
    sentences = []
    for key, method, simulated in (
        ("method", execution.method, {"MKT", "LMT"}),
        ("exit_method", execution.exit_method, {"MKT"}),
    ):
        if method in simulated or (method == "MOC" and at_close):
            continue
        hint = "; backtest.fill_at close has the auctions" if method == "MOC" else ""
        sentences.append(
            f"execution.{key} {method} isn't simulated: a backtest fills these orders {instead} with the costs of "
            f"backtest.*{hint}"
        )
    if execution.method == "LMT" and execution.methods.limit_placement == "touch":
        sentences.append(
            "execution.methods.limit_placement touch isn't simulated: entries are marketable limits here"
        )
    return tuple(sentences)


def _unsimulated_veto(settings: Settings) -> tuple[str, ...]:
    if settings.veto.mode != "enforce":
        return ()
    sentence = (
        "veto.mode enforce isn't simulated: a backtest enters whatever the strategies ask for, live trading only what "
        "a model approves, and nothing without a sound one"
    )
    return (sentence,)
