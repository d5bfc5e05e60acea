"""Which combinations are tried, in which order: all of them, or some drawn without repeats and without a list of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

_ROUNDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """A run through a space of ``size`` combinations.

    ``count`` of them are tried. With ``seed`` they are drawn at random, each at most once; without, they come in order.
    """

    size: int
    count: int
    seed: int | None = None

    def numbers(self, first: int, end: int) -> IntArray:
        """Numbers of the combinations at positions ``first`` to ``end`` of the run."""
        positions = np.arange(first, min(end, self.count), dtype=np.int64)
        return positions if self.seed is None else shuffled(positions, self.size, self.seed)

    def chunks(self, length: int) -> Iterator[tuple[int, int]]:
        """First position and end of each chunk."""
        for first in range(0, self.count, length):
            yield first, min(first + length, self.count)


def shuffled(positions: IntArray, size: int, seed: int) -> IntArray:
    """Where each position goes in a random order of ``range(size)``, found without making that order.

    A Feistel network permutes the next power of four; what falls outside of the range goes round again (J. Black and
    P. Rogaway, "Ciphers with Arbitrary Finite Domains", CT-RSA 2002). It depends on position, size and seed alone, so any part
    can be drawn at any time, on any machine.
    """
    half = max((size - 1).bit_length() + 1, 2) // 2
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64).astype(np.uint64)
    values = positions.astype(np.uint64)
    outside = np.ones(len(values), dtype=bool)
    while outside.any():
        values[outside] = _permute(values[outside], half, keys)
        outside = values >= np.uint64(size)
    return values.astype(np.int64)


def _permute(
    values: npt.NDArray[np.uint64], half: int, keys: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    shift, mask = np.uint64(half), np.uint64((1 << half) - 1)
    left, right = values >> shift, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right ^ key) & mask)
    return np.asarray((left << shift) | right, dtype=np.uint64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finaliser of SplitMix64."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
