"""Answers that are late or lost: the kill takes the delay longer, and no answer is older than its question."""

from __future__ import annotations

import random
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.ib_wrapper.requests import Plain, PlainRequests, Question
from core.vocabulary import Unknown
from tests.risk.slow_line import FarKill, Line
from tests.simulation.clock import MS, SECOND, Time


@pytest.mark.parametrize("spread", [0.0, 0.2])
@pytest.mark.parametrize("round_trip_s", [0.001, 0.4, 0.9, 1.1, 1.5, 2.0, 3.0, 5.0])
def test_a_kill_ends_flat_over_a_line_of_any_slowness(round_trip_s: float, spread: float) -> None:
    for seed in range(6):
        kill = FarKill(round_trip_s, spread=spread, seed=seed)
        took_s = kill.run()
        assert kill.finish is not None, "the kill did not end"
        assert kill.finish.flat
        assert kill.held == 0
        assert took_s < 0.4 + 12 * round_trip_s


def test_on_a_quick_line_nothing_is_asked_twice() -> None:
    kill = FarKill(0.004)
    assert kill.run() < 0.2
    assert kill.asked == 10


@pytest.mark.parametrize("silent_s", [0.5, 3.0, 12.0, 30.0])
def test_a_kill_goes_on_within_moments_of_the_end_of_a_silence(silent_s: float) -> None:
    for seed in range(6):
        kill = FarKill(0.02, spread=0.5, seed=seed, silent_s=silent_s)
        took_s = kill.run()
        assert kill.finish is not None, "the kill did not end"
        assert kill.finish.flat
        assert took_s < silent_s + 4.5


def test_a_kill_without_answers_is_told_after_ten_seconds() -> None:
    kill = FarKill(0.02, silent_s=15.0)
    kill.run()
    assert [10.0 < when < 10.1 for text, when in kill.warnings.items() if "not answered" in text] == [True]


def test_a_quick_kill_warns_of_nothing() -> None:
    kill = FarKill(0.02)
    kill.run()
    assert kill.warnings == {}


# --- the questions by themselves -------------------------------------------------------------------------


class Asker:
    """Asks one sort now and then over a line that loses answers; each answer tells when the broker made it."""

    def __init__(
        self, seed: int, round_trip_s: float, spread: float, lost: float, *, patience_s: float = 10.0
    ) -> None:
        self.time, self.random, self.lost = Time(seed), random.Random(seed), lost
        there_s = round_trip_s * self.random.random()
        self.out = Line(self.time, there_s, spread)
        self.back = Line(self.time, round_trip_s - there_s, spread)
        self.sent, self.patience_s = 0, patience_s
        self.requests = PlainRequests(Plain.POSITIONS, self.send, self.time, patience_s=patience_s)
        self.answers: list[tuple[int, int]] = []
        self.pulse()

    def send(self) -> None:
        self.sent += 1
        self.out.send(self.answer)

    def pulse(self) -> None:
        self.requests.expire(self.time.now)
        self.time.after(100 * MS, self.pulse)

    def answer(self) -> None:
        made = self.time.now
        parts, end = self.random.random() >= self.lost, self.random.random() >= self.lost
        if parts:
            self.back.send(lambda: self.requests.collect(made))
            if end:
                self.back.send(self.requests.complete)

    def ask(self) -> Future[Any]:
        asked = self.time.now
        question: Question[list[int]] = Question(
            name="?", deadline_ns=asked + round(self.patience_s * SECOND), finish=list
        )

        def answered(future: Future[list[int] | Unknown]) -> None:
            found = future.result()
            if not isinstance(found, Unknown):
                self.answers.append((asked, found[-1]))

        future: Future[Any] = self.requests.ask(question)
        future.add_done_callback(answered)
        return future


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    round_trip_s=st.sampled_from((0.01, 0.5, 1.1, 3.0, 6.0, 12.0)),
    spread=st.sampled_from((0.0, 0.2, 0.5)),
    lost=st.sampled_from((0.0, 0.1, 0.5)),
)
def test_no_answer_is_ever_older_than_its_question(
    seed: int, round_trip_s: float, spread: float, lost: float
) -> None:
    asker = Asker(seed, round_trip_s, spread, lost)
    for _ in range(20):
        asker.ask()
        asker.time.run_until(asker.time.now + asker.random.randint(0, 4_000) * MS)
    assert all(made >= asked for asked, made in asker.answers)
    if round_trip_s * (1 + spread) > 9.5:  # beyond our patience
        return
    # And once no answer is lost any more, each question has one.
    asker.lost = 0.0
    asker.time.run_until(asker.time.now + 30 * SECOND)
    last = asker.ask()
    asker.time.run_until(asker.time.now + 10 * SECOND)
    assert last.done()
    assert not isinstance(last.result(), Unknown)


def test_a_debt_that_is_not_real_costs_a_round_trip_and_not_a_time_out() -> None:
    asker = Asker(3, 0.01, 0.0, lost=1.0)
    first = asker.ask()
    asker.time.run_until(asker.time.now + 11 * SECOND)
    assert first.result() is Unknown.TIMED_OUT
    asker.lost = 0.0
    second = asker.ask()
    asker.time.run_until(asker.time.now + SECOND)
    assert isinstance(second.result(0), list)


def test_debts_that_are_not_real_are_forgotten_in_a_pause_and_not_by_asking_on() -> None:
    """Twelve seconds without an answer leave a dozen of them; who asks on pays for each, question by question."""
    asker = Asker(3, 0.01, 0.0, lost=1.0)
    asker.ask()
    asker.time.run_until(asker.time.now + 12 * SECOND)
    asker.lost = 0.0
    for _ in range(30):
        asker.ask()
        asker.time.run_until(asker.time.now + SECOND)
    after_asking_on = asker.requests.is_owed
    asker.time.run_until(asker.time.now + 20 * SECOND)
    assert (after_asking_on, asker.requests.is_owed) == (True, False)
    before = asker.sent
    assert isinstance(ask_and_wait(asker), list)
    assert asker.sent == before + 1


def test_on_a_slow_line_what_is_owed_comes_within_a_round_trip() -> None:
    asker = Asker(5, 3.0, 0.0, lost=0.0)
    asker.ask()
    asker.time.run_until(asker.time.now + 3 * SECOND + 100 * MS)
    assert len(asker.answers) == 1
    at_the_answer = asker.requests.is_owed  # it was asked for again each second
    asker.time.run_until(asker.time.now + 3 * SECOND)
    assert (at_the_answer, asker.requests.is_owed) == (True, False)


def test_a_long_patience_gives_no_end_up_that_may_still_come() -> None:
    """A line of 25 seconds and a patience of 30: no answer is older than its question."""
    asker = Asker(7, 25.0, 0.0, lost=0.0, patience_s=30.0)
    for _ in range(6):
        asker.ask()
        asker.time.run_until(asker.time.now + 31 * SECOND)
    assert asker.answers
    assert all(made >= asked for asked, made in asker.answers)


def ask_and_wait(asker: Asker) -> object:
    future = asker.ask()
    asker.time.run_until(asker.time.now + SECOND)
    return future.result(0)
