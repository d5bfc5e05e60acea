"""Rows of the campaign: which tests hold each id of the catalogue, and which units run it at random."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FAULTS = Path(__file__).resolve().parents[1] / "faults"
TITLES: Mapping[str, str] = {
    "G1": "nothing is left after a kill",
    "G2": "after a breach no position grows or turns",
    "G3": "fills within intents, one live incarnation",
    "G4": "our book equals the broker's",
    "G5": "a halt stands",
    "G6": "the operator is told",
    "L1": "a kill with 100 working orders",
    "P1": "main killed at a random message",
    "P2": "main killed or stopped with orders working",
    "P3": "main stopped, and continued after the halt",
    "P4": "engine loop stuck while its threads live",
    "P5": "watchdog killed",
    "P6": "watchdog stopped",
    "P7": "both killed during a liquidation",
    "P8": "watchdog dies before a close is acknowledged",
    "P9": "main at full rate during the flattening",
    "P10": "two mains",
    "P11": "two watchdogs",
    "P12": "main's process id belongs to a foreign process",
    "P13": "watchdog without main",
    "P14": "main without watchdog",
    "P15": "main without memory or descriptors",
    "F1": "order list cut at every byte",
    "F2": "disk full",
    "F3": "flags folder unreadable or missing",
    "F4": "power cut at a journal write",
    "F5": "kill flag at the start",
    "F6": "flag is a FIFO, a link, empty, huge",
    "F7": "leftovers of an earlier run",
    "F8": "wall clock jumps",
    "F9": "configuration corrupt",
    "F10": "configuration edited while running",
    "F11": "model corrupt",
    "F12": "log flood",
    "N1": "half-open connection",
    "N2": "gateway restarts in bursts of orders",
    "N3": "fills between 1100 and 1101 or 1102",
    "N4": "data farm flaps",
    "N5": "quotes frozen, competing session",
    "N6": "latency, closed window",
    "N7": "fuzzed frames in either direction",
    "N8": "callbacks dropped, doubled, reordered",
    "N9": "client id locked",
    "N10": "nextValidId goes backwards",
    "N11": "burst above the message budget",
    "N12": "nightly reset, another login",
    "N13": "questions without an answer",
    "N14": "another ibapi",
    "O1": "partial fill while offline",
    "O2": "fill after Cancelled",
    "O3": "cancel refused",
    "O4": "cancel never acknowledged",
    "O5": "two permIds for one intent",
    "O6": "stuck in PendingSubmit",
    "O7": "corrections, odd commissions",
    "O8": "margin, locate, halt while flattening",
    "O9": "runaway strategy",
    "O10": "manual and foreign orders",
    "O11": "impossible prices",
    "O12": "split overnight",
    "O13": "account values three minutes old",
    "S1": "messages of strangers",
    "S2": "slow joiner, full queue",
    "S3": "malicious text",
    "S4": "cross-site POST to a dashboard",
    "SIM": "deterministic simulation",
}
INVARIANTS = ("G1", "G2", "G3", "G4", "G5", "G6")


@dataclass(frozen=True, slots=True)
class Campaign:
    """Randomised form of a row: units by scale, and what its main figure is."""

    unit: str
    """Module of this package and function: loaded only where a unit is played."""
    units: Mapping[str, int]
    note: str


def _scales(small: int, full: int) -> Mapping[str, int]:
    return {"small": small, "full": full}


CAMPAIGNS: Mapping[str, Campaign] = {
    "P1": Campaign("kills.killed_main", _scales(5, 150), "SIGKILL cycles"),
    "P2": Campaign("kills.silent_main", _scales(6, 100), "mains killed or stopped"),
    "P7": Campaign("kills.both_killed", _scales(6, 200), "liquidations, five a unit"),
    "P9": Campaign("kills.runaway_main", _scales(3, 200), "liquidations, five a unit"),
    "L1": Campaign("kills.loaded_kill", _scales(8, 100), "kills"),
    "N1": Campaign("wires.half_open", _scales(3, 50), "connections"),
    "N2": Campaign("wires.restarts", _scales(2, 20), "restarts"),
    "N6": Campaign("kills.slow_kill", _scales(2, 60), "kills over a line of up to 5 s a round trip"),
    "N7": Campaign("wires.fuzzed_frames", _scales(2, 25), "frames"),
    "N8": Campaign("wires.disorder", _scales(2, 125), "bursts, each with a disorder of its own"),
    "SIM": Campaign("simulations.simulate", _scales(5, 100), "seeds"),
}


def files_by_row() -> dict[str, list[Path]]:
    """Files of the fault tests by the ids in their names: ``test_p10_p11_...`` holds two."""
    found: dict[str, list[Path]] = {}
    for path in sorted(FAULTS.glob("test_*.py")):
        for part in path.stem.split("_")[1:]:
            if not re.fullmatch(r"[gpfnos]\d+", part):
                break
            found.setdefault(part.upper(), []).append(path)
    return found
