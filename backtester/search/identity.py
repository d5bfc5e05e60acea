"""What makes two searches the same: configuration, bars, code, strategies, space and draw. Its hash names the study's folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from backtester.search.work import Work
from core.canonical import dump

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("core", "strategy", "portfolio", "performance", "data", "backtester")


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Hash of every Python file that a figure can depend on."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            body = path.read_bytes()
            digest.update(f"{path.relative_to(_ROOT)}\0{len(body)}\0".encode())
            digest.update(body)
    return digest.hexdigest()


def study_identity(mode: str, work: Work, draw: Mapping[str, object]) -> dict[str, object]:
    """Say everything that the scores of a search depend on.

    Parameters
    ----------
    mode
        ``grid_search`` or ``optimise``.
    work
        The search.
    draw
        Which combinations, in which order: seed, numbers, sampler.
    """
    texts = [hashlib.sha256(one.text.encode()).hexdigest() if one.text else None for one in work.origins]
    return {
        "mode": mode,
        "code_sha256": code_sha256(),
        "data_sha256": work.market.sha256,
        "config": work.settings.model_dump(mode="json"),
        "first_bar": work.first_bar,
        "bars": len(work.market.end_ns),
        "strategies": [
            {
                "name": one.name,
                "file_sha256": text,
                "parameters": dict(base),
                "weight": weight,
                "pairs": one.pairs,
            }
            for one, text, base, weight in zip(work.origins, texts, work.base, work.weights, strict=True)
        ],
        "space": work.space.describe(),
        "keep_returns": work.keep_returns,
        **draw,
    }


def hash_of(identity: Mapping[str, object]) -> str:
    """12 hexadecimal digits."""
    return hashlib.sha256(dump(identity).encode()).hexdigest()[:12]
