"""What the gateway's account is charged: IB's schedules, which the backtester shares (`core.commissions`)."""

from __future__ import annotations

from core.commissions import SCHEDULES, CommissionSchedule, FixedSchedule, TieredSchedule, Trade

__all__ = ["SCHEDULES", "CommissionSchedule", "FixedSchedule", "TieredSchedule", "Trade"]
