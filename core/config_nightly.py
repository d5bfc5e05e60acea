"""Configuration of the nightly flow (see ``docs/nightly.md``)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from core.config_section import Section


class NightlySettings(Section):
    """What the nightly flow works on."""

    source: str = Field(default="packaged", min_length=1)
    first_session: date = date(2015, 1, 2)
    training_source: str = ""
    retrain: Literal["on", "off"] = "on"
    retries: int = Field(default=3, ge=0, le=100)
    retry_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 30.0
