"""A broker that refuses an execution method, and one that is slow: main's real engine goes on with the parent."""

from __future__ import annotations

from decimal import Decimal

from core.reasons import Reason
from core.vocabulary import Purpose
from data.packaged import packaged_calendar
from portfolio.live_manager.decision_cycle import Decision
from portfolio.live_manager.order_facts import SessionMoment
from tests.faults.conftest import MakeRoom
from tests.faults.engine_room import STRATEGY, EngineRoom

BAR_MODEL = ("--fill-model", "bar", "--bar-boundary", "60")
"""It fills market orders and stops by bars, and refuses everything else (387)."""


def ask(main: EngineRoom, target: int, symbol: str = "IBM") -> None:
    """Have a decision carried out at the market's time."""
    main.run_until(lambda: main.parts.feed.market_ns, "market time")
    now_ns = main.parts.feed.market_ns
    session = packaged_calendar().session_at(now_ns)
    assert session is not None
    quote = main.parts.feed.quote(symbol)
    decision = Decision(
        strategy=STRATEGY,
        symbol=symbol,
        position=main.parts.book.position(STRATEGY, symbol),
        target=Decimal(target),
        reason=Reason.NONE,
        stop_distance=5.0,
    )
    main.assembly.desk.act(
        [decision],
        main.conditions,
        bar_end_ns=now_ns,
        price_of=lambda _: quote.mid,
        moment=SessionMoment.of(session, now_ns, 300),
    )


def methods(main: EngineRoom) -> list[tuple[str, str | None]]:
    return [(str(one["method"]), one["parent_order_ref"]) for one in main.kinds("arrival")]


def test_refused_methods_are_followed_down_the_chain_and_the_position_has_its_stop(room: MakeRoom) -> None:
    main = room(gateway=BAR_MODEL, environment={"EXECUTION__METHOD": "TWAP"})
    ask(main, 300)
    main.run_until(lambda: main.held().get("IBM") == 300, "the fill of the last resort")
    told = methods(main)
    root = main.kinds("arrival")[0]["order_ref"]
    assert told == [("TWAP", None), ("ADAPTIVE_NORMAL", root), ("MKT", root)]
    assert [one["outcome"] for one in main.kinds("order_ended")].count("rejected") >= 2
    main.await_agreement()
    working = main.manager.book.pending(strategy=STRATEGY, symbol="IBM")
    assert [(one.order.purpose, int(one.order.quantity)) for one in working] == [(Purpose.STOP, 300)]


def test_a_refused_exit_falls_back_and_leaves_nothing_behind(room: MakeRoom) -> None:
    main = room(gateway=BAR_MODEL, environment={"EXECUTION__EXIT_METHOD": "VWAP"})
    ask(main, 300)
    main.run_until(lambda: main.held().get("IBM") == 300, "the entry")
    ask(main, 0)
    main.run_until(lambda: not main.held(), "the exit")
    assert [method for method, _ in methods(main)] == ["MKT", "VWAP", "ADAPTIVE_NORMAL", "MKT"]
    main.run_until(lambda: not main.manager.book.pending(), "the end of the stop")
    main.await_agreement()


def test_what_a_window_left_is_crossed_and_the_two_stops_become_one(room: MakeRoom) -> None:
    main = room(
        environment={
            "EXECUTION__METHOD": "TWAP",
            "EXECUTION__METHODS__WINDOW_S": "300",
            "EXECUTION__PRETRADE__MAX_ORDER_NOTIONAL": "1000000000",
            "EXECUTION__PRETRADE__MAX_ORDER_QUANTITY": "1000000",
        }
    )
    ask(main, 5000)
    root = main.kinds("arrival")[0]["order_ref"]
    main.run_until(lambda: main.held().get("IBM", 0) > 0, "the first slice")
    main.executor.cancel(root, "its time is over")  # sooner than its time, as far as the broker knows
    main.run_until(lambda: main.held().get("IBM") == 5000, "the rest")
    assert methods(main)[-1] == ("MKT", root)

    def one_stop_covers_all() -> bool:
        stops = main.manager.book.pending(strategy=STRATEGY, symbol="IBM")
        return [int(s.open_quantity) for s in stops] == [5000]

    main.run_until(one_stop_covers_all, "one stop of the whole position")
    main.await_agreement()
    ask(main, 0)
    main.run_until(lambda: not main.held() and not main.manager.book.pending(), "flat, and no order left")
