"""The command line of ``run_system.sh``."""

from __future__ import annotations

import argparse
import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

DEFAULT_SESSIONS = 20
_BAR_FILE = re.compile(r"(.+?)(?:\.csv|\.csv\.gz|\.parquet)", re.IGNORECASE)


class Action(StrEnum):
    """What the caller wants."""

    RUN = "run"
    STATUS = "status"
    STOP = "stop"
    REARM = "rearm"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """What the embedded gateway replays, and how fast."""

    sessions: int = DEFAULT_SESSIONS
    speed: str = "max"
    symbols: tuple[str, ...] = ()
    start: dt.date | None = None
    data: Path | None = None
    seed: int | None = None
    cash: Decimal | None = None
    port: int = 0
    fill_model: str = "tape"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """A parsed command line; ``paper`` is None when a real broker is meant."""

    action: Action = Action.RUN
    config: Path
    plain: bool = False
    rearm_reason: str = ""
    abandon_kill: bool = False
    paper: PaperOptions | None = field(default=None)


class UsageError(Exception):
    """The command line can't be used; the text says what to change."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message.removeprefix("argument "))


def _speed(text: str) -> str:
    if text == "max":
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is neither 'max' nor a number above 0 and up to 1000000")
    return text


def _symbols(text: str) -> tuple[str, ...]:
    symbols = tuple(part.strip().upper() for part in text.split(",") if part.strip())
    for symbol in symbols:
        if not re.fullmatch(r"[A-Z][A-Z0-9. ]{0,11}", symbol):
            raise argparse.ArgumentTypeError(f"'{symbol}' is no stock symbol")
    if not symbols or len(set(symbols)) != len(symbols):
        raise argparse.ArgumentTypeError(f"'{text}' names no symbol, or one twice")
    return symbols


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no date of the form YYYY-MM-DD") from None


def _cash(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 0 < value <= 10**12:
        raise argparse.ArgumentTypeError(f"'{text}' is no amount above 0 and up to 10^12")
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,12}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number from {low} to {high}")
        return int(text)

    return read


def _list_symbols(folder: Path) -> tuple[str, ...]:
    """Symbols that a folder of bars has a file of; what is in the files is the gateway's business."""
    found = (_BAR_FILE.fullmatch(path.name) for path in folder.iterdir())
    symbols = sorted({match[1].upper() for match in found if match})
    if not symbols:
        raise UsageError(f"--data: {folder} holds no file named SYMBOL.csv, SYMBOL.csv.gz or SYMBOL.parquet")
    try:
        return _symbols(",".join(symbols))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--data: a file in {folder} isn't named after its symbol: {error}") from None


def _parser(root: Path) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=root / "config.yaml")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--abandon-kill", action="store_true")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--paper", action="store_true")
    what.add_argument("--status", action="store_true")
    what.add_argument("--stop", action="store_true")
    what.add_argument("--summary", action="store_true")
    what.add_argument("--rearm", metavar="REASON")
    paper = parser.add_argument_group("paper")
    paper.add_argument("--sessions", type=_whole(1, 10_000))
    paper.add_argument("--speed", type=_speed)
    paper.add_argument("--symbols", type=_symbols)
    paper.add_argument("--start", type=_date)
    paper.add_argument("--data", type=Path)
    paper.add_argument("--seed", type=_whole(0, 2**31 - 1))
    paper.add_argument("--cash", type=_cash)
    paper.add_argument("--port", type=_whole(1, 65_535))
    paper.add_argument("--fill-model", choices=("tape", "bar"))
    return parser


def parse(arguments: list[str], root: Path) -> Options:
    """Parse a command line.

    Parameters
    ----------
    arguments
        The words after the program's name.
    root
        Folder of the project; its ``config.yaml`` is the default configuration.

    Raises
    ------
    UsageError
        With one sentence that names the option and the value.
    """
    given = _parser(root).parse_args(arguments)
    config = given.config.resolve()
    paper_values = {
        name: getattr(given, name)
        for name in ("sessions", "speed", "symbols", "start", "data", "seed", "cash", "port", "fill_model")
        if getattr(given, name) is not None
    }
    if paper_values and not given.paper:
        raise UsageError(
            f"--{next(iter(paper_values)).replace('_', '-')} has a meaning only together with --paper"
        )
    if "data" in paper_values:
        paper_values["data"] = paper_values["data"].resolve()
        if not paper_values["data"].is_dir():
            raise UsageError(f"--data: {paper_values['data']} is no folder")
        if "symbols" not in paper_values:
            paper_values["symbols"] = _list_symbols(paper_values["data"])
    if given.abandon_kill and given.rearm is None:
        raise UsageError("--abandon-kill has a meaning only together with --rearm")
    if given.rearm is not None:
        reason = given.rearm.strip()
        if not reason:
            raise UsageError(
                '--rearm needs a reason in words, such as --rearm "gateway was down, positions checked"'
            )
        return Options(
            action=Action.REARM, config=config, rearm_reason=reason, abandon_kill=given.abandon_kill
        )
    for action in (Action.STATUS, Action.STOP, Action.SUMMARY):
        if getattr(given, action.value):
            return Options(action=action, config=config)
    return Options(
        config=config, plain=given.plain, paper=PaperOptions(**paper_values) if given.paper else None
    )
