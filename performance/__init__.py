"""Measures of a run and its summary."""
