"""Following and rebuilding give the same rows, however the journal came in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import JournalCorrupt
from core.journal import Journal, Record
from tca import logger
from tca.check import check
from tca.logger import JournalFollower, follow, rebuild
from tca.store import TcaStore, open_published
from tests.tca.journals import Scribe, a_whole_order
from tests.waiting import wait_for


@pytest.fixture
def scribe(tmp_path: Path) -> Iterator[Scribe]:
    scribe = Scribe(tmp_path)
    scribe.cash()
    yield scribe
    scribe.journal.close()


def everything(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(open_published(path)) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()
            for table in ("parents", "fills", "journals")
        ]


def rebuilt(scribe: Scribe, path: Path) -> list[list[tuple[object, ...]]]:
    with TcaStore(path, afresh=True) as store:
        rebuild(store, [scribe.path])
    return everything(path)


def test_any_pieces_give_the_rows_of_a_rebuild(scribe: Scribe, tmp_path: Path) -> None:
    for day, ref in enumerate("ABC"):
        a_whole_order(scribe, ref, 2 * day)
    records = list(Journal.read(scribe.path))
    wanted = rebuilt(scribe, tmp_path / "rebuilt.duckdb")

    @settings(max_examples=12, deadline=None)
    @given(steps=st.lists(st.integers(1, 60), min_size=1, max_size=12))
    def in_pieces(steps: list[int]) -> None:
        shown = 0

        def part(path: Path, after: int = 0) -> Iterator[Record]:
            return iter(records[after:shown])

        path = tmp_path / "followed.duckdb"
        with pytest.MonkeyPatch.context() as patch, TcaStore(path, afresh=True) as store:
            patch.setattr(logger, "read", part)
            follower = JournalFollower(scribe.path, store)
            for step in [*steps, len(records)]:
                shown = min(len(records), shown + step)
                follower.catch_up()
            store.publish()
        assert everything(path) == wanted

    in_pieces()


def test_a_follower_keeps_up_with_a_journal_that_grows(scribe: Scribe, tmp_path: Path) -> None:
    path, stop = tmp_path / "followed.duckdb", threading.Event()

    def work() -> None:
        with TcaStore(path) as store:
            follow(store, [scribe.path, tmp_path / "not_there_yet.db"], stop.is_set, poll_s=0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        a_whole_order(scribe, "A")
        wait_for(lambda: path.is_file() and everything(path)[0], "the first rows")
        a_whole_order(scribe, "B", 3)
    finally:
        stop.set()
        thread.join(30)
    assert everything(path) == rebuilt(scribe, tmp_path / "rebuilt.duckdb")


def test_a_follower_that_begins_again_writes_nothing_twice(scribe: Scribe, tmp_path: Path) -> None:
    path = tmp_path / "followed.duckdb"
    for ref, day in (("A", 0), ("B", 3)):
        a_whole_order(scribe, ref, day)
        with TcaStore(path) as store:
            JournalFollower(scribe.path, store).catch_up()
            store.publish()
    assert everything(path) == rebuilt(scribe, tmp_path / "rebuilt.duckdb")


def test_two_journals_stand_beside_each_other(scribe: Scribe, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Scribe(tmp_path / "other")
    other.cash("5")
    a_whole_order(scribe)
    a_whole_order(other)
    path = tmp_path / "both.duckdb"
    with TcaStore(path) as store:
        assert list(rebuild(store, [scribe.path, other.path]).values()) == [1, 1]
    with closing(open_published(path)) as connection:
        assert [one.agrees for one in check(connection)] == [True, True]
    other.journal.close()


def test_a_journal_that_does_not_hold_is_refused(scribe: Scribe, tmp_path: Path) -> None:
    a_whole_order(scribe)
    scribe.journal.close()
    data = scribe.path.read_bytes()
    scribe.path.write_bytes(data.replace(b"opening balance", b"opening balanza"))
    with TcaStore(tmp_path / "tca.duckdb") as store, pytest.raises(JournalCorrupt, match="does not hold"):
        rebuild(store, [scribe.path])


def test_the_check_sees_a_component_that_is_wrong(scribe: Scribe, tmp_path: Path) -> None:
    a_whole_order(scribe)
    path = tmp_path / "tca.duckdb"
    with TcaStore(path) as store:
        rebuild(store, [scribe.path])
        store._connection.execute("UPDATE parents SET execution = execution + 0.01")
        store.publish()
    with closing(open_published(path)) as connection:
        (sums,) = check(connection)
    assert not sums.agrees
    assert sums.difference == Decimal("0.01")


def test_the_check_holds_for_an_order_of_a_hundred_million_dollars(scribe: Scribe, tmp_path: Path) -> None:
    scribe.session()
    order = scribe.order("A", 1, quantity=200_000)
    scribe.fill(order, 200_000, "591.540688", scribe.at(1))
    path = tmp_path / "tca.duckdb"
    with TcaStore(path) as store:
        rebuild(store, [scribe.path])
    with closing(open_published(path)) as connection:
        (sums,) = check(connection)
    assert sums.agrees
    assert sums.executions == Decimal("118308138.6")
