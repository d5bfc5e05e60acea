"""``python -m core.journal verify FILE...`` and ``python -m core.journal show FILE``."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from core.canonical import dump
from core.command import run_command
from core.errors import JournalCorrupt
from core.exit_codes import ExitCode
from core.journal.chain import Record
from core.journal.reader import read, verify
from core.records import RecordKind


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "verify":
            return _verify(options.files)
        return _show(options)
    except BrokenPipeError:  # of the output: `run_command` deals with it
        raise
    except (OSError, JournalCorrupt) as error:
        print(error, file=sys.stderr)
        return ExitCode.INTERNAL_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core.journal", description="Look at journals. Nothing is changed."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="check the hash chain; exit code 1 when one does not hold")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    show = commands.add_parser("show", help="print records, oldest first")
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument("--after", type=int, default=0, metavar="SEQ", help="only records after this number")
    show.add_argument(
        "--kind", action="append", choices=[kind.value for kind in RecordKind], help="may be repeated"
    )
    show.add_argument("--run", metavar="RUN_ID", help="only records of this run")
    show.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser


def _verify(files: Sequence[Path]) -> int:
    code = ExitCode.CLEAN
    for path in files:
        result = verify(path)
        if result.ok:
            print(f"{path}: {result.records} records, chain verified, head {result.head.hash[:16]}")
        else:
            print(f"{path}: NOT verified: {result.problem}")
            code = ExitCode.INTERNAL_ERROR
    return code


def _show(options: argparse.Namespace) -> int:
    for record in read(options.file, options.after, options.kind):
        if options.run is None or record.run_id == options.run:
            print(dump(record) if options.json else _human_line(record))
    return ExitCode.CLEAN


def _human_line(record: Record) -> str:
    moment = dt.datetime.fromtimestamp(record.time_ns / 1e9, dt.UTC).isoformat(timespec="milliseconds")
    return f"{record.seq:>7} {moment} {record.kind:<13} {dump(record.payload)}"


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
