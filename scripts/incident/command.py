"""``python -m scripts.incident list|show|replay|write``: look at incidents, and make their decisions again."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.atomic_file import write_atomic
from core.exit_codes import ExitCode
from scripts.incident.account import account
from scripts.incident.collect import FORMAT, Source, collect
from scripts.incident.replay import Finding, replay

_MOST_BYTES = 64_000_000
_MOST_FILES = 200
EPILOG = """examples:
  python -m scripts.incident list
  python -m scripts.incident show results/incidents/20261129T101500-kill_now_flag.json
  python -m scripts.incident replay results/incidents/20261129T101500-kill_now_flag.json
exit codes of replay: 0 every decision came out the same, 1 one differs, 2 the file can't be read
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "list":
        return _list(options.results)
    if options.command == "write":
        return _write(options)
    try:
        document = _load(options.file)
    except (OSError, ValueError, RecursionError) as error:
        detail = error.strerror if isinstance(error, OSError) else error
        print(
            f"{options.file}: {detail}; python -m scripts.incident list names the incidents", file=sys.stderr
        )
        return ExitCode.USAGE
    try:
        findings = replay(document)
        page = account(document, findings) if options.command == "show" else ""
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        print(f"{options.file}: damaged, {type(error).__name__}: {error}", file=sys.stderr)
        return ExitCode.USAGE
    if page:
        print(page, end="")
        return ExitCode.CLEAN
    return _tell(findings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.incident",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="name the incident files, oldest first")
    listing.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER")
    for name, text in (
        ("show", "print the account"),
        ("replay", "make the same decisions again and compare"),
    ):
        commands.add_parser(name, help=text).add_argument("file", type=Path, metavar="FILE")
    write = commands.add_parser("write", help="write an incident file (the supervisor does)")
    for name in ("--state", "--control", "--flags", "--config", "--results"):
        write.add_argument(name, type=Path, required=True, metavar="PATH")
    write.add_argument("--run-id", required=True)
    write.add_argument("--kind", choices=("kill", "halt"), required=True)
    write.add_argument("--reason", required=True)
    write.add_argument("--ring", action="append", default=[], metavar="NAME:DESCRIPTOR")
    return parser


def _list(results: Path) -> int:
    files = sorted((results / "incidents").glob("*.json"))
    for file in files:
        print(file)
    if not files:
        print(f"no incidents in {results / 'incidents'}")
    return ExitCode.CLEAN


def _write(options: argparse.Namespace) -> int:
    text = "" if sys.stdin.isatty() else sys.stdin.read()
    source = Source(
        kind=options.kind,
        reason=options.reason,
        run_id=options.run_id,
        state=options.state,
        control=options.control,
        flags=options.flags,
        config=options.config,
        processes=json.loads(text) if text else (),
        rings={name: int(number) for name, _, number in (one.partition(":") for one in options.ring)},
    )
    document = collect(source)
    folder = options.results / "incidents"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _free_name(folder, document)
    write_atomic(path, json.dumps(document, indent=1).encode())
    write_atomic(path.with_suffix(".md"), account(document, replay(document)).encode())
    print(path)
    return ExitCode.CLEAN


def _free_name(folder: Path, document: dict[str, Any]) -> Path:
    """Name that no file has yet; the oldest incidents beyond a bound make room."""
    for old in sorted(folder.glob("*.json"))[: -_MOST_FILES + 1]:
        old.with_suffix(".md").unlink(missing_ok=True)
        old.unlink(missing_ok=True)
    moment = dt.datetime.fromtimestamp(document["written"]["wall_ns"] / 1e9, dt.UTC)
    reason = re.sub(r"[^a-z0-9_]", "_", document["reason"])[:40]
    stem = f"{moment:%Y%m%dT%H%M%S}-{reason}"
    number = 1
    path = folder / f"{stem}.json"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.json"
    return path


def _load(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes")
    document = json.loads(path.read_bytes())
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"no incident file of format {FORMAT}")
    return document


def _tell(findings: Sequence[Finding]) -> int:
    for one in findings:
        mark = {True: "same   ", False: "DIFFERS", None: "-      "}[one.same]
        print(f"{mark} {one.what}: {one.again}")
        if one.same is False:
            print(f"        recorded: {one.recorded}")
    if any(one.same is False for one in findings):
        print("A decision came out differently.")
        return ExitCode.INTERNAL_ERROR
    decided = sum(1 for one in findings if one.same)
    print(f"Every decision came out the same ({decided} compared).")
    return ExitCode.CLEAN
