"""The commands of ``python -m tca``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console

from core.config_loader import load_settings
from core.errors import AlreadyRunning, ConfigError, JournalCorrupt
from core.exit_codes import ExitCode
from tca.check import check
from tca.logger import follow, rebuild
from tca.order_page import print_order
from tca.store import TcaStore, database_path, open_published

Options = argparse.Namespace


class UsageProblem(Exception):
    """What was asked for can't be done; the text says what to change."""


def run(options: Options) -> int:
    """Run one parsed command line; returns the exit code."""
    commands: Mapping[str, Callable[[Options], int]] = {
        "rebuild": _rebuild,
        "follow": _follow,
        "check": _check,
        "show": _show,
        "report": _report,
        "fit-costs": _fit_costs,
        "learning-curve": _learning_curve,
        "generate": _generate,
    }
    try:
        return commands[options.command](options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    except (UsageProblem, FileNotFoundError) as error:
        print(f"tca: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except AlreadyRunning as error:
        print(f"tca: the database is being written by another process: {error}", file=sys.stderr)
        return ExitCode.ALREADY_RUNNING
    except (JournalCorrupt, duckdb.Error, OSError) as error:
        print(f"tca: {error}", file=sys.stderr)
        return ExitCode.INTERNAL_ERROR


def _database(options: Options) -> Path:
    if options.database is not None:
        return Path(options.database)
    return database_path(load_settings(options.config, os.environ).folders.results)


def _journals(options: Options) -> list[Path]:
    if options.journal:
        return [Path(path) for path in options.journal]
    state = load_settings(options.config, os.environ).folders.state
    return [path for path in (state / "main.db", *sorted(state.glob("paper/*/main.db"))) if path.is_file()]


def _rebuild(options: Options) -> int:
    journals = _journals(options)
    if not journals:
        raise UsageProblem("there is no journal yet: trade first, or name one with --journal FILE")
    for path in journals:
        if not path.is_file():
            raise UsageProblem(f"there is no journal {path}")
    database = _database(options)
    with TcaStore(database, afresh=True) as store:
        counts = rebuild(store, journals)
    for path, count in counts.items():
        print(f"{path}: {count} parent orders")
    print(f"{database}: {sum(counts.values())} parent orders of {len(counts)} journals")
    return ExitCode.CLEAN


def _follow(options: Options) -> int:
    # No Event: a handler may interrupt the very thread that holds the Event's lock.
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _frame: asked.append(got))
    os.nice(10)  # trading goes first
    journals = _journals(options)
    if not journals:
        raise UsageProblem("there is no journal yet: name the one to wait for with --journal FILE")
    with TcaStore(_database(options)) as store:
        follow(store, journals, lambda: bool(asked), poll_s=options.poll)
    return ExitCode.CLEAN


def _check(options: Options) -> int:
    with closing(open_published(_database(options))) as connection:
        sums = check(connection)
    agrees = bool(sums) and all(one.agrees for one in sums)
    if options.json:
        journals = [
            {
                "journal": one.path,
                "parents": one.parents,
                "executions": one.executions_count,
                "unmeasured": one.unmeasured,
                "components": str(one.components),
                "paid": str(one.executions),
                "ledger": str(one.ledger),
                "difference": str(one.difference),
            }
            for one in sums
        ]
        print(json.dumps({"agrees": agrees, "journals": journals}))
    else:
        for one in sums:
            print(f"{one.path}: {one.parents} parent orders, {one.executions_count} executions")
            print(f"  decision value + delay + execution + fees  {one.components:>20,.6f}")
            print(f"  sum over the executions                    {one.executions:>20,.6f}")
            print(f"  cash that left the ledger                  {one.ledger:>20,.6f}")
            verdict = "equal to the cent" if one.agrees else f"DIFFERENT by {one.difference}"
            print(f"  {verdict}" + (f", {one.unmeasured} orders unmeasured" if one.unmeasured else ""))
        if not sums:
            print("the database holds no journal")
    return ExitCode.CLEAN if agrees else ExitCode.INTERNAL_ERROR


def _show(options: Options) -> int:
    with closing(open_published(_database(options))) as connection:
        if not print_order(connection, options.order_ref, Console()):
            raise UsageProblem(
                f"there is no parent order {options.order_ref} in {_database(options)}; a protective stop is one "
                "only after its first fill"
            )
    return ExitCode.CLEAN


def _report(options: Options) -> int:
    from tca.report.command import write_report  # noqa: PLC0415 - plotly takes half a second

    database = _database(options)
    with closing(open_published(database)) as connection:
        return write_report(connection, database, options)


def _fit_costs(options: Options) -> int:
    from tca.cost_fit.command import fit  # noqa: PLC0415
    from tca.cost_fit.estimate import CannotFit  # noqa: PLC0415

    database = _database(options)
    with closing(open_published(database)) as connection:
        try:
            return fit(connection, database, options)
        except CannotFit as error:
            raise UsageProblem(str(error)) from None


def _generate(options: Options) -> int:
    from tca.generator import generate  # noqa: PLC0415

    database = Path(options.database)
    with TcaStore(database, afresh=True) as store:
        generate(store, parents=options.parents, seed=options.seed)
    print(f"{database}: {options.parents:,} simulated parent orders, seed {options.seed}")
    return ExitCode.CLEAN


def _learning_curve(options: Options) -> int:
    from tca.learning_curve.command import run as run_curve  # noqa: PLC0415

    result: dict[str, Any] = run_curve(options)
    return ExitCode.CLEAN if result["passed"] else ExitCode.INTERNAL_ERROR
