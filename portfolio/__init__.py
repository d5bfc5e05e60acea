"""From signals to targets, and the book: pure functions shared by the backtest and live trading."""
