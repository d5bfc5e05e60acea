"""Configurations as 64-bit numbers, and sketches that count the distinct ones of many searches without keeping them.

A configuration is a set of leaves ``key=value``: every parameter of every strategy, the text of a strategy's file, the weights,
and every key of the sections that an account is made of. Its number is a hash of the sum of the leaves' hashes, so that it is the
same whichever of the keys were searched and in which order; a grid's numbers come from tables, a million in a fraction of a second.

The sketch keeps the `KEPT` smallest numbers (K. Beyer et al., "On Synopses for Distinct-Value Estimation", SIGMOD 2007).
Sketches of several searches are merged by keeping the smallest of all; up to `KEPT` configurations the count is exact, above the
standard error is 6%.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from backtester.search.grid import SEARCHED_SECTIONS
from backtester.search.space import Space
from backtester.strategy_files import StrategySource
from core.canonical import dump
from core.config_schema import Settings

UintArray = npt.NDArray[np.uint64]
Leaves = Mapping[str, object]
KEPT: Final = 256
_ALL: Final = 2.0**64


def leaves_of(
    settings: Settings,
    origins: Sequence[StrategySource],
    parameters: Sequence[Mapping[str, object]],
    weights: Sequence[float],
) -> dict[str, object]:
    """Everything that makes a configuration what it is, by key."""
    found: dict[str, object] = {}
    for section in SEARCHED_SECTIONS:
        _flatten(section, getattr(settings, section).model_dump(mode="json"), found)
    for origin, values, weight in zip(origins, parameters, weights, strict=True):
        name = origin.load().name  # as the axes of a search call it
        found |= {f"{name}.{key}": value for key, value in values.items()}
        found[f"{name}:weight"] = weight
        found[f"{name}:pairs"] = [list(pair) for pair in origin.pairs]
        if origin.text:
            found[f"{name}:file"] = hashlib.sha256(origin.text.encode()).hexdigest()
    return found


def numbers_of_space(space: Space, base: Leaves, combinations: npt.NDArray[np.int64]) -> UintArray:
    """Find the numbers of some combinations of a space; ``base`` are the leaves, those of its axes included or not."""
    on_axes = {axis.key for axis in space.axes}
    total = np.full(len(combinations), _sum(base, without=on_axes), dtype=np.uint64)
    left = np.asarray(combinations, dtype=np.int64)
    for axis in reversed(space.axes):
        table = np.array([_leaf(axis.key, value) for value in axis.values], dtype=np.uint64)
        left, places = np.divmod(left, len(axis.values))
        total += table[places]
    return _mixed(total)


def numbers_of_rows(base: Leaves, rows: Sequence[Leaves]) -> UintArray:
    """Find the numbers of ``base`` with some leaves changed by each row."""
    known = {key: _leaf(key, value) for key, value in base.items()}
    every = sum(known.values())
    totals = [
        every + sum(_leaf(key, value) - known.get(key, 0) for key, value in row.items()) for row in rows
    ]
    return _mixed(np.array([total % 2**64 for total in totals], dtype=np.uint64))


def sketch_of(numbers: UintArray) -> UintArray:
    """Smallest distinct numbers, at most `KEPT`."""
    return np.asarray(np.unique(numbers)[:KEPT], dtype=np.uint64)


def merged(sketches: Iterable[UintArray]) -> UintArray:
    """Sketch of everything that several sketches have seen."""
    found = list(sketches)
    return sketch_of(np.concatenate(found)) if found else np.empty(0, dtype=np.uint64)


def distinct(sketch: UintArray) -> int:
    """Count the configurations that a sketch has seen: exact below `KEPT`, estimated from there on."""
    if len(sketch) < KEPT:
        return len(sketch)
    return max(round((KEPT - 1) * _ALL / float(sketch[-1])), KEPT)


def _flatten(key: str, value: object, found: dict[str, object]) -> None:
    if isinstance(value, Mapping):
        for name, one in value.items():
            _flatten(f"{key}.{name}", one, found)
    else:
        found[key] = value


def _sum(leaves: Leaves, without: Iterable[str]) -> int:
    left_out = set(without)
    return sum(_leaf(key, value) for key, value in leaves.items() if key not in left_out) % 2**64


def _leaf(key: str, value: object) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = repr(float(str(value))) if number else dump(value)
    return int.from_bytes(hashlib.blake2b(f"{key}={text}".encode(), digest_size=8).digest())


def _mixed(values: UintArray) -> UintArray:
    """Finaliser of SplitMix64: sums of hashes are even enough already, their order statistics should be, too."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
