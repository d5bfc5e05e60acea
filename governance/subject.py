"""From the command line to what is recalibrated."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import date
from pathlib import Path

from backtester.study import Request, open_study
from backtester.validation.command import grid_of
from core.config_loader import load_settings
from core.errors import ConfigError
from governance.mandate import FILE_NAME, load_mandate
from governance.search import Subject


def open_subject(options: Namespace) -> Subject:
    """Load configuration, mandate, bars and candidates.

    Raises
    ------
    ConfigError, DataError
        With every problem found.
    """
    loaded = load_settings(options.config, os.environ)
    mandate = load_mandate(options.mandate or Path(loaded.root) / FILE_NAME)
    name = str(options.strategy)
    listed = {one.name: one for one in loaded.settings.strategies}
    # The share of the equity that it has live; a strategy that isn't listed is looked at with all of it.
    weight = listed[name].weight if name in listed and listed[name].weight > 0 else 1.0
    request = Request(
        config=options.config,
        strategies=(f"{name}={weight!r}",),
        symbols=tuple(one.strip() for text in options.symbols for one in text.split(",") if one.strip())
        or None,
        start=_day("--start", options.start),
        end=_day("--end", options.end),
        data=options.data,
        cash=None,
        changes=tuple(options.set),
    )
    study = open_study(request)
    asked = Namespace(mode="recalibration", grid=options.grid, param=[])
    return Subject(study=study, grid=grid_of(study, asked), weight=weight, mandate=mandate)


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"{option} {text}: is no date; write it as 2005-01-31"]) from None
