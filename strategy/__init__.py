"""Strategies: parameters plus a step kernel, one strategy a file."""
