"""The modes of run_backtest.py, one a file: each has ``run(options) -> ExitCode``."""
