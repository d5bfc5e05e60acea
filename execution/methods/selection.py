"""Chooses an order's method: the configured one as far as it is possible, or the wheel's among those that make sense."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from core.config_execution_methods import WHEEL
from core.config_schema import ExecutionSettings
from core.vocabulary import ExecutionMethod, Purpose
from execution.methods.admissibility import admit
from execution.methods.registry import instruction_for
from execution.methods.situation import Instruction, Situation, Tools
from execution.ticks import PriceGrid
from portfolio.algo_wheel import MethodChoice, MethodPolicy, order_rng
from portfolio.algo_wheel.context import OrderContext
from portfolio.algo_wheel.wheel import safe_default

FALLBACK_CHAIN: Final = (ExecutionMethod.ADAPTIVE_NORMAL, ExecutionMethod.MKT)
"""What takes the place of a method that isn't possible or that the broker refuses, in this order; after MKT nothing does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A method, among which it was chosen, and what the broker is told."""

    choice: MethodChoice
    admissible: tuple[ExecutionMethod, ...]
    instruction: Instruction


class MethodSelector:
    """Pure but for its policy, which is fixed for a run.

    Parameters
    ----------
    settings
        Section ``execution``.
    grid
        Price grid of the symbols.
    policy
        The wheel; None when it isn't configured, or when its model can't be used.
    problem
        Why there is no wheel although one is configured.
    """

    def __init__(
        self,
        settings: ExecutionSettings,
        grid: PriceGrid,
        *,
        policy: MethodPolicy | None = None,
        problem: str = "",
    ) -> None:
        self._settings = settings
        self._tools = Tools(settings=settings, grid=grid)
        self._policy = policy
        self._problem = problem

    def select(self, situation: Situation, order_ref: str) -> Selection:
        """Choose the method of a parent order; the wheel's random numbers are made from ``order_ref``."""
        is_entry = situation.purpose is Purpose.ENTRY
        name = self._settings.method if is_entry else self._settings.exit_method
        if name == WHEEL:
            return self._turn(_with_context(situation, self._settings), order_ref)
        return self._configured(ExecutionMethod(name), situation)

    def next_after(self, method: ExecutionMethod, situation: Situation, why: str) -> Selection | None:
        """First method of the fallback chain behind ``method`` that is possible now; None when there is none."""
        return self._first(_behind(method), situation, why)

    def exactly(self, method: ExecutionMethod, situation: Situation, why: str) -> Selection | None:
        """Take ``method``, if it is possible now."""
        return self._first((method,), situation, why)

    # --- inside -------------------------------------------------------------------------------------------

    def _configured(self, method: ExecutionMethod, situation: Situation) -> Selection:
        if method is ExecutionMethod.MKT:  # always tried: what speaks against it is the broker's to say
            return self._selection(method, situation, "configured")
        reason = admit(situation, self._settings, prudent=False).reason(method)
        if reason is None:
            return self._selection(method, situation, "configured")
        instead = self._first(_behind(method), situation, f"{method} isn't possible: {reason}")
        return instead or self._selection(ExecutionMethod.MKT, situation, f"the last resort: {reason}")

    def _turn(self, situation: Situation, order_ref: str) -> Selection:
        admissible = admit(situation, self._settings).methods
        if self._policy is None or situation.context is None:
            problem = self._problem or "the session isn't known"
            choice = MethodChoice(method=safe_default(admissible), propensity=1.0, why=f"default: {problem}")
        else:
            rng = order_rng(self._settings.wheel.seed, order_ref)
            choice = self._policy.choose(situation.context, admissible, rng)
        instruction = instruction_for(choice.method, situation, self._tools)
        return Selection(choice=choice, admissible=admissible, instruction=instruction)

    def _first(
        self, methods: Collection[ExecutionMethod], situation: Situation, why: str
    ) -> Selection | None:
        possible = admit(situation, self._settings, prudent=False)
        for method in methods:
            if method in possible.methods:
                return self._selection(method, situation, why)
        return None

    def _selection(self, method: ExecutionMethod, situation: Situation, why: str) -> Selection:
        return Selection(
            choice=MethodChoice(method=method, propensity=1.0, why=why),
            admissible=(method,),
            instruction=instruction_for(method, situation, self._tools),
        )


def _behind(method: ExecutionMethod) -> tuple[ExecutionMethod, ...]:
    place = FALLBACK_CHAIN.index(method) + 1 if method in FALLBACK_CHAIN else 0
    return FALLBACK_CHAIN[place:]


def _with_context(situation: Situation, settings: ExecutionSettings) -> Situation:
    """Situation as the wheel sees it: the quote's spread in its context, and the patience that its urgency leaves."""
    context = situation.context
    if context is None:
        return situation
    seen: OrderContext = replace(context, spread_bps=situation.spread_bps)
    urgency = context.urgency if math.isfinite(context.urgency) else 1.0
    return replace(situation, context=seen, patience_s=settings.methods.longest_wait_s * (1.0 - urgency))
