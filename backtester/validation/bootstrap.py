"""Many histories made of one history's returns: block bootstraps and the shuffling of round trips. Kernels.

Each path draws from a generator of its own that counts: draw ``t`` of path ``i`` is a hash of (seed, i, t). So the result
doesn't depend on how paths are shared among threads, and no table of draws or of indices is kept. Figures are taken as a path goes on.

Hash and counter are those of SplitMix64 (G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.kernel import kernel

FloatArray = npt.NDArray[np.float64]

STATIONARY, CIRCULAR, SHUFFLE = "stationary", "circular", "shuffle"
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
_TWO_32 = 4294967296.0
_CHUNKS_A_WORKER = 4
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How paths are drawn.

    Attributes
    ----------
    kind
        ``stationary`` (blocks of geometric length, D. N. Politis and J. P. Romano, JASA 89 (1994)), ``circular`` (blocks of one
        length, Politis and Romano 1992), or ``shuffle`` (each value once, in any order).
    block
        Mean length of a block; rounded to a whole one for ``circular``; not used by ``shuffle``.
    horizon
        Values in a path; as many as there are for ``shuffle``.
    paths
        How many.
    seed
        Any whole number.
    """

    kind: str = STATIONARY
    block: float = 1.0
    horizon: int = 252
    paths: int = 10_000
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paths:
    """What each path did; arrays of shape (paths,).

    Attributes
    ----------
    final
        Equity at the end, from 1.
    lowest
        Smallest equity on the way, at most 1.
    max_drawdown
        Fraction.
    under_water
        Longest run of values below the running peak.
    checkpoints
        Numbers of values after which ``levels`` (shape (paths, checkpoints)) holds the equity.
    """

    final: FloatArray
    lowest: FloatArray
    max_drawdown: FloatArray
    under_water: npt.NDArray[np.int64]
    checkpoints: npt.NDArray[np.int64]
    levels: FloatArray


def simulate_paths(
    returns: FloatArray,
    draw: Draw,
    *,
    checkpoints: int = 1,
    workers: int | None = None,
    on_done: Callable[[int], None] = lambda _paths: None,
) -> Paths:
    """Draw paths and take their figures.

    Parameters
    ----------
    returns
        Simple returns (of sessions, or of round trips), oldest first, each at least -1.
    draw
        What is drawn.
    checkpoints
        At how many evenly spaced places the equity of each path is kept, the last one at the end.
    workers
        Threads; None for one a core. The result doesn't depend on it.
    on_done
        Called with the number of paths that were finished since the last call, in the calling thread.

    Raises
    ------
    ValueError
        For no returns, returns below -1 or not finite, and an impossible `Draw`.
    """
    values = np.asarray(returns, dtype=np.float64)
    _check(values, draw)
    with np.errstate(divide="ignore"):
        steps = np.log1p(values)
    horizon = len(values) if draw.kind == SHUFFLE else draw.horizon
    places = np.unique(np.linspace(0, horizon, checkpoints + 1).round().astype(np.int64)[1:])
    out = np.empty((draw.paths, 3))
    levels = np.empty((draw.paths, len(places)))
    under = np.empty(draw.paths, dtype=np.int64)
    seed = np.uint64(draw.seed & 0xFFFFFFFFFFFFFFFF)

    def work(span: tuple[int, int]) -> int:
        first, last = span
        if draw.kind == SHUFFLE:
            _shuffle(steps, seed, first, last, places, out, under, levels)
        else:
            renew, block = block_rule(draw)
            _resample(steps, seed, first, last, renew, block, places, out, under, levels)
        return last - first

    threads = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        for done in pool.map(work, _spans(draw.paths, threads * _CHUNKS_A_WORKER)):
            on_done(done)
    return Paths(
        final=np.exp(out[:, 0]),
        lowest=np.exp(out[:, 2]),
        max_drawdown=-np.expm1(-out[:, 1]),
        under_water=under,
        checkpoints=places,
        levels=np.exp(levels),
    )


def _check(values: FloatArray, draw: Draw) -> None:
    if not len(values) or not np.isfinite(values).all() or (values < -1.0).any():
        raise ValueError("a bootstrap needs returns, finite and at least -1")
    if draw.kind not in {STATIONARY, CIRCULAR, SHUFFLE}:
        raise ValueError(f"unknown kind of draw {draw.kind}")
    if draw.paths < 1 or draw.horizon < 1 or not draw.block >= 1.0:
        raise ValueError(f"paths, horizon and block must be at least 1: {draw}")
    if len(values) >= _TWO_32:
        raise ValueError("too many returns")


def block_rule(draw: Draw) -> tuple[np.uint64, int]:
    """Threshold of 32 random bits below which a block begins, and the length after which one begins anyhow."""
    if draw.kind == CIRCULAR:
        return _ZERO, round(draw.block)
    return np.uint64(min(int(_TWO_32 / draw.block), int(_TWO_32))), _NEVER


def _spans(paths: int, parts: int) -> list[tuple[int, int]]:
    edges = np.linspace(0, paths, min(parts, paths) + 1).round().astype(np.int64).tolist()
    return list(itertools.pairwise(edges))


@kernel
def mix(word: np.uint64) -> np.uint64:
    """Apply the finalizer of SplitMix64: 64 bits that depend on every bit of the word."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


@kernel
def _below(word: np.uint64, count: np.uint64) -> np.uint64:
    """Whole number below ``count`` from the upper half of a word."""
    return ((word >> _HALF) * count) >> _HALF


@kernel
def draw_indices(
    count: int, seed: np.uint64, path: int, renew: np.uint64, block: int, out: npt.NDArray[np.int64]
) -> None:
    """Write the places that a path takes its values from, as `_resample` does; for blocks of bars, and for tests."""
    limit = np.uint64(count)
    counter = mix(seed ^ mix(np.uint64(path)))
    place = _below(mix(counter), limit)
    left = block
    for number in range(out.size):
        counter += _GOLDEN
        word = mix(counter)
        following = place + _ONE
        following = _ZERO if following == limit else following
        begins = ((word & _LOW) < renew) | (left == 0)
        place = _below(word, limit) if begins else following
        left = block - 1 if left == 0 else left - 1
        out[number] = np.int64(place)


@kernel
def _resample(
    steps: FloatArray,
    seed: np.uint64,
    first: int,
    last: int,
    renew: np.uint64,
    block: int,
    places: npt.NDArray[np.int64],
    out: FloatArray,
    under: npt.NDArray[np.int64],
    levels: FloatArray,
) -> None:
    limit = np.uint64(steps.size)
    for path in range(first, last):
        counter = mix(seed ^ mix(np.uint64(path)))
        place = _below(mix(counter), limit)
        left = block
        level = peak = worst = lowest = 0.0
        run = longest = 0
        begin = 0
        for stop in range(places.size):
            for _ in range(begin, places[stop]):
                counter += _GOLDEN
                word = mix(counter)
                following = place + _ONE
                following = _ZERO if following == limit else following
                begins = ((word & _LOW) < renew) | (left == 0)
                place = _below(word, limit) if begins else following
                left = block - 1 if left == 0 else left - 1
                level += steps[place]
                peak = max(peak, level)
                worst = max(worst, peak - level)
                lowest = min(lowest, level)
                run = run + 1 if level < peak else 0
                longest = max(longest, run)
            begin = places[stop]
            levels[path, stop] = level
        out[path, 0] = level
        out[path, 1] = worst
        out[path, 2] = lowest
        under[path] = longest


@kernel
def _shuffle(
    steps: FloatArray,
    seed: np.uint64,
    first: int,
    last: int,
    places: npt.NDArray[np.int64],
    out: FloatArray,
    under: npt.NDArray[np.int64],
    levels: FloatArray,
) -> None:
    order = steps.copy()
    for path in range(first, last):
        order[:] = steps
        counter = mix(seed ^ mix(np.uint64(path)))
        level = peak = worst = lowest = 0.0
        run = longest = stop = 0
        for number in range(order.size):
            # Fisher and Yates: any of those that are left comes next.
            counter += _GOLDEN
            other = number + np.int64(_below(mix(counter), np.uint64(order.size - number)))
            value = order[other]
            order[other] = order[number]
            order[number] = value
            level += value
            peak = max(peak, level)
            worst = max(worst, peak - level)
            lowest = min(lowest, level)
            run = run + 1 if level < peak else 0
            longest = max(longest, run)
            if number + 1 == places[stop]:
                levels[path, stop] = level
                stop = min(stop + 1, places.size - 1)
        out[path, 0] = level
        out[path, 1] = worst
        out[path, 2] = lowest
        under[path] = longest
