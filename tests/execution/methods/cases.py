"""Orders at given moments of a session, for the tests of methods and of admissibility."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from core.config_schema import ExecutionSettings
from core.vocabulary import Purpose, Side
from data.exchange_calendar import exchange_calendar
from execution.methods.situation import NS, SessionTimes, Situation, Tools
from execution.ticks import PriceGrid
from portfolio.algo_wheel import OrderContext

CALENDAR = exchange_calendar("XNYS", date(2011, 1, 3), date(2013, 12, 31))
FULL_DAY, HALF_DAY = date(2012, 5, 18), date(2012, 11, 23)  # the Friday after Thanksgiving closes at 13:00


def session_on(day: date) -> SessionTimes:
    session = CALENDAR.session_on(day)
    assert session is not None
    return SessionTimes(open_ns=session.open_ns, close_ns=session.close_ns)


def settings(**methods: object) -> ExecutionSettings:
    return ExecutionSettings.model_validate({"methods": methods})


def tools(tick: str = "0.01", **methods: object) -> Tools:
    return Tools(settings=settings(**methods), grid=PriceGrid({"IBM": Decimal(tick)}))


def situation(
    *,
    before_close_s: float = 7200.0,
    day: date = FULL_DAY,
    side: Side = Side.BUY,
    quantity: int = 500,
    purpose: Purpose = Purpose.ENTRY,
    bid: float = 189.99,
    ask: float = 190.01,
    reference: float = 190.0,
    exchange: str = "NYSE",
    adv_share: float = 0.0005,
    urgency: float = 0.5,
    patience_s: float | None = None,
    is_whole: bool = True,
    is_short_restricted: bool = False,
    is_open: bool = True,
) -> Situation:
    session = session_on(day)
    return Situation(
        symbol="IBM",
        side=side,
        quantity=Decimal(quantity),
        purpose=purpose,
        reference=reference,
        bid=bid,
        ask=ask,
        now_ns=session.close_ns - round(before_close_s * NS),
        session=session if is_open else None,
        exchange=exchange,
        is_whole=is_whole,
        is_short_restricted=is_short_restricted,
        context=OrderContext(
            side=side,
            spread_bps=float("nan"),
            volatility_bps=150.0,
            adv_share=adv_share,
            day_fraction=0.5,
            urgency=urgency,
        ),
        patience_s=patience_s,
    )
