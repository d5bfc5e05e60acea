"""Holds a live account's journal against the backtester: same decisions, orders, fills and equity over the same bars."""
