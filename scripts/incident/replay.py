"""Makes the decisions of an incident again, offline, by the very functions that made them, and compares.

Three things are decided in a halt: that a limit was broken (`risk.observation.decide`), what the kill does step by step
(`risk.kill_sequence`), and that main halts (`core.halts`). Each takes from the file what it took then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.canonical import dump, fields_of
from core.config_schema import RiskSettings
from core.events import Halt
from core.flags import FlagKind, FlagState
from core.halts import halt_of_command, halt_of_flag, takes_effect
from core.ipc import Command
from core.journal.chain import chain_hash
from core.records import RecordKind
from core.vocabulary import HaltLevel, HaltReason
from risk import kill_messages
from risk.kill_messages import Finish, KillAction, KillEvent
from risk.kill_sequence import KillSequence
from risk.observation import Evidence, decide

Record = Mapping[str, Any]
_EVENTS: Mapping[str, type[KillEvent]] = {
    name: getattr(kill_messages, name)
    for name in (
        "FenceEnded",
        "SessionChanged",
        "OpenOrdersRead",
        "PositionsRead",
        "CloseStatus",
        "CloseRefused",
        "Tick",
    )
}
_FLAGS = {
    HaltReason.KILL_NOW_FLAG: FlagKind.KILL_NOW,
    HaltReason.KILL_FLAG: FlagKind.KILL,
    HaltReason.FLAG_FOLDER: FlagKind.UNREADABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One decision, as it was and as it comes out again; ``same`` is None when the file does not hold enough."""

    what: str
    same: bool | None
    recorded: str
    again: str


def replay(document: Mapping[str, Any]) -> list[Finding]:
    """Make every decision of the incident again."""
    watchdog = document["journals"]["watchdog"]["records"]
    main = document["journals"]["main"]["records"]
    run_id = document["run_id"]
    findings = [_chain(name, journal["records"]) for name, journal in sorted(document["journals"].items())]
    ours = [record for record in watchdog if record["run_id"] == run_id]
    for started in _of(ours, RecordKind.KILL_STARTED):
        findings.append(_decision(started["payload"]))
        findings += _sequence(started["payload"], ours)
    findings += _halts([record for record in main if record["run_id"] == run_id], ours)
    return findings


def _of(records: list[Record], kind: RecordKind) -> list[Record]:
    return [record for record in records if record["kind"] == kind]


def _chain(name: str, records: list[Record]) -> Finding:
    """Check that no record of the slice was changed: each hash covers the record and the hash before it."""
    what = f"hash chain of {name}'s records"
    for before, record in pairwise(records):
        row = (
            record["seq"],
            record["time_ns"],
            record["process"],
            record["run_id"],
            record["boot_id"],
            record["kind"],
            dump(record["payload"]),
        )
        if chain_hash(before["hash"], row) != record["hash"]:
            return Finding(what=what, same=False, recorded="unbroken", again=f"broken at {record['seq']}")
    return Finding(what=what, same=True, recorded="unbroken", again=f"unbroken, {len(records)} records")


def _decision(started: Mapping[str, Any]) -> Finding:
    """Check the limit again, on what the watchdog saw."""
    recorded, what = str(started["reason"]), "the watchdog's decision to kill"
    if "evidence" not in started:
        return Finding(what=what, same=None, recorded=recorded, again="the record holds no evidence")
    try:
        evidence = TypeAdapter(Evidence).validate_python(started["evidence"])
        settings = RiskSettings.model_validate(started["settings"])
    except ValidationError as error:
        return Finding(what=what, same=None, recorded=recorded, again=f"the evidence can't be read: {error}")
    verdict = decide(evidence, settings)
    if verdict is None:
        return Finding(what=what, same=False, recorded=recorded, again="no kill")
    again = f"{verdict.reason.value}: {verdict.detail}"
    recorded = f"{recorded}: {started['detail']}"
    return Finding(what=what, same=again == recorded, recorded=recorded, again=again)


def _sequence(started: Mapping[str, Any], records: list[Record]) -> Iterator[Finding]:
    """Feed the kill sequence what it was fed, and compare each of its answers."""
    what, kill_id = "the kill sequence", started["kill_id"]
    parts = [r["payload"] for r in _of(records, RecordKind.KILL_TRACE) if r["payload"]["kill_id"] == kill_id]
    ended = [r["payload"] for r in _of(records, RecordKind.KILL_ENDED) if r["payload"]["kill_id"] == kill_id]
    if not parts or len(parts) < parts[-1]["parts"] or parts[-1]["dropped"]:
        yield Finding(what=what, same=None, recorded="", again="its trace is not (all) in the file")
        return
    start = parts[-1]["start"]
    sequence = KillSequence(kill_id=kill_id, closes_sent=start["closes_sent"])
    actions = sequence.start(start["at_ns"], ready=start["ready"])
    difference = _compare("start", start["actions"], actions)
    steps = [step for part in parts[-parts[-1]["parts"] :] for step in part["steps"]]
    for number, step in enumerate(steps, start=1):
        if difference is not None:
            break
        event = _event_of(step)
        actions = sequence.handle(event)
        difference = _compare(f"step {number} ({step['type']})", step["actions"], actions)
    if difference is not None:
        yield difference
        return
    count = f"{len(steps)} steps"
    yield Finding(what=what, same=True, recorded=count, again=f"{count}, each with the same actions")
    finish = next((action for action in actions if isinstance(action, Finish)), None)
    yield _outcome(ended[-1] if ended else None, finish)


def _event_of(step: Mapping[str, Any]) -> KillEvent:
    values = {name: value for name, value in step.items() if name not in {"type", "actions"}}
    event: KillEvent = TypeAdapter(_EVENTS[step["type"]]).validate_python(values)
    return event


def _compare(where: str, recorded: object, actions: tuple[KillAction, ...]) -> Finding | None:
    again = [{"type": type(action).__name__, **fields_of(action)} for action in actions]
    if json.loads(dump(again)) == recorded:
        return None
    what = f"the kill sequence, {where}"
    return Finding(what=what, same=False, recorded=dump(recorded), again=dump(again))


def _outcome(ended: Mapping[str, Any] | None, finish: Finish | None) -> Finding:
    what = "the outcome of the kill"
    again = "no end" if finish is None else _describe(finish.flat, json.loads(dump(finish.residue)))
    recorded = "no end" if ended is None else _describe(ended["flat"], ended["residue"])
    return Finding(what=what, same=again == recorded, recorded=recorded, again=again)


def _describe(flat: bool, residue: list[Mapping[str, str]]) -> str:
    left = "; ".join(f"{item['symbol']} {item['quantity']} ({item['reason']})" for item in residue)
    return "flat" if flat else f"not flat: {left}"


def _halts(main: list[Record], watchdog: list[Record]) -> Iterator[Finding]:
    """Let main halt again: from the flag that it saw, the watchdog's command, or its own error."""
    kills = [str(r["payload"]["reason"]) for r in _of(watchdog, RecordKind.KILL_STARTED)]
    level = HaltLevel.NONE
    for record in main:
        if record["kind"] == RecordKind.RUN_STARTED:
            level = HaltLevel.NONE  # a new process
        if record["kind"] != RecordKind.HALT:
            continue
        halt: Halt = TypeAdapter(Halt).validate_python(record["payload"])
        expected = halt
        if halt.reason in _FLAGS:
            expected = halt_of_flag(FlagState(kind=_FLAGS[halt.reason], detail=halt.detail)) or halt
        elif halt.reason is HaltReason.WATCHDOG_COMMAND and kills:  # what the watchdog's kill commanded
            reason = halt.detail if halt.detail in kills else kills[-1]
            expected = halt_of_command(Command.HALT, reason)
        again = _describe_halt(expected) if takes_effect(expected, level) else "no halt: it had halted before"
        level = max(level, expected.level)
        recorded = _describe_halt(halt)
        yield Finding(what="main's halt", same=again == recorded, recorded=recorded, again=again)
    if level is HaltLevel.NONE:
        yield Finding(
            what="main's halt",
            same=None,
            recorded="none",
            again="main journaled no halt: nothing to decide again",
        )


def _describe_halt(halt: Halt) -> str:
    return f"{halt.level.name} {halt.reason.value} ({halt.detail}) by {halt.source}"
