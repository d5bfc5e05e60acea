"""Configuration of the execution methods and of the wheel that chooses among them (see ``docs/execution.md``)."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from core.config_section import Section

WHEEL: Final = "wheel"
"""In the place of a method: the algo wheel chooses one for each order."""

MethodName = Literal[
    "MKT",
    "LMT",
    "PEG_MID",
    "REL",
    "ADAPTIVE_URGENT",
    "ADAPTIVE_NORMAL",
    "ADAPTIVE_PATIENT",
    "TWAP",
    "VWAP",
    "MOC",
    "LOC",
    "wheel",
]
Window = Annotated[float, Field(ge=60, le=23_400, allow_inf_nan=False)]


class MethodSettings(Section):
    """How methods are carried out, and which orders they are not for."""

    remainder: Literal["cross", "carry", "cancel"] = "cross"
    limit_placement: Literal["marketable", "touch"] = "marketable"
    window_s: Window = 900.0
    max_participation: Annotated[float, Field(ge=0.01, le=0.5)] = 0.1
    relative_offset_ticks: int = Field(default=0, ge=0, le=100)
    loc_offset_bps: Annotated[float, Field(ge=0, le=500)] = 25.0
    close_margin_s: Annotated[float, Field(ge=10, le=3600, allow_inf_nan=False)] = 60.0
    least_window_s: Window = 300.0
    longest_wait_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 7200.0
    least_sliced_quantity: int = Field(default=200, ge=100, le=1_000_000)
    least_patient_notional: Annotated[float, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)] = 2000.0
    at_once_adv_share: Annotated[float, Field(gt=0, le=1)] = 0.01
    widest_spread_bps: Annotated[float, Field(gt=0, le=1000)] = 50.0


class WheelModelSettings(Section):
    """Which model the wheel goes by, and the seed of its choices."""

    model: str = Field(default="models/algo_wheel.json", min_length=1)
    seed: int = Field(default=1, ge=0, le=2**31 - 1)
