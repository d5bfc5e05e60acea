"""Governance: whether other parameters may trade, decided by a mandate over evidence that can't be polished afterwards."""
