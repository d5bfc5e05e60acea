"""What a decision, a rollback or a probation changes: the journal, the configuration, the restrictions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from backtester.trials.search import ledger_of
from core.clock import SystemClock
from core.config_loader import LoadedSettings
from core.records import RecordKind
from core.restrictions import RestrictionFolder
from governance.journal import check, open_journal, user
from governance.parameters import (
    ROLLBACK,
    Change,
    NothingToRollBack,
    ParameterFile,
    done_ns,
    effective,
    is_abandoned,
    last_change,
    source_of,
    standing_promotion,
    unfinished,
)
from governance.pipeline import Decision
from governance.probation import Standing, band_of, judge, session_returns
from governance.search import Subject
from governance.starts import is_start_with, starts_of
from risk.alerts import AlertHelper

Log = Callable[[str], None]
CLEAN, REFUSED = 0, 3


def finish_interrupted(loaded: LoadedSettings, log: Log) -> bool:
    """Finish changes of parameters that a killed process has begun; say whether there was one."""
    control = loaded.folders.control
    check(control)
    if not unfinished(control):
        return False
    clock = SystemClock()
    with open_journal(control, clock, "recovery") as journal:
        for change in ParameterFile(loaded=loaded, journal=journal, clock=clock).finish_interrupted():
            log(f"finished the {change.kind} {change.id}, which had been interrupted")
    return True


def record_decision(subject: Subject, decision: Decision) -> None:
    """Journal a decision, and the trial ledger's head of its time."""
    control, clock = subject.study.loaded.folders.control, SystemClock()
    head = ledger_of(subject.study).head()
    with open_journal(control, clock, decision.id) as journal:
        journal.append(
            RecordKind.RECALIBRATED,
            {
                "id": decision.id,
                "strategy": decision.strategy,
                "passed": decision.passed,
                "failed": list(decision.failed),
                "values": dict(decision.values),
                "evidence_sha256": decision.evidence_sha256,
                "mandate_sha256": subject.mandate.sha256,
                "ledger_seq": None if head is None else head.seq,
                "ledger_hash": None if head is None else head.hash,
                "user": user(),
            },
        )


def promote(subject: Subject, decision: Decision, log: Log) -> str:
    """Write the chosen parameters to ``config.yaml`` at half risk, unless they are there; say what was done.

    Raises
    ------
    PromotionRefused
        While a probation of the strategy goes on, or when the configuration was changed since it was judged.
    ConfigError
        When the file can't be changed.
    """
    loaded, strategy = subject.study.loaded, decision.strategy
    if any(one.name == strategy for one in loaded.settings.strategies):
        now = effective(loaded, strategy, decision.values)
        if all(now[name] == value for name, value in decision.values.items()):
            return "passed, and these are the parameters in use"
    returns = np.array(decision.found["search"]["returns"], dtype=np.float64)
    clock = SystemClock()
    with open_journal(loaded.folders.control, clock, decision.id) as journal:
        change = ParameterFile(loaded=loaded, journal=journal, clock=clock).promote(
            strategy,
            decision.values,
            evidence_sha256=decision.evidence_sha256,
            user=user(),
            reason=f"recalibration {decision.id}: all {len(decision.verdicts)} rules of the mandate are met",
            probation=band_of(returns, subject.mandate.probation),
            change_id=f"{decision.id}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}",
        )
    log(f"promoted: {dict(change.before)} to {dict(change.after)}; half risk until the probation is over")
    return "promoted, on probation from the next start on"


def roll_back(loaded: LoadedSettings, strategy: str, reason: str, log: Log) -> int:
    """Bring back the parameters before the last promotion.

    Raises
    ------
    NothingToRollBack, ConfigError
        When there is none, or the file can't be changed.
    """
    clock = SystemClock()
    if standing_promotion(loaded.folders.control, strategy) is None:
        raise NothingToRollBack(f"no promotion of {strategy} stands")
    with open_journal(loaded.folders.control, clock, "rollback") as journal:
        change = ParameterFile(loaded=loaded, journal=journal, clock=clock).roll_back(
            strategy, user=user(), reason=reason
        )
    log(
        f"rolled back {strategy}: {dict(change.before)} to {dict(change.after)}; main takes them at its next start"
    )
    return CLEAN


def judge_probations(
    loaded: LoadedSettings, journal_path: Path | None, log: Log, *, as_json: bool = False
) -> int:
    """Judge every probation that goes on: end it, roll back and alert, or wait."""
    control, clock = loaded.folders.control, SystemClock()
    main = journal_path or loaded.folders.state / "main.db"
    standing = {one.source for one in RestrictionFolder(control, clock).standing().restrictions}
    code = CLEAN
    told: dict[str, dict[str, object]] = {}
    for strategy in (one.name for one in loaded.settings.strategies):
        change = last_change(control, strategy)
        if source_of(strategy) not in standing:
            continue
        if change is None or is_abandoned(control, strategy):
            _tell_unjudged(strategy, log)
            told[strategy] = {"verdict": "not judged"}
            continue
        since = done_ns(control, change)
        if change.kind == ROLLBACK:
            _end_rollback(loaded, change, main, since, log)
            told[strategy] = {"verdict": "rolled back"}
            continue
        is_start = partial(is_start_with, change=change, since_ns=since)
        returns = session_returns(main, strategy, is_start) if main.exists() else []
        found = judge(change, returns)
        told[strategy] = {"verdict": found.verdict, "sessions": found.sessions, "detail": found.detail}
        log(f"probation of {strategy}: {found.verdict}: {found.detail}")
        if found.verdict != "goes on":
            _end(loaded, strategy, change.id, found, log)
        if found.verdict == "failed":
            code = REFUSED
    if not told:
        log("no probation goes on")
    if as_json:
        print(json.dumps(told, indent=2))
    return code


def _tell_unjudged(strategy: str, log: Log) -> None:
    """Tell of half risk that came with a promotion which was given up: which parameters main has, only a person knows."""
    log(
        f"{strategy}: half risk stands for a promotion that was given up because config.yaml was edited meanwhile; once main has "
        f"started with what the file says now: python -m scripts.restrictions clear {source_of(strategy)} --reason ..."
    )


def _end_rollback(loaded: LoadedSettings, change: Change, main: Path, since_ns: int, log: Log) -> None:
    """Clear the restriction once main has started with the parameters that are back."""
    strategy = change.strategy
    if any(True for _start in starts_of(main, change, since_ns)):
        RestrictionFolder(loaded.folders.control, SystemClock()).clear(
            source_of(strategy), user=user(), reason="main has started with the parameters that are back"
        )
        log(f"{strategy}: main has started since the rollback; full risk again")
    else:
        log(f"{strategy}: half risk until main has started with the parameters that are back")


def _end(loaded: LoadedSettings, strategy: str, change_id: str, found: Standing, log: Log) -> None:
    """End a probation: the change first, its record last, so that what is killed is judged again."""
    control, clock = loaded.folders.control, SystemClock()
    if found.verdict == "failed":
        _alert(loaded, f"Probation of {strategy} failed, its parameters are rolled back: {found.detail}", log)
        roll_back(loaded, strategy, f"probation failed: {found.detail}", log)
    else:
        RestrictionFolder(control, clock).clear(
            source_of(strategy), user=user(), reason=f"probation passed: {found.detail}"
        )
    with open_journal(control, clock, "probation") as journal:
        journal.append(
            RecordKind.PROBATION,
            {
                "id": change_id,
                "strategy": strategy,
                "verdict": found.verdict,
                "sessions": found.sessions,
                "detail": found.detail,
            },
        )


def _alert(loaded: LoadedSettings, text: str, log: Log) -> None:
    """Alert wherever the watchdog does."""
    log(f"ALERT: {text}")
    helper = AlertHelper.from_settings(loaded.settings.alerts, os.environ)
    if helper is not None:
        helper.send("critical", text)
        helper.close()
