"""Overrides of the configuration that a command refuses, whether they come from ``--set`` or from the environment.

A promotion is judged on what main trades: of all settings only ``backtest.cash`` may be another. Folders are the configuration's
for every recalibration and rollback: elsewhere there would be an empty trial ledger, another lock, and a restriction that main
doesn't see. ``--probation`` is left alone: the nightly flow runs it in main's own environment, and it finds only what was promoted.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Final

from core.config_loader import OVERRIDE_PREFIX

FREE: Final = "backtest.cash"


def refused_overrides(options: Namespace, environ: Mapping[str, str]) -> list[str]:
    """Say what is wrong with each override; nothing when all are allowed.

    Parameters
    ----------
    options
        Of the command line.
    environ
        The environment.
    """
    if options.probation:
        return []
    problems = []
    for named, key in _overrides(options, environ):
        if key.partition(".")[0] == "paths":
            problems.append(
                f"{named}: the folders are those of the configuration, which main reads: write them into {options.config}"
            )
        elif options.strategy and not options.dry_run and key != FREE:
            problems.append(
                f"{named}: add --dry-run; only {FREE} may differ from the configuration in a promotion"
            )
    return problems


def _overrides(options: Namespace, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """How each override was written, and its key path as the configuration reads it."""
    for name in sorted(environ):
        if name.startswith(OVERRIDE_PREFIX):
            yield f"environment {name}", _key(name.removeprefix(OVERRIDE_PREFIX))
    if options.strategy:  # the others don't read it
        for change in options.set:
            path = change.partition("=")[0].strip()
            yield f"--set {change}", _key(path.upper().replace(".", "__"))  # as backtester.study does it


def _key(name: str) -> str:
    return name.lower().replace("__", ".")
