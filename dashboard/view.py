"""One moment of the system as a dashboard shows it, in numbers and as a plain line."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from dashboard.sources import (
    GatewayView,
    MainView,
    WatchdogView,
    read_gateway_status,
    read_main,
    read_watchdog,
)

_EXCHANGE_ZONE = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemView:
    """The three sources at one moment; a process of another run counts as not started."""

    main: MainView | None
    watchdog: WatchdogView | None
    gateway: GatewayView
    monotonic_ns: int

    @property
    def market_ns(self) -> int:
        """Market time: main's, or the gateway's before main has seen a bar."""
        return (self.main.market_ns if self.main else 0) or self.gateway.market_ns

    @property
    def halt(self) -> str:
        """``none``, or the reason for which main takes no new risk."""
        if self.watchdog is not None and self.watchdog.kill_reason is not None:
            return f"KILL {self.watchdog.kill_reason}"
        if self.main is not None and self.main.halt_level > 0:
            level = "reduce only" if self.main.halt_level == 1 else "halted"
            return f"{level}: {self.main.halt_reason}"
        return "none"


def take_view(logs: Path, gateway_status: Path | None, run_id: str | None, monotonic_ns: int) -> SystemView:
    """Read all sources once.

    Parameters
    ----------
    logs
        Folder of the heartbeat files.
    gateway_status
        Status file of the paper gateway, or None with a real broker.
    run_id
        Only heartbeats of this run count; None takes any.
    monotonic_ns
        Now, for the ages.
    """
    main, watchdog = read_main(logs), read_watchdog(logs)
    return SystemView(
        main=main if main and run_id in (None, main.run_id) else None,
        watchdog=watchdog if watchdog and run_id in (None, watchdog.run_id) else None,
        gateway=read_gateway_status(gateway_status),
        monotonic_ns=monotonic_ns,
    )


def describe(view: SystemView) -> str:
    """Put the whole view in one line of plain text."""
    main, watchdog, gateway = view.main, view.watchdog, view.gateway
    parts = [format_market_time(view.market_ns)]
    if gateway.sessions:
        parts.append(f"session {min(gateway.sessions_done + 1, gateway.sessions)}/{gateway.sessions}")
    if main is not None:
        parts += [
            f"NLV {format_money(main.nlv)}",
            f"P&L {format_money(main.pnl, signed=True)}",
            f"{len(main.positions)} positions",
            f"{main.working_orders} working",
            f"{main.orders_sent} orders",
            f"{main.fills} fills",
            f"main {main.phase} {main.age_s(view.monotonic_ns):.1f}s",
        ]
    else:
        parts.append("main starting")
    if watchdog is not None:
        lease = "lease" if watchdog.lease else "no lease"
        parts.append(f"watchdog {watchdog.state} {watchdog.age_s(view.monotonic_ns):.1f}s {lease}")
    else:
        parts.append("watchdog starting")
    parts.append(f"halt {view.halt}")
    return " | ".join(parts)


def format_market_time(market_ns: int) -> str:
    """Exchange time of a market timestamp; a dash before the first."""
    if not market_ns:
        return "market –"
    moment = dt.datetime.fromtimestamp(market_ns / 1e9, _EXCHANGE_ZONE)
    return f"market {moment:%a %Y-%m-%d %H:%M} ET"


def format_market_date(market_ns: int) -> str:
    """Exchange date of a market timestamp, as ISO; a dash before the first."""
    return f"{dt.datetime.fromtimestamp(market_ns / 1e9, _EXCHANGE_ZONE):%Y-%m-%d}" if market_ns else "–"


def format_money(value: float, *, signed: bool = False) -> str:
    """Two decimals and separators; a dash when not known."""
    if math.isnan(value):
        return "–"
    return f"{value:+,.2f}" if signed else f"{value:,.2f}"
