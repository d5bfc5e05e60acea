"""Main's book against the broker's positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.config_schema import BookMismatchCheck
from core.vocabulary import HaltReason
from risk.checks.verdict import CheckStatus, Verdict

_NAME = "book_mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """Positions by symbol as main and as the broker see them; None when unknown or too old to compare.

    ``differs_since_ns`` says for each symbol since when it has differed at every comparison, ``compared_ns`` when the
    last one was made (monotonic): a difference does not age while nobody compares (a stopped process, a slow broker).
    """

    compared_ns: int
    book: Mapping[str, Decimal] | None
    broker: Mapping[str, Decimal] | None
    differs_since_ns: Mapping[str, int]


def differing(book: Mapping[str, Decimal], broker: Mapping[str, Decimal]) -> frozenset[str]:
    """Symbols whose quantities differ; a symbol that is missing on a side counts as 0."""
    zero = Decimal(0)
    return frozenset(s for s in {*book, *broker} if book.get(s, zero) != broker.get(s, zero))


def check_book_mismatch(view: BookView, settings: BookMismatchCheck) -> Verdict:
    """Breach when a symbol has differed without a break for longer than ``tolerated_s``.

    A fill reaches both sides at different moments, so a passing difference means nothing.
    """
    reason = HaltReason.BOOK_MISMATCH
    if not settings.enabled:
        return Verdict(name=_NAME, status=CheckStatus.DISABLED, reason=reason)
    if view.book is None or view.broker is None:
        return Verdict(name=_NAME, status=CheckStatus.WAITING, reason=reason, detail="nothing to compare")
    lasting = {
        symbol: (view.compared_ns - since) / 1e9
        for symbol, since in view.differs_since_ns.items()
        if view.compared_ns - since > settings.tolerated_s * 1e9
    }
    figures = {"differing": len(view.differs_since_ns), "lasting": len(lasting)}
    if not lasting:
        return Verdict(name=_NAME, status=CheckStatus.OK, reason=reason, figures=figures)
    zero = Decimal(0)
    parts = (
        f"{symbol} book {view.book.get(symbol, zero)} broker {view.broker.get(symbol, zero)}"
        for symbol in sorted(lasting)
    )
    detail = f"differs for more than {settings.tolerated_s} s: {', '.join(parts)}"
    return Verdict(name=_NAME, status=CheckStatus.BREACH, reason=reason, detail=detail, figures=figures)
