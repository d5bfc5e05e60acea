"""What a good numpy programmer writes by hand: grids one combination at a time, bootstrap in tiles; and `arch`, quantstats."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from arch.bootstrap import IIDBootstrap
from measure import measure

FloatArray = npt.NDArray[np.float64]
PATHS, DAYS = 10_000, 2_520
TILE = 500


@lru_cache
def _load(folder: Path, name: str) -> FloatArray:
    return np.load(folder / f"{name}.npy")


def _mean(sums: FloatArray, window: int) -> FloatArray:
    average = np.full((len(sums) - 1, *sums.shape[1:]), np.nan)
    average[window - 1 :] = (sums[window:] - sums[:-window]) / window
    return average


def _cross(returns: FloatArray, fast: FloatArray, slow: FloatArray, root: float) -> tuple[FloatArray, ...]:
    above = fast > slow
    held = np.zeros_like(returns)
    held[1:] = above[:-1]
    cost = np.zeros_like(returns)
    cost[1:] = np.abs(np.diff(held, axis=0)) * 0.0005
    gains = held * returns - cost
    curve = np.cumprod(1.0 + gains, axis=0)
    drawdown = 1.0 - curve / np.maximum.accumulate(curve, axis=0)
    return curve[-1] - 1.0, gains.mean(axis=0) / gains.std(axis=0) * root, drawdown.max(axis=0)


def _grid(close: FloatArray, fasts: range, slows: range, root: float) -> dict[str, Any]:
    returns = np.zeros_like(close)
    returns[1:] = close[1:] / close[:-1] - 1.0
    sums = np.vstack([np.zeros((1, close.shape[1])), np.cumsum(close, axis=0)])
    averages = {window: _mean(sums, window) for window in sorted({*fasts, *slows})}
    figures = [_cross(returns, averages[fast], averages[slow], root) for fast in fasts for slow in slows]
    total, sharpe, drawdown = (np.concatenate(column) for column in zip(*figures, strict=True))
    return {
        "cells": int(total.size),
        "total_return": float(total.mean()),
        "sharpe": float(sharpe.mean()),
        "max_drawdown": float(drawdown.mean()),
    }


def grid_daily(folder: Path) -> dict[str, Any]:
    return _grid(_load(folder, "daily")[:, :, 3], range(5, 45), range(50, 291, 10), np.sqrt(252))


def grid_5min(folder: Path) -> dict[str, Any]:
    return _grid(
        _load(folder, "five_minute")[:, :, 3], range(10, 201, 10), range(250, 1451, 50), np.sqrt(252 * 78)
    )


def _history(folder: Path) -> FloatArray:
    close = _load(folder, "daily")[-DAYS - 1 :, 0, 3]
    return close[1:] / close[:-1] - 1.0


def _summary(total: FloatArray, drawdown: FloatArray) -> dict[str, Any]:
    ordered = np.sort(total)
    levels = {level: int(len(ordered) * (100 - level) / 100) for level in (95, 99)}
    return {
        **{f"var_{level}": float(-ordered[place]) for level, place in levels.items()},
        **{f"cvar_{level}": float(-ordered[: place + 1].mean()) for level, place in levels.items()},
        "cagr_median": float(np.median((1.0 + total) ** (252 / DAYS) - 1.0)),
        "drawdown_95": float(np.percentile(drawdown, 95)),
    }


def _outcome(sample: FloatArray) -> tuple[FloatArray, FloatArray]:
    curve = np.cumprod(1.0 + sample, axis=1)
    peak = np.maximum(np.maximum.accumulate(curve, axis=1), 1.0)
    return curve[:, -1] - 1.0, (1.0 - curve / peak).max(axis=1)


def monte_carlo_numpy(folder: Path) -> dict[str, Any]:
    history, random = _history(folder), np.random.default_rng(1)
    parts = [
        _outcome(history[random.integers(0, len(history), (TILE, DAYS), dtype=np.int32)])
        for _ in range(PATHS // TILE)
    ]
    total, drawdown = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _summary(total, drawdown)


def monte_carlo_arch(folder: Path) -> dict[str, Any]:
    history = _history(folder)
    pairs = np.empty((PATHS, 2))
    for path, (data, _named) in enumerate(IIDBootstrap(history, seed=1).bootstrap(PATHS)):
        curve = np.cumprod(1.0 + data[0])
        pairs[path] = curve[-1] - 1.0, (1.0 - curve / np.maximum(np.maximum.accumulate(curve), 1.0)).max()
    return _summary(pairs[:, 0], pairs[:, 1])


if __name__ == "__main__":
    measure(
        {
            "grid_daily": grid_daily,
            "grid_5min": grid_5min,
            "monte_carlo_numpy": monte_carlo_numpy,
            "monte_carlo_arch": monte_carlo_arch,
        }
    )
