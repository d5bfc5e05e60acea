"""What the commands share: the configuration with the command line's changes, the store, a progress bar."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from core.config_loader import OVERRIDE_PREFIX, LoadedSettings, load_settings
from core.errors import ConfigError
from data.exchange_calendar import ExchangeCalendar, exchange_calendar
from data.quality.findings import Policies, policies_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRequest:
    """What is to be downloaded; both sessions included."""

    options: Namespace
    loaded: LoadedSettings
    store: Path
    symbols: tuple[str, ...]
    first: date
    last: date

    def calendar(self) -> ExchangeCalendar:
        """Sessions over the dates wanted."""
        margin = timedelta(days=10)
        return exchange_calendar(
            self.loaded.settings.universe.calendar, self.first - margin, self.last + margin
        )


def load(options: Namespace) -> LoadedSettings:
    """Read the configuration; ``--quality`` overrides it by the rules of every override.

    Raises
    ------
    ConfigError
        With every problem, in the words of the command line.
    """
    environ = dict(os.environ)
    for text in getattr(options, "quality", ()):
        check, equals, policy = text.partition("=")
        if not equals:
            raise ConfigError([f"--quality {text}: write CHECK=POLICY, such as holes=fail"])
        environ[f"{OVERRIDE_PREFIX}DATA__QUALITY__{check.strip().upper()}"] = policy.strip()
    try:
        return load_settings(options.config, environ)
    except ConfigError as error:
        raise ConfigError([_in_words_of_the_command(problem) for problem in error.problems]) from None


def _in_words_of_the_command(problem: str) -> str:
    head, _colon, rest = problem.partition(": ")
    return rest if head.startswith(f"environment {OVERRIDE_PREFIX}DATA__QUALITY") and rest else problem


def policies(loaded: LoadedSettings) -> Policies:
    """Read what is done about defects."""
    return policies_of(loaded.settings.data.quality)


def store_path(options: Namespace, loaded: LoadedSettings) -> Path:
    """Path of the store that is meant."""
    given: Path | None = options.store
    return given if given is not None else loaded.folders.state / "history.duckdb"


def symbols_of(options: Namespace) -> list[str] | None:
    """Symbols that were asked for, each once; None for all."""
    asked: Sequence[str] = options.symbols
    return list(dict.fromkeys(asked)) or None


class TerminalProgress:
    """A bar on the error stream when that is a terminal, else nothing."""

    def __init__(self, total: int, title: str) -> None:
        from rich.console import Console  # noqa: PLC0415 (only long work needs it)
        from rich.progress import (  # noqa: PLC0415
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[now]}"),
            console=console,
            disable=not sys.stderr.isatty(),
        )
        self._task = self.progress.add_task(title, total=total, now="")

    def advance(self, text: str) -> None:
        """One more piece is done."""
        self.progress.update(self._task, advance=1, now=text)

    def say(self, text: str) -> None:
        """Tell what it waits for."""
        if text:
            self.progress.update(self._task, now=text)


@contextmanager
def terminal_progress(total: int, title: str) -> Iterator[TerminalProgress]:
    """Show a progress bar while the block runs."""
    shown = TerminalProgress(total, title)
    with shown.progress:
        yield shown
