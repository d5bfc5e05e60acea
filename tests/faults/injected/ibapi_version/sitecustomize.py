"""Lets this process see another ibapi than the one that is installed: IBKR's own download, by its version."""

import importlib.metadata

_real = importlib.metadata.version
importlib.metadata.version = lambda distribution_name: (
    "10.37.2" if distribution_name == "ibapi" else _real(distribution_name)
)
