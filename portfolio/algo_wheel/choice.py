"""The interface between those who choose a method and those who carry it out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.vocabulary import ExecutionMethod
from portfolio.algo_wheel.context import OrderContext


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodChoice:
    """A method, the probability with which it was chosen, and why. All of it goes into the journal."""

    method: ExecutionMethod
    propensity: float
    why: str


class MethodPolicy(Protocol):
    """Chooses the method of a parent order: the wheel, or a fixed rule."""

    def choose(
        self, context: OrderContext, admissible: Sequence[ExecutionMethod], rng: np.random.Generator
    ) -> MethodChoice:
        """Choose one of ``admissible``.

        Parameters
        ----------
        context
            What is known at the decision.
        admissible
            Methods that this order may use now (cut-offs, size, urgency), at least one.
        rng
            The order's own, from :func:`order_rng`: with the same model the same order gets the same method.
        """
        ...


def order_rng(seed: int, order_ref: str) -> np.random.Generator:
    """Random numbers of one order: from the seed and its name, so that a choice can be repeated from the journal."""
    digest = hashlib.sha256(f"{seed}:{order_ref}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
