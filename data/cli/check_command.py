"""``python -m data check``: what the quality checks say of some bars."""

from __future__ import annotations

import json
from argparse import Namespace

from core.exit_codes import ExitCode
from data.cli.context import load, policies, symbols_of
from data.quality.report import print_report
from data.sources import open_source


def run(options: Namespace) -> ExitCode:
    """Load bars, and print what was found.

    Raises
    ------
    ConfigError, DataError
        When a policy says fail (with what was found), or there are no bars.
    """
    loaded = load(options)
    source = open_source(
        options.source,
        symbols_of(options),
        calendar_name=loaded.settings.universe.calendar,
        policies=policies(loaded),
    )
    if options.json:
        print(json.dumps({"source": source.name, **source.report.as_json()}, indent=2))
    else:
        print_report(source.report)
    return ExitCode.CLEAN
