"""The trial ledger: every configuration that was ever tried on some data, so that none of them can be forgotten."""
