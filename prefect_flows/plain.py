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
from core.config_loader import load_settings
from core.errors import AlreadyRunning, ConfigError
from core.exit_codes import ExitCode
from core.locks import InstanceLock
from core.missing_module import missing_library
from feature_repo.locations import LOCK_NAME
from prefect_flows.night import Night, run_all
from prefect_flows.steps import STEPS, terminal


@contextmanager
def locked_night(config: Path, day: date | None, source: str | None, *, replace: bool) -> Iterator[Night]:
    """Read the configuration and hold the lock of the feature store while the block runs.

    Raises
    ------
    ConfigError
        With every problem of the configuration.
    AlreadyRunning
        While another run or a command of ``feature_repo`` writes the store.
    """
    loaded = load_settings(config, os.environ)
    with InstanceLock(loaded.folders.control / LOCK_NAME, run_id="nightly"):
        yield Night(loaded, SystemClock(), day=day, source=source, back=replace, version=code_version())


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
    except ModuleNotFoundError as missing:
        print(missing_library(missing), file=sys.stderr)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        print("stopped; the next run begins again", file=sys.stderr)
        return ExitCode.INTERNAL_ERROR
