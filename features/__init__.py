"""Features: pure functions over daily bars, used alike by research, training and live trading."""
