"""The feature snapshot: what live trading may use of it, and what becomes of a file that isn't as it was published."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.exchange_calendar import exchange_calendar
from features.freshness import AVAILABLE_AFTER_NS, Freshness, Why
from features.snapshot import (
    FeatureSnapshot,
    Known,
    SnapshotCorrupt,
    SnapshotHolder,
    SnapshotMissing,
    SnapshotWrongHash,
    SnapshotWrongSchema,
    SymbolRow,
    Unknown,
    read_snapshot,
    write_snapshot,
)

CALENDAR = exchange_calendar("XNYS", date(2012, 1, 3), date(2013, 4, 30))


def session(day):
    found = CALENDAR.session_on(day)
    assert found is not None
    return found


DAY_BEFORE_THANKSGIVING = session(date(2012, 11, 21)).close_ns
FRIDAY, MONDAY = session(date(2012, 11, 23)), session(date(2012, 11, 26))
FRESH = Freshness(max_age_sessions=1, sessions=CALENDAR)


def row(event_ns=DAY_BEFORE_THANKSGIVING, **values) -> SymbolRow:
    return SymbolRow(
        event_ns=event_ns,
        available_ns=event_ns + AVAILABLE_AFTER_NS,
        values=values or {"rsi_14": 55.5, "vol_20": None},
    )


def snapshot(**rows) -> FeatureSnapshot:
    return FeatureSnapshot(
        published_ns=1, versions={"rsi_14": 1, "vol_20": 2}, rows=rows or {"AAPL": row(), "BRK B": row()}
    )


def ask(symbol="AAPL", name="rsi_14", version=1, at_ns=FRIDAY.open_ns, of=None):
    return (of or snapshot()).lookup(symbol, name, version=version, at_ns=at_ns, freshness=FRESH)


def test_a_value_is_known_through_the_session_after_its_own():
    for at_ns in (
        DAY_BEFORE_THANKSGIVING + AVAILABLE_AFTER_NS,
        FRIDAY.open_ns - 1,
        FRIDAY.open_ns,
        FRIDAY.close_ns,
        MONDAY.open_ns - 1,
    ):
        assert ask(at_ns=at_ns) == Known(55.5, DAY_BEFORE_THANKSGIVING)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"symbol": "IBM"}, Why.NO_SYMBOL),
        ({"name": "sma_200"}, Why.NO_FEATURE),
        ({"version": 2}, Why.OTHER_VERSION),
        ({"name": "vol_20", "version": 2}, Why.NO_VALUE),
        ({"at_ns": MONDAY.open_ns}, Why.TOO_OLD),
        ({"at_ns": DAY_BEFORE_THANKSGIVING + AVAILABLE_AFTER_NS - 1}, Why.NOT_YET),
        ({"at_ns": DAY_BEFORE_THANKSGIVING - 1}, Why.NOT_YET),
        ({"at_ns": MONDAY.open_ns + 10 * 365 * 86400 * 10**9}, Why.NO_CALENDAR),
    ],
)
def test_everything_else_is_unknown_and_says_why(asked, why):
    answer = ask(**asked)
    assert isinstance(answer, Unknown)
    assert answer.why is why
    assert answer.detail


def test_a_published_snapshot_reads_back_bit_for_bit(tmp_path):
    path = tmp_path / "features" / "snapshot.json"
    values = {"rsi_14": 0.1 + 0.2, "vol_20": 1e-308}
    write_snapshot(path, snapshot(AAPL=row(**values)))
    assert read_snapshot(path) == snapshot(AAPL=row(**values))
    first = path.read_bytes()
    write_snapshot(path, snapshot(AAPL=row(**values)))
    assert path.read_bytes() == first
    assert [one.name for one in path.parent.iterdir()] == ["snapshot.json"]


@given(st.dictionaries(st.text(max_size=8), st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_any_values_read_back(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("s") / "snapshot.json"
    one = FeatureSnapshot(
        published_ns=0, versions={}, rows={"A": row().model_copy(update={"values": values})}
    )
    write_snapshot(path, one)
    assert read_snapshot(path) == one


def test_nan_can_not_be_published():
    with pytest.raises(ValueError, match="finite"):
        row(rsi_14=float("nan"))


def edit(change):
    def edited(text):
        body = json.loads(text)
        change(body)
        return json.dumps(body)

    return edited


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda text: text[: len(text) // 2], SnapshotCorrupt),
        (lambda text: "", SnapshotCorrupt),
        (lambda text: "[]", SnapshotCorrupt),
        (lambda text: "[" * 100_000, SnapshotCorrupt),
        (edit(lambda body: body.pop("sha256")), SnapshotCorrupt),
        (edit(lambda body: body.update(schema=2)), SnapshotWrongSchema),
        (edit(lambda body: body.update(sha256="0" * 64)), SnapshotWrongHash),
        (edit(lambda body: body["content"]["rows"]["AAPL"]["values"].update(rsi_14=55.6)), SnapshotWrongHash),
        (edit(lambda body: body["content"]["rows"]["AAPL"].update(event_ns=1)), SnapshotWrongHash),
    ],
)
def test_a_spoiled_file_is_refused_by_name(tmp_path, spoil, error):
    path = tmp_path / "snapshot.json"
    write_snapshot(path, snapshot())
    path.write_text(spoil(path.read_text()))
    with pytest.raises(error, match=r"snapshot\.json"):
        read_snapshot(path)


def test_a_file_with_the_right_hash_and_wrong_fields_is_refused(tmp_path):
    from core.canonical import dump
    from features.snapshot import _digest

    path = tmp_path / "snapshot.json"
    content = snapshot().model_dump()
    content["rows"]["AAPL"]["values"]["rsi_14"] = "55"
    path.write_text(dump({"schema": 1, "sha256": _digest(content), "content": content}))
    with pytest.raises(SnapshotCorrupt, match=r"rows\.AAPL\.values\.rsi_14"):
        read_snapshot(path)


def test_a_missing_file_and_a_pipe_in_its_place_are_told_at_once(tmp_path):
    with pytest.raises(SnapshotMissing):
        read_snapshot(tmp_path / "snapshot.json")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SnapshotCorrupt, match="regular file"):
        read_snapshot(tmp_path / "pipe")


def test_the_holder_follows_the_file_and_knows_nothing_without_one(tmp_path):
    path = tmp_path / "snapshot.json"
    holder = SnapshotHolder(path)

    def rsi():
        return holder.lookup("AAPL", "rsi_14", version=1, at_ns=FRIDAY.open_ns, freshness=FRESH)

    assert rsi().why is Why.NO_SNAPSHOT
    holder.refresh()
    assert "there is no feature snapshot" in rsi().detail
    write_snapshot(path, snapshot())
    assert holder.refresh()
    assert not holder.refresh()
    assert rsi() == Known(55.5, DAY_BEFORE_THANKSGIVING)
    path.write_text("spoiled")
    assert holder.refresh()
    assert rsi().why is Why.NO_SNAPSHOT
    write_snapshot(path, snapshot())
    holder.refresh()
    assert holder.problem == ""
    path.unlink()
    holder.refresh()
    assert rsi().why is Why.NO_SNAPSHOT


def test_readers_never_see_half_a_snapshot_while_one_is_published_again_and_again(tmp_path):
    path, done = tmp_path / "snapshot.json", threading.Event()
    symbols = [f"S{number}" for number in range(50)]
    first = snapshot(**{symbol: row(rsi_14=1.0) for symbol in symbols})
    second = snapshot(**{symbol: row(rsi_14=2.0) for symbol in symbols})
    write_snapshot(path, first)

    def publish():
        for number in range(60):
            write_snapshot(path, (first, second)[number % 2])
        done.set()

    thread = threading.Thread(target=publish)
    thread.start()
    reads = 0
    while not done.is_set():
        values = {one.values["rsi_14"] for one in read_snapshot(path).rows.values()}
        assert values in ({1.0}, {2.0})
        reads += 1
    thread.join()
    assert reads


def test_the_snapshot_is_read_without_any_heavy_library():
    code = "import sys, features.snapshot; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("numpy", "pandas", "numba", "feast", "duckdb", "pyarrow", "sqlite3"):
        assert f"'{heavy}'" not in done.stdout
