"""Configuration of the veto on entries (see ``docs/veto.md``)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core.config_section import Section


class VetoSettings(Section):
    """Whether a model may refuse entries, and where models are kept."""

    mode: Literal["off", "shadow", "enforce"] = "off"
    strategies: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    models: str = Field(default="models/veto", min_length=1)
