"""Which methods an order may use now, and why not the others: one pure function over tables of rules.

*Hard* rules are what an exchange, the broker or the protection of a position doesn't allow. *Prudent* ones are what
wouldn't make sense; they bind the wheel, while a method that somebody has configured only has to be possible. Market orders
are the last resort: where nothing else is left, they are admissible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from core.config_schema import ExecutionSettings
from core.vocabulary import ExecutionMethod
from execution.methods.cut_offs import TRAVEL_S, cut_offs
from execution.methods.situation import Situation

Rule = Callable[[ExecutionMethod, Situation, ExecutionSettings], str | None]
"""A reason against a method; None for no objection."""

LOT: Final = 100
SECONDS_PER_SESSION: Final = 23_400.0
_LEAST_REST_S: Final = 60.0
_QUICK_S: Final = 60.0

_M = ExecutionMethod
AUCTIONS: Final = frozenset({_M.MOC, _M.LOC})
SLICED: Final = frozenset({_M.TWAP, _M.VWAP})
PEGGED: Final = frozenset({_M.PEG_MID, _M.REL})
ADAPTIVE: Final = frozenset({_M.ADAPTIVE_URGENT, _M.ADAPTIVE_NORMAL, _M.ADAPTIVE_PATIENT})
_LIMITED: Final = frozenset({_M.LMT, _M.LOC, *PEGGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """Admissible methods in the vocabulary's order, and the reason against each of the others."""

    methods: tuple[ExecutionMethod, ...]
    refusals: tuple[tuple[ExecutionMethod, str], ...]

    def reason(self, method: ExecutionMethod) -> str | None:
        """Why ``method`` is refused; None when it isn't."""
        return dict(self.refusals).get(method)


def admit(situation: Situation, settings: ExecutionSettings, *, prudent: bool = True) -> Admission:
    """Say which methods are admissible.

    Parameters
    ----------
    situation
        The order, the moment, the quote and the context.
    settings
        Section ``execution``.
    prudent
        Whether the prudent rules count as well.
    """
    rules = (*HARD_RULES, *PRUDENT_RULES) if prudent else HARD_RULES
    refusals = tuple(
        (method, reason)
        for method in ExecutionMethod
        if (reason := _objection(method, situation, settings, rules)) is not None
    )
    refused = {method for method, _ in refusals}
    methods = tuple(method for method in ExecutionMethod if method not in refused)
    if not methods:
        refusals = tuple(one for one in refusals if one[0] is not _M.MKT)
        methods = (_M.MKT,)
    return Admission(methods=methods, refusals=refusals)


def _objection(
    method: ExecutionMethod, situation: Situation, settings: ExecutionSettings, rules: Iterable[Rule]
) -> str | None:
    for rule in rules:
        reason = rule(method, situation, settings)
        if reason is not None:
            return reason
    return None


# --- hard rules --------------------------------------------------------------------------------------------


def exchange_is_open(
    method: ExecutionMethod, situation: Situation, settings: ExecutionSettings
) -> str | None:
    """Refuse all but market orders outside the session: an exit may wait for the opening."""
    del settings
    if method is _M.MKT or situation.seconds_left > 0:
        return None
    return "the exchange is closed"


def before_cut_off(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse what comes too late for the closing auction."""
    del settings
    if method not in AUCTIONS:
        return None
    limit_s = cut_offs(situation.exchange).entry_s(method)
    if situation.seconds_left >= limit_s + TRAVEL_S:
        return None
    where = situation.exchange or "an unknown exchange"
    return f"{situation.seconds_left:.0f} s to the close, and {where} takes none in the last {limit_s:.0f}"


def reduction_leaves_at_once(
    method: ExecutionMethod, situation: Situation, settings: ExecutionSettings
) -> str | None:
    """Refuse to take time over a reduction: it has no stop of its own while it works."""
    del settings
    if situation.is_whole or method is _M.MKT:
        return None
    return "what leaves a position in part isn't covered by its stop while it waits"


def quoted(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse what follows or takes a quote without one, and a limit without a price."""
    needs_quote = method in PEGGED | ADAPTIVE | SLICED or (method is _M.LMT and _rests(settings))
    if needs_quote and not situation.has_quote:
        return "there is no two-sided quote: halted, or nobody quotes"
    if method in _LIMITED and not (math.isfinite(situation.reference) and situation.reference > 0):
        return "there is no price to set a limit by"
    return None


def whole_lot(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse to slice an odd lot, as IB does."""
    del settings
    if method not in SLICED or situation.quantity >= LOT:
        return None
    return f"{situation.quantity} shares are an odd lot, which isn't sliced (at least {LOT})"


def enough_time(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse a window that doesn't fit before the close with its rest after it."""
    least_s = _QUICK_S if method in SLICED | ADAPTIVE | PEGGED else 0.0
    if method in SLICED:
        least_s = settings.methods.least_window_s
    elif method is _M.LMT and _rests(settings):
        least_s = _LEAST_REST_S
    room_s = situation.seconds_left - settings.methods.close_margin_s
    if not least_s or room_s >= least_s:
        return None
    return f"{max(room_s, 0.0):.0f} s are left for a window of at least {least_s:.0f}"


def short_sale(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse what would take the bid, where rule 201 of Regulation SHO keeps a short sale from it."""
    if not (situation.is_short_restricted and situation.opens_short):
        return None
    if method in PEGGED or (method is _M.LMT and _rests(settings)):
        return None
    return "a short sale may not take the bid: the stock fell by a tenth (rule 201 of Regulation SHO)"


# --- prudent rules -----------------------------------------------------------------------------------------


def worth_waiting(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse to wait with what is tiny and has nothing to save."""
    notional = float(situation.quantity) * situation.reference
    least = settings.methods.least_patient_notional
    if method in {_M.MKT, _M.LMT} or not notional < least:
        return None
    return f"a value of {notional:,.0f} is too small to wait for a better price (at least {least:,.0f})"


def displayed(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse to rest with an odd lot: it is in no quote, so nobody comes for it."""
    rests = method in PEGGED or (method is _M.LMT and _rests(settings))
    if not rests or situation.quantity >= LOT:
        return None
    return f"{situation.quantity} shares are an odd lot, which no quote shows"


def worth_slicing(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse a schedule for a few shares."""
    least = settings.methods.least_sliced_quantity
    if method not in SLICED or situation.quantity >= least:
        return None
    return f"{situation.quantity} shares are too few to slice (at least {least})"


def fits_the_book(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse to take a large share of the daily volume at once."""
    at_once = method in {_M.MKT, _M.ADAPTIVE_URGENT} or (method is _M.LMT and not _rests(settings))
    share = math.nan if situation.context is None else situation.context.adv_share
    limit = settings.methods.at_once_adv_share
    if not at_once or not share > limit:
        return None
    return f"{share:.2%} of the daily volume at once (at most {limit:.2%})"


def fits_the_volume(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse slices that would be too large a part of their window's volume to get done."""
    if method not in SLICED or situation.context is None:
        return None
    methods = settings.methods
    room_s = min(methods.window_s, situation.seconds_left - methods.close_margin_s)
    part = situation.context.adv_share * SECONDS_PER_SESSION / max(room_s, 1.0)
    if not part > methods.max_participation:
        return None
    return f"{part:.0%} of the volume expected in its window (at most {methods.max_participation:.0%})"


def narrow_spread(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse to cross a wide spread."""
    crosses = method in {_M.MKT, _M.TWAP, _M.ADAPTIVE_URGENT}
    limit = settings.methods.widest_spread_bps
    if not crosses or not situation.spread_bps > limit:
        return None
    return f"the spread is {situation.spread_bps:.0f} bps wide (at most {limit:.0f})"


def within_patience(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> str | None:
    """Refuse to wait longer than the order may."""
    takes_s = duration_s(method, situation, settings)
    if situation.patience_s is None or takes_s <= situation.patience_s:
        return None
    return f"it may wait for {situation.patience_s:.0f} s, and this takes up to {takes_s:.0f}"


HARD_RULES: Final[tuple[Rule, ...]] = (
    exchange_is_open,
    before_cut_off,
    reduction_leaves_at_once,
    quoted,
    whole_lot,
    enough_time,
    short_sale,
)
PRUDENT_RULES: Final[tuple[Rule, ...]] = (
    worth_waiting,
    displayed,
    worth_slicing,
    fits_the_book,
    fits_the_volume,
    narrow_spread,
    within_patience,
)


def duration_s(method: ExecutionMethod, situation: Situation, settings: ExecutionSettings) -> float:
    """How long an order of ``method`` takes at most, in market time."""
    if method in AUCTIONS:
        return situation.seconds_left
    waits = method in SLICED | PEGGED | {_M.ADAPTIVE_PATIENT} or (method is _M.LMT and _rests(settings))
    if waits:
        return min(settings.methods.window_s, situation.seconds_left)
    return _QUICK_S if method is _M.ADAPTIVE_NORMAL else 0.0


def _rests(settings: ExecutionSettings) -> bool:
    return settings.methods.limit_placement == "touch"
