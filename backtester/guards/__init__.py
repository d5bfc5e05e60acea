"""Bias guards: what makes a backtest look better than trading would be, searched for by experiment."""
