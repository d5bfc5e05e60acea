"""Runs a night in this process: the lock, the steps in order, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from core.clock import SystemClock
from core.code_version import code_version
from core.config_loader import LoadedSettings, load_settings
from core.errors import AlreadyRunning, ConfigError, Rejected
from core.exit_codes import ExitCode
from core.locks import InstanceLock
from core.text import escape
from data.sources import PACKAGED, SKFOLIO
from feature_repo.locations import LOCK_NAME
from feature_repo.work import feature_calendar, session_of
from prefect_flows.night import HISTORY, IB, Night, run_all
from prefect_flows.steps import STEPS, terminal


@contextmanager
def locked_night(config: Path, day: date | None, source: str | None, *, replace: bool) -> Iterator[Night]:
    """Read the configuration and hold the lock of the feature store while the block runs.

    Raises
    ------
    ConfigError
        With every problem of the configuration, and when ``day`` is no session that is over.
    AlreadyRunning
        While another run or a command of ``feature_repo`` writes the store.
    """
    loaded = load_settings(config, os.environ)
    problems = _wrong_sources(loaded, source) + _wrong_session(loaded, day)
    if problems:
        raise ConfigError(problems)
    with InstanceLock(loaded.folders.control / LOCK_NAME, run_id="nightly"):
        yield Night(loaded, SystemClock(), day=day, source=source, back=replace, version=code_version())


def _wrong_sources(loaded: LoadedSettings, given: str | None) -> list[str]:
    """Say which keys name bars that can't be there; a ``--source`` is looked at by the step that opens it."""
    nightly = loaded.settings.nightly
    named = {"training_source": nightly.training_source} if nightly.training_source else {}
    if given is None and nightly.source != IB:
        named["source"] = nightly.source
    problems = []
    for key, name in sorted(named.items()):
        # A store's name may choose one of its series: NAME.duckdb@polygon,1d.
        file = name.rpartition("@")[0] if ".duckdb@" in name else name
        if name in {PACKAGED, SKFOLIO} or Path(file).exists():
            continue
        if Path(file).resolve() == (loaded.folders.state / HISTORY).resolve():
            continue  # the first night makes it
        variable = f"BACKSTOP__NIGHTLY__{key.upper()}"
        where = f"environment {variable}" if variable in os.environ else loaded.path
        allowed = f"must be {IB}, " if key == "source" else "must be "
        allowed += (
            f"{PACKAGED}, {SKFOLIO}, a folder or file of bars, or a store NAME.duckdb[@SERIES], that exists"
        )
        allowed += "" if key == "source" else "; or empty, for no training"
        problems.append(f"{where}: nightly.{key}: {escape(repr(name), 120)} is not allowed: {allowed}")
    return problems


def _wrong_session(loaded: LoadedSettings, day: date | None) -> list[str]:
    """Say why a date is no session to work on."""
    if day is None:
        return []
    try:
        session_of(day, feature_calendar(loaded.settings.universe.calendar), SystemClock().now_ns())
    except Rejected as error:
        return [f"--session: {error}"]
    return []


def run_plain(
    config: Path,
    day: date | None,
    source: str | None,
    *,
    replace: bool,
    tell: Callable[[str], None] = terminal,
) -> ExitCode:
    """Run all steps; returns the exit code, and tells failures on the error stream."""
    try:
        with locked_night(config, day, source, replace=replace) as night:
            code = run_all(STEPS, night, tell)
            if night.done("fetch"):
                tell(f"exit code {code:d}; artefacts in {night.results}")
            return code
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    except AlreadyRunning as error:
        print(f"already running: {error}", file=sys.stderr)
        return ExitCode.ALREADY_RUNNING
