"""What a dashboard may read: the two heartbeat files and the paper gateway's status file. Nothing here writes.

Every reader returns None (or an empty view) for a file that is missing or half-known: a dashboard shows what there
is and never fails because a process has not started yet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MainView:
    """Main's heartbeat. Money in account currency, ``pnl`` of this run; ``drawdown`` a positive fraction; NaN: not known."""

    run_id: str
    pid: int
    monotonic_ns: int
    phase: str
    market_ns: int
    halt_level: int
    halt_reason: str
    connection: str
    account: str
    nlv: float
    cash: float
    pnl: float
    drawdown: float
    positions: Mapping[str, str] = field(default_factory=dict)
    working_orders: int = 0
    orders_sent: int = 0
    fills: int = 0
    signals: int = 0
    denials: int = 0
    breaks: int = 0
    commission: float = math.nan
    queue_depth: int = 0

    def age_s(self, now_monotonic_ns: int) -> float:
        """Seconds since it was written."""
        return max(0.0, (now_monotonic_ns - self.monotonic_ns) / 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchdogView:
    """The watchdog's heartbeat; ``kill_reason`` is None unless a kill was begun."""

    run_id: str
    pid: int
    monotonic_ns: int
    state: str
    lease: bool
    connection: str
    nlv: float
    peak_nlv: float
    drawdown: float
    checks: Mapping[str, str] = field(default_factory=dict)
    kill_reason: str | None = None
    kill: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_killing(self) -> bool:
        """Whether the kill sequence is under way."""
        return self.state == "killing"

    @property
    def is_halted(self) -> bool:
        """Whether it has ended, or a flag stood at the start."""
        return self.state == "halted"

    def age_s(self, now_monotonic_ns: int) -> float:
        """Seconds since it was written."""
        return max(0.0, (now_monotonic_ns - self.monotonic_ns) / 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """How far the replay of the paper gateway is."""

    state: str = "unknown"
    sessions_done: int = 0
    sessions: int = 0
    market_ns: int = 0
    speed: float = math.nan
    late: int = 0

    @property
    def is_finished(self) -> bool:
        """Whether the last session has been replayed."""
        return self.state == "finished"


def read_main(logs: Path) -> MainView | None:
    """Read main's last heartbeat, or None when there is none that can be read."""
    found = _load_heartbeat(logs / "main_heartbeat.json")
    if found is None:
        return None
    header, body = found
    return MainView(
        **header,
        phase=_text(body, "phase"),
        market_ns=_whole(body, "market_ns"),
        halt_level=_whole(body, "halt_level"),
        halt_reason=_text(body, "halt_reason"),
        connection=_text(body, "connection"),
        account=_text(body, "account"),
        nlv=_number(body, "nlv") or math.nan,  # main says 0 until the broker has told it
        cash=_number(body, "cash"),
        pnl=_number(body, "pnl_run"),
        drawdown=_number(body, "drawdown"),
        positions=_table(body, "positions"),
        working_orders=_whole(body, "working_orders"),
        orders_sent=_whole(body, "orders_sent"),
        fills=_whole(body, "fills"),
        signals=_whole(body, "signals"),
        denials=sum(int(count) for count in _table(body, "denials").values() if count.isdigit()),
        breaks=_whole(body, "breaks"),
        commission=_number(body, "commission"),
        queue_depth=_whole(body, "queue_depth"),
    )


def read_watchdog(logs: Path) -> WatchdogView | None:
    """Read the watchdog's last heartbeat, or None when there is none that can be read."""
    found = _load_heartbeat(logs / "risk_monitor_heartbeat.json")
    if found is None:
        return None
    header, body = found
    kill = body.get("kill")
    kill = kill if isinstance(kill, dict) else {}
    return WatchdogView(
        **header,
        state=_text(body, "state"),
        lease=body.get("lease") is True,
        connection=_text(body, "connection"),
        nlv=_number(body, "nlv"),
        peak_nlv=_number(body, "peak_nlv"),
        drawdown=_number(body, "drawdown"),
        checks=_table(body, "checks"),
        kill_reason=_text(kill, "reason") if kill else None,
        kill=kill,
    )


def read_gateway_status(path: Path | None) -> GatewayView:
    """Read how far the replay is; an empty view when no gateway has said so yet."""
    document = _load(path) if path is not None else None
    if document is None:
        return GatewayView()
    return GatewayView(
        state=_text(document, "state"),
        sessions_done=_whole(document, "sessions_done"),
        sessions=_whole(document, "sessions"),
        market_ns=_whole(document, "market_ns"),
        speed=_number(document, "speed"),
        late=_whole(document, "late"),
    )


def _load(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def _load_heartbeat(path: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    document = _load(path)
    if document is None:
        return None
    # The watchdog keeps what it says apart from the stamp, main does not.
    body = document.get("body", document)
    if not isinstance(body, dict):
        return None
    header = {
        "run_id": _text(document, "run_id"),
        "monotonic_ns": _whole(document, "monotonic_ns"),
        "pid": _whole(body, "pid"),
    }
    return header, body


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _whole(values: Mapping[str, Any], key: str) -> int:
    value = values.get(key)
    return value if isinstance(value, int) else 0


def _number(values: Mapping[str, Any], key: str) -> float:
    """Read a number, also one that was sent as text (money is a decimal string); NaN when there is none."""
    value = values.get(key)
    try:
        return float(value) if isinstance(value, (int, float, str)) else math.nan
    except ValueError:
        return math.nan


def _table(values: Mapping[str, Any], key: str) -> dict[str, str]:
    value = values.get(key)
    return {str(name): str(content) for name, content in value.items()} if isinstance(value, dict) else {}
