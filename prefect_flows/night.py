"""One night's work: what its steps share, how a step is run, and the record that is kept of it.

A step can be repeated at any time: whatever it writes it replaces as a whole, or the part it calls knows what it has done.
So resuming after a crash is running again, and nothing is skipped because somebody noted that it was done.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

import duckdb

from core.atomic_file import write_atomic
from core.clock import Clock
from core.config_loader import LoadedSettings
from core.errors import BackstopError, RetryLater
from core.exit_codes import ExitCode
from data.bar_table import DataError
from data.exchange_calendar import ExchangeCalendar, Session
from data.quality.findings import policies_of
from data.sources import Source, open_source
from feature_repo.locations import FeatureFolder
from feature_repo.work import feature_calendar, session_of

IB: Final = "ib"
HISTORY: Final = "history.duckdb"
"""Store, in the state folder, that a night with the broker as its source makes and fills."""
RECORD_NAME: Final = "run.json"
Failures = (BackstopError, OSError, duckdb.Error, ValueError)
"""What ends a step and not the night; anything else is a defect of ours and ends both."""


class State(StrEnum):
    """How a step ended."""

    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left_out"


class BrokerAway(RetryLater):
    """There was no connection to the broker in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step; ``text`` is a sentence for people."""

    name: str
    state: State
    text: str
    seconds: float = 0.0
    tries: int = 1
    exit_code: ExitCode = ExitCode.CLEAN


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes
    ----------
    run
        Does it, and returns what it did as a sentence.
    needs
        Steps that must have been done; otherwise this one is left out.
    is_retried
        Whether a passing failure (`RetryLater`) is worth another try.
    """

    name: str
    run: Callable[[Night], str]
    needs: tuple[str, ...] = ()
    is_retried: bool = False


@dataclass(slots=True)
class Record:
    """What ``run.json`` holds."""

    source: str
    code_version: str
    started: str
    session: str = ""
    steps: list[dict[str, object]] = field(default_factory=list)


class Night:
    """What the steps share.

    Parameters
    ----------
    loaded
        The configuration.
    clock
        Wall clock; it tells the newest session that is over and stamps records.
    day
        Session to work on; None for the newest that is over, and has bars where the source is no broker.
    source
        Overrides ``nightly.source``.
    back
        Whether the store may go back to an earlier session.
    """

    def __init__(
        self,
        loaded: LoadedSettings,
        clock: Clock,
        *,
        day: date | None = None,
        source: str | None = None,
        back: bool = False,
        version: str = "",
    ) -> None:
        self.loaded, self.clock, self.day, self.back = loaded, clock, day, back
        self.settings = loaded.settings
        self.source_name = source or self.settings.nightly.source
        self.folder = FeatureFolder.below(loaded.folders.control)
        self.outcomes: dict[str, Outcome] = {}
        self._record = Record(source=self.source_name, code_version=version, started=_utc(clock.now_ns()))

    @cached_property
    def calendar(self) -> ExchangeCalendar:
        """The exchange's calendar."""
        return feature_calendar(self.settings.universe.calendar)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of the universe."""
        return self.settings.universe.symbols

    @property
    def store_path(self) -> Path:
        """The history store that bars of the broker go into."""
        return self.loaded.folders.state / HISTORY

    @cached_property
    def source(self) -> Source:
        """Checked daily bars, loaded once.

        Raises
        ------
        DataError
            When a check refuses them, or there are none.
        """
        name = f"{self.store_path}@ib,1d" if self.source_name == IB else self.source_name
        source = open_source(
            name,
            self.symbols,
            calendar_name=self.settings.universe.calendar,
            policies=policies_of(self.settings.data.quality),
        )
        other = [symbol for symbol, table in source.tables.items() if not table.is_daily]
        if other:
            raise DataError([f"{name}: the bars of {', '.join(other)} aren't daily"])
        return source

    @cached_property
    def session(self) -> Session:
        """The session of this night."""
        now_ns = self.clock.now_ns()
        if self.day is not None or self.source_name == IB:
            return session_of(self.day, self.calendar, now_ns)
        newest_ns = max(int(table.end_ns[-1]) for table in self.source.tables.values())
        return session_of(None, self.calendar, min(newest_ns, now_ns))

    @property
    def results(self) -> Path:
        """Folder of this session's artefacts, made when missing."""
        path = self.loaded.folders.results / "nightly" / self.session.date.isoformat()
        path.mkdir(parents=True, exist_ok=True)
        return path

    def done(self, name: str) -> bool:
        """Whether a step was done this night."""
        return name in self.outcomes and self.outcomes[name].state is State.DONE

    def keep(self, outcome: Outcome) -> None:
        """Note how a step ended; the record is on disk when this returns, once the session is known."""
        self.outcomes[outcome.name] = outcome
        self._record.steps = [asdict(one) for one in self.outcomes.values()]
        if self.done("fetch"):
            self._record.session = self.session.date.isoformat()
            write_atomic(
                self.results / RECORD_NAME,
                json.dumps(asdict(self._record), indent=1).encode() + b"\n",
                mode=0o644,
            )

    @property
    def exit_code(self) -> ExitCode:
        """The first failure's, by the order of the steps."""
        codes = (one.exit_code for one in self.outcomes.values() if one.state is State.FAILED)
        return next(codes, ExitCode.CLEAN)


def run_step(step: Step, night: Night, tell: Callable[[str], None]) -> Outcome:
    """Run a step, again where that helps, and keep its outcome. Never raises for what is not our own defect.

    Parameters
    ----------
    tell
        Takes a line of progress.
    """
    missing = [name for name in step.needs if not night.done(name)]
    if missing:
        outcome = Outcome(
            name=step.name, state=State.LEFT_OUT, text=f"left out: {', '.join(missing)} wasn't done"
        )
    else:
        outcome = _tried(step, night, tell)
    night.keep(outcome)
    tell(f"{step.name}: {outcome.text} ({outcome.seconds:.1f} s)")
    return outcome


def _tried(step: Step, night: Night, tell: Callable[[str], None]) -> Outcome:
    nightly = night.settings.nightly
    most = 1 + (nightly.retries if step.is_retried else 0)
    begun = time.monotonic()
    tries = 0
    while True:
        tries += 1
        tell(f"{step.name} ...")
        try:
            text, state, code = step.run(night), State.DONE, ExitCode.CLEAN
        except Failures as error:
            if isinstance(error, RetryLater) and tries < most:
                tell(f"{step.name}: {error}; again in {nightly.retry_s:.0f} s")
                time.sleep(nightly.retry_s)
                continue
            text, state, code = _words(error), State.FAILED, _exit_code(error)
        seconds = round(time.monotonic() - begun, 1)
        return Outcome(name=step.name, state=state, text=text, seconds=seconds, tries=tries, exit_code=code)


def run_all(steps: Mapping[str, Step], night: Night, tell: Callable[[str], None]) -> ExitCode:
    """Run all steps in order; returns the night's exit code."""
    for step in steps.values():
        run_step(step, night, tell)
    return night.exit_code


def _words(error: BaseException) -> str:
    problems = getattr(error, "problems", None)
    if problems:
        return (
            "FAILED: "
            + "; ".join(problems[:5])
            + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        )
    name = "" if isinstance(error, BackstopError) else f"{type(error).__name__}: "
    return f"FAILED: {name}{error}"


def _exit_code(error: BaseException) -> ExitCode:
    if isinstance(error, BrokerAway):
        return ExitCode.BROKER_REFUSED
    is_usage = isinstance(error, BackstopError) and not isinstance(error, RetryLater)
    return ExitCode.USAGE if is_usage else ExitCode.INTERNAL_ERROR


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat()
