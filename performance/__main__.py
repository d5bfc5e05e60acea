"""``python -m performance`` prints the catalogue of measures: formula, conventions and source of each."""

from __future__ import annotations

from performance.measures import describe

print(describe())
