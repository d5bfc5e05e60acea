"""``python -m data``: bring bars into the history store, look at them, check them, and take them out again."""
