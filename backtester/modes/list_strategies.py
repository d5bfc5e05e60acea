"""``--list-strategies``: the strategies and their parameters."""

from __future__ import annotations

from strategy.registry import STRATEGIES


def list_strategies() -> None:
    """Print them."""
    for kind in STRATEGIES.values():
        print(f"{kind.name}: {kind.summary}")
        for spec in kind.specs:
            searched = ",".join(f"{value:g}" for value in spec.search)
            print(
                f"    {spec.name} = {spec.default}  ({spec.low} to {spec.high}; {spec.meaning}; searched: {searched})"
            )
    print(
        "yours: --strategy FILE.py:NAME; python run_backtest.py new-strategy NAME writes a file to start from"
    )
