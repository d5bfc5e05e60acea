"""The catalogue of features as a table in Markdown: what ``docs/features.md`` shows."""

from __future__ import annotations

from features.catalogue import FEATURES
from tca.feature_etl import COST_FEATURES


def catalogue_table() -> str:
    """Both catalogues, daily features first."""
    lines = ["| feature | version | bars | models | formula |", "|---|---|---|---|---|"]
    for feature in FEATURES.values():
        usable = "yes" if feature.scale_free else "no"
        formula = feature.formula.replace("|", "\\|")
        lines.append(f"| `{feature.name}` | {feature.version} | {feature.window} | {usable} | {formula} |")
    lines += ["", "| feature of costs | version | formula |", "|---|---|---|"]
    lines += [f"| `{name}` | {cost.version} | {cost.formula} |" for name, cost in COST_FEATURES.items()]
    return "\n".join(lines)
