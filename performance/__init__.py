"""Measures of performance, and the summary of a run."""
