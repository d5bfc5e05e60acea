"""The costs of ``run_backtest.py``, estimated from orders that were traded."""
