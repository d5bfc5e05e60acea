"""Scoring a draw chunk by chunk into a store: what is done is kept, so a search that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from backtester.distributed_runner import Chunk, Runner
from backtester.search.draw import Draw
from backtester.search.store import TrialStore
from backtester.search.work import Work

CHUNK = 1_000
"""Combinations of a chunk when all steps are compiled."""

CHUNK_OF_PYTHON = 20
"""The same when one is plain Python, and some thousand times slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What one run of `score_draw` did: combinations that it found done, that it went through, and that didn't fit together.

    ``example`` says why the first of those that didn't fit was left out.
    """

    found: int
    done: int
    conflicts: int
    example: str | None


def chunk_length(work: Work) -> int:
    """Choose how many combinations are scored and saved together, so that a chunk takes seconds rather than hours."""
    compiled = all(hasattr(kind.step, "py_func") for kind in work.kinds())
    return CHUNK if compiled else CHUNK_OF_PYTHON


def left_to_do(draw: Draw, store: TrialStore, length: int) -> int:
    """How many combinations of a draw aren't in the store."""
    return sum(end - first for first, end in draw.chunks(length) if not store.has(first))


def score_draw(
    runner: Runner, draw: Draw, store: TrialStore, length: int, on_done: Callable[[int], None]
) -> Scored:
    """Score what isn't in the store yet, and put it there.

    Parameters
    ----------
    runner
        Who scores.
    draw
        Which combinations, in which order.
    store
        Where they go. Chunks that it has are left out.
    length
        Combinations of a chunk; the same at every run into one store.
    on_done
        Called with the number of combinations that were finished since the last call.
    """
    found = draw.count - left_to_do(draw, store, length)
    conflicts, example = 0, None

    def missing() -> Iterator[Chunk]:
        for first, end in draw.chunks(length):
            if not store.has(first):
                yield first, draw.numbers(first, end)

    for first, part in runner.run(missing(), on_done):
        store.write(first, part)
        conflicts += part.conflicts
        example = example or part.example
    return Scored(found=found, done=draw.count - found, conflicts=conflicts, example=example)
