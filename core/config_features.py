"""Configuration of the features that live trading reads (see ``docs/features.md``)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from core.config_section import Section


class FeatureSettings(Section):
    """How fresh features must be, and how often the published ones are looked at."""

    max_age_sessions: int = Field(default=1, ge=1, le=20)
    refresh_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 10.0
