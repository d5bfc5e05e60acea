"""A decision for a terminal."""

from __future__ import annotations

from governance.pipeline import Decision


def text_of(decision: Decision, outcome: str) -> str:
    """Every rule on a line, then what comes of it."""
    width = max(len(one.rule) for one in decision.verdicts)
    lines = [
        f"{'pass' if one.passed else 'FAIL'}  {one.rule.ljust(width)}  {one.sentence}"
        for one in decision.verdicts
    ]
    values = " ".join(f"{name}={value}" for name, value in decision.values.items()) or "none"
    passed = len(decision.verdicts) - len(decision.failed)
    return "\n".join(
        [
            *lines,
            "",
            f"{'parameters'.ljust(width + 6)}{values}",
            f"{'decision'.ljust(width + 6)}{outcome}: {passed} of {len(decision.verdicts)} rules are met",
            f"{'evidence'.ljust(width + 6)}{decision.evidence_sha256}",
            f"{'results'.ljust(width + 6)}{decision.folder}",
        ]
    )
