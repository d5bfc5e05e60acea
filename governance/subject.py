"""From the command line to what is recalibrated."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import date
from pathlib import Path

from backtester.study import Request, Study, open_study
from backtester.validation.command import grid_of
from core.config_loader import LoadedSettings, load_settings
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
    weight = _weight(loaded, name)
    request = Request(
        config=options.config,
        strategies=(f"{name}={weight!r}",),
        symbols=_symbols(options, loaded),
        start=_day("--start", options.start),
        end=_day("--end", options.end),
        data=options.data,
        cash=None,
        changes=tuple(options.set),
    )
    study = open_study(request)
    _check_promotable(options, study, weight)
    asked = Namespace(mode="recalibration", grid=options.grid, param=[])
    return Subject(study=study, grid=grid_of(study, asked), weight=weight, mandate=mandate)


def _weight(loaded: LoadedSettings, name: str) -> float:
    """Share of the equity that it has live; a strategy that isn't listed is looked at with all of it."""
    listed = {one.name: one.weight for one in loaded.settings.strategies}
    return listed.get(name, 0.0) or 1.0


def _symbols(options: Namespace, loaded: LoadedSettings) -> tuple[str, ...] | None:
    """Symbols of the evidence: those that are traded, so that none can be chosen; a dry run may choose."""
    if not options.dry_run:
        return tuple(sorted(loaded.settings.universe.symbols))
    return tuple(one.strip() for text in options.symbols for one in text.split(",") if one.strip()) or None


def _check_promotable(options: Namespace, study: Study, weight: float) -> None:
    """Refuse evidence of other symbols than those that are traded, or of another share of the equity."""
    if options.dry_run:
        return
    problems = [
        f"universe.symbols: {symbol} is traded, but the quality checks have left it out of the data"
        for symbol in sorted(set(study.loaded.settings.universe.symbols) - set(study.market.symbols))
    ]
    if set(study.market.symbols) - set(study.loaded.settings.universe.symbols) or weight != _weight(
        study.loaded, str(options.strategy)
    ):
        problems.append(f"{options.config} was changed while it was read: try again")
    if problems:
        raise ConfigError(problems)


def _day(option: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"{option} {text}: is no date; write it as 2005-01-31"]) from None
