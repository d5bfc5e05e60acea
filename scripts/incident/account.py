"""The one-page account of an incident, in Markdown: what happened, when, what was done, in how many milliseconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.ib_wrapper.message_names import message_name
from core.records import RecordKind
from core.text import escape
from scripts.incident.replay import Finding

_STEPS = {
    "cancel_sent": "cancel of all orders handed to the broker",
    "fence": "fence around main",
    "session": "broker session",
    "refused": "closing order refused",
    "patience": "patience over",
    "resumed": "taken up again by a restarted watchdog",
    "other_login": "not taken up again: the login is another one",
}
_MOST_LINES = 60


def account(document: Mapping[str, Any], findings: Sequence[Finding]) -> str:
    """Write the page."""
    kills = [r for r in document["journals"]["watchdog"]["records"] if r["kind"] == RecordKind.KILL_STARTED]
    kills = [r for r in kills if r["run_id"] == document["run_id"]]
    lines = [*_head(document, kills[-1] if kills else None)]
    if kills:
        lines += _kill(document, kills[-1])
    lines += _main(document)
    lines += _processes(document)
    lines += _wires(document)
    lines += _again(findings)
    if document["problems"]:
        lines += ["", "## Not in the file", "", *(f"* {_safe(one)}" for one in document["problems"])]
    return "\n".join(lines) + "\n"


def _head(document: Mapping[str, Any], kill: Mapping[str, Any] | None) -> Iterator[str]:
    reason = document["reason"]
    title = "Kill" if document["kind"] == "kill" else "Halt of main"
    yield f"# {title}: {_safe(reason)}"
    yield ""
    moment = kill["payload"]["wall_ns"] if kill else document["written"]["wall_ns"]
    yield f"Run {document['run_id']}, {_utc(moment)}. What the reason means and what to do: `docs/runbook.md`, section *{_safe(reason)}*."
    hashes = {
        str(start.get("config_sha256", ""))[:12]
        for j in document["journals"].values()
        for start in j["starts"]
    }
    versions = document["versions"]
    yield (
        f"Code {versions['code']}, Python {versions['python']}, ibapi {versions.get('ibapi', '?')}, "
        f"configuration {', '.join(sorted(hashes)) or 'unknown'}."
    )
    yield ""


def _kill(document: Mapping[str, Any], kill: Mapping[str, Any]) -> Iterator[str]:
    started = kill["payload"]
    records = [
        r
        for r in document["journals"]["watchdog"]["records"]
        if r["run_id"] == document["run_id"] and r["seq"] >= kill["seq"]
    ]
    zero_ns = int(started["detected_monotonic_ns"]) - int(started.get("flag_age_ns", 0))
    wall_zero_ns = int(started["wall_ns"]) - int(started.get("flag_age_ns", 0))
    yield "## What happened"
    yield ""
    yield f"{_safe(started['detail']) or _safe(started['reason'])}."
    if started["figures"]:
        yield ""
        yield ", ".join(f"{name} {value}" for name, value in sorted(started["figures"].items())) + "."
    yield ""
    yield "## What was done"
    yield ""
    yield "Milliseconds from the flag or the breach."
    yield ""
    yield "| ms | what |"
    yield "|---:|---|"
    yield f"| {(int(started['detected_monotonic_ns']) - zero_ns) / 1e6:.1f} | seen by the watchdog |"
    shown = 0
    ended: Mapping[str, Any] | None = None
    for record in records:
        payload = record["payload"]
        if record["kind"] == RecordKind.KILL_ENDED and payload.get("kill_id") == started["kill_id"]:
            ended = payload
        text = _line(record)
        if text is None:
            continue
        shown += 1
        if shown <= _MOST_LINES:
            at_ns = payload.get("monotonic_ns")
            offset = (at_ns - zero_ns) if isinstance(at_ns, int) else record["time_ns"] - wall_zero_ns
            yield f"| {offset / 1e6:.1f} | {text} |"
    if shown > _MOST_LINES:
        yield f"| | … {shown - _MOST_LINES} more, in the file |"
    if ended is not None:
        yield from _end(ended)


def _line(record: Mapping[str, Any]) -> str | None:
    payload = record["payload"]
    match record["kind"]:
        case RecordKind.KILL_STEP:
            name = _STEPS.get(payload["step"], payload["step"])
            return _safe(f"{name}: {payload['detail']}" if payload["detail"] else name)
        case RecordKind.CLOSE_INTENT:
            return _safe(
                f"closing order {payload['order_ref']}: {payload['side']} {payload['quantity']} {payload['symbol']}"
            )
        case RecordKind.KILL_ENDED:
            return "ended: flat" if payload["flat"] else "ended: **not flat**"
        case RecordKind.ALERT:
            return _safe(f"told ({payload['severity']}): {payload['text']}")
        case RecordKind.REARMED:
            return _safe(f"re-armed by {payload['user']}: {payload['reason']}")
        case _:
            return None


def _end(ended: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    times = (
        ("cancel sent", ended["flag_to_cancel_sent_ms"]),
        ("last order gone", ended["flag_to_cancel_ack_ms"]),
        ("flat", ended["flag_to_flat_ms"]),
    )
    yield ", ".join(f"{name} after {_ms(value)}" for name, value in times) + "."
    if ended["residue"]:
        yield ""
        yield "**Close by hand at the broker:**"
        yield ""
        for item in ended["residue"]:
            yield f"* {_safe(item['symbol'])} {_safe(item['quantity'])}: {_safe(item['reason'])}"


def _main(document: Mapping[str, Any]) -> Iterator[str]:
    records = [r for r in document["journals"]["main"]["records"] if r["run_id"] == document["run_id"]]
    kinds = (RecordKind.HALT, RecordKind.CONNECTION, RecordKind.BREAK, RecordKind.RUN_ENDED)
    told = [r for r in records if r["kind"] in kinds][-12:]
    yield ""
    yield "## Main"
    yield ""
    if not told:
        yield "It journaled no halt, no loss of the connection and no end."
    for record in told:
        text = ", ".join(f"{name} {value}" for name, value in sorted(record["payload"].items()) if value)
        yield f"* {_utc(record['time_ns'])} {record['kind']}: {_safe(text)}"


def _processes(document: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## Processes when it was noticed"
    yield ""
    if not document["processes"]:
        yield "Not known: the file was written by hand."
        return
    yield "| process | pid | state | starts | memory, MB | threads |"
    yield "|---|---:|---|---:|---:|---:|"
    for one in document["processes"]:
        state = one.get("status", "running") if one["running"] else f"ended, code {one['exit_code']}"
        yield (
            f"| {_safe(one['name'])} | {one['pid']} | {_safe(state)} | {one['starts']} | {one.get('rss_mb', '')} "
            f"| {one.get('threads', '')} |"
        )


def _wires(document: Mapping[str, Any]) -> Iterator[str]:
    for name, messages in sorted(document["wires"].items()):
        yield ""
        yield f"## Last broker messages of {name}"
        yield ""
        if not messages:
            yield "None."
            continue
        yield f"{len(messages)} in the file; the newest:"
        yield ""
        yield "```"
        offset = document["written"]["wall_ns"] - document["written"]["monotonic_ns"]
        for one in messages[-12:]:
            arrow = "→" if one["direction"] == "out" else "←"
            number, *rest = one["fields"] or [""]
            title = message_name(one["direction"], number)
            text = " ".join(word for word in rest if word)[:120]
            yield f"{_utc(one['monotonic_ns'] + offset)[11:]} {arrow} {escape(f'{title}: {text}')}"
        yield "```"


def _again(findings: Sequence[Finding]) -> Iterator[str]:
    yield ""
    yield "## The same decisions again"
    yield ""
    yield "| | what | then | again |"
    yield "|---|---|---|---|"
    for one in findings:
        mark = {True: "same", False: "**differs**", None: "–"}[one.same]
        yield f"| {mark} | {_safe(one.what)} | {_safe(one.recorded)[:200]} | {_safe(one.again)[:200]} |"


def _safe(text: object) -> str:
    """Text from outside, so that it can't break the page: one line, and no markup that a viewer would act on."""
    plain = escape(str(text))
    for mark in "\\|<>[]`*_":
        plain = (
            plain.replace(mark, f"\\{mark}")
            if mark not in "<>"
            else plain.replace(mark, {"<": "&lt;", ">": "&gt;"}[mark])
        )
    return plain


def _utc(wall_ns: int) -> str:
    return dt.datetime.fromtimestamp(wall_ns / 1e9, dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " UTC"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
