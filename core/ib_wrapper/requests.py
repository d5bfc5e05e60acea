"""Questions to the broker and their answers. A question without an answer ends as an ``Unknown``, never as empty.

TWS knows two sorts. Some carry an id and their answers repeat it. The others (positions, open orders, time) carry
none: of those only one of a sort is under way at a time, and whoever asks meanwhile shares the next one, so that an
answer is never older than its question.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from core.clock import Clock
from core.errors import RetryLater
from core.ib_wrapper.order_ids import FIRST_REQUEST_ID
from core.vocabulary import Unknown

T = TypeVar("T")
_LAST_REQUEST_ID: Final = 2_147_000_000
# An answer may have been lost, and a kill may wait for it: the request goes out again meanwhile.
_ASK_AGAIN_NS: Final = 1_000_000_000
# An End that hasn't come for so long never comes; at least twice as long as a question waits, so that no End of a slow
# line is given up.
_NEVER_S: Final = 20.0


class Plain(Enum):
    """Requests that carry no id."""

    POSITIONS = "positions"
    OPEN_ORDERS = "open orders"


def resolve(future: Future[Any], value: object) -> bool:
    """Give a future its value; False when its owner cancelled it or it has one."""
    try:
        future.set_result(value)
    except InvalidStateError:
        return False
    return True


@dataclass(slots=True, eq=False)
class Question(Generic[T]):
    """One question under way; ``finish`` turns the collected parts into the answer."""

    name: str
    deadline_ns: int
    finish: Callable[[list[Any]], T]
    future: Future[T | Unknown] = field(default_factory=Future)
    parts: list[Any] = field(default_factory=list)
    on_timeout: Callable[[], None] | None = None
    on_refused: Callable[[str], None] | None = None
    context: Any = None


class IdRequests:
    """Questions that carry an id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_id = FIRST_REQUEST_ID
        self._open: dict[int, Question[Any]] = {}
        self.late = 0

    def new_id(self) -> int:
        """Id for a request or a subscription; also for those that get no single answer."""
        with self._lock:
            taken = self._next_id
            self._next_id = taken + 1 if taken < _LAST_REQUEST_ID else FIRST_REQUEST_ID
            return taken

    def add(self, request_id: int, question: Question[Any]) -> None:
        """Register a question before its request is sent."""
        with self._lock:
            self._open[request_id] = question

    def collect(self, request_id: int, part: object) -> bool:
        """Add a part of an answer; False when nobody waits for it."""
        with self._lock:
            question = self._open.get(request_id)
            if question is None:
                self.late += 1
                return False
            question.parts.append(part)
            return True

    def find(self, request_id: int) -> Question[Any] | None:
        """Question of that id, while it is open."""
        with self._lock:
            return self._open.get(request_id)

    def complete(self, request_id: int) -> bool:
        """End a question with what was collected; False when nobody waits for it."""
        with self._lock:
            question = self._open.pop(request_id, None)
            if question is None:
                self.late += 1
                return False
        resolve(question.future, question.finish(question.parts))
        return True

    def end(self, request_id: int, unknown: Unknown, detail: str = "") -> bool:
        """End a question without an answer; ``detail`` is the broker's reason for a refusal."""
        with self._lock:
            question = self._open.pop(request_id, None)
        if question is None:
            return False
        if detail and question.on_refused is not None:
            question.on_refused(detail)
        resolve(question.future, unknown)
        return True

    def expire(self, now_ns: int) -> list[str]:
        """End the questions whose deadline has passed; return their names."""
        with self._lock:
            overdue = [(i, q) for i, q in self._open.items() if q.deadline_ns <= now_ns]
            for request_id, _ in overdue:
                del self._open[request_id]
        for _, question in overdue:
            resolve(question.future, Unknown.TIMED_OUT)
            if question.on_timeout is not None:
                question.on_timeout()
        return [question.name for _, question in overdue]

    def end_all(self, unknown: Unknown) -> None:
        """End every question: the connection is gone."""
        with self._lock:
            ended = list(self._open.values())
            self._open.clear()
        for question in ended:
            resolve(question.future, unknown)


class PlainRequests:
    """Questions of one sort that carry no id: one under way, and one that waits for it.

    Which End is whose? Ends come in the order of the requests, at most one for each. So the first End is ours after as
    many as earlier requests still owe; any later one is newer yet. A question whose answer is late or lost sends its
    request again every second and takes the first End of any of them; the others are owed from then on.

    An End that is owed may never come: TWS forgot it, or the line lost it. Then the End that was taken for it was ours,
    so for each End that is passed over the request goes out once more, at once. A debt that isn't real costs a round
    trip, never a time-out. Each question hands it on to the next, so only a pause forgets it: whoever asks regularly and
    can wait does so while `is_owed`. It must not be forgotten sooner: on a line slower than our patience each question
    would be given the answer of the one before.

    Parameters
    ----------
    send
        Sends the request; raises ``RetryLater`` when it can't.
    patience_s
        How long a question waits for its answer.
    """

    def __init__(
        self, sort: Plain, send: Callable[[], None], clock: Clock, *, patience_s: float = 10.0
    ) -> None:
        self._sort = sort
        self._send = send
        self._clock = clock
        self._never_ns = round(max(_NEVER_S, 2.0 * patience_s) * 1e9)
        self._lock = threading.RLock()
        self._current: Question[Any] | None = None
        self._next: Question[Any] | None = None
        # When the requests were sent whose Ends are still to come: of the question under way, and of earlier ones.
        self._own: list[int] = []
        self._owed: list[int] = []

    def ask(self, question: Question[T]) -> Future[T | Unknown]:
        """Ask now, or share the question that follows the one under way."""
        with self._lock:
            if self._current is not None:
                if self._next is None:
                    self._next = question
                return self._next.future
            self._start(question)
            return question.future

    @property
    def is_owed(self) -> bool:
        """Whether an earlier request's End may still come; it ends by itself when nothing is asked for a while."""
        with self._lock:
            self._forget(self._clock.monotonic_ns())
            return bool(self._owed)

    def collect(self, part: object) -> None:
        """Add a part of the answer; parts that come unasked belong to no question."""
        with self._lock:
            if self._current is not None:
                self._current.parts.append(part)

    def complete(self) -> None:
        """Take the broker's End of this sort."""
        with self._lock:
            now = self._clock.monotonic_ns()
            self._forget(now)
            if self._current is None:
                del self._owed[:1]
                return
            if self._owed:
                # The End of an earlier request; what came so far belongs to that one.
                del self._owed[0]
                self._current.parts.clear()
                self._send_again(now)
                return
            done, self._current = self._current, None
            self._owed = self._own[1:]
            answer = done.finish(done.parts)
            self._start_next()
        resolve(done.future, answer)

    def expire(self, now_ns: int) -> list[str]:
        """End the questions whose deadline has passed, send late ones again; return the names of those that ended."""
        with self._lock:
            overdue: list[Question[Any]] = []
            if self._current is not None and self._current.deadline_ns <= now_ns:
                overdue.append(self._current)
                self._current = None
                self._owed += self._own
                self._start_next()
            elif self._current is not None and now_ns - self._own[-1] >= _ASK_AGAIN_NS:
                # What has come stays: the answer may be on its way, and cut in two it would be no answer.
                self._send_again(now_ns)
            if self._next is not None and self._next.deadline_ns <= now_ns:
                overdue.append(self._next)
                self._next = None
        for question in overdue:
            resolve(question.future, Unknown.TIMED_OUT)
        return [question.name for question in overdue]

    def end_all(self, unknown: Unknown) -> None:
        """End every question: the connection is gone, and with it what was owed."""
        with self._lock:
            ended = [q for q in (self._current, self._next) if q is not None]
            self._current = self._next = None
            self._owed = []
        for question in ended:
            resolve(question.future, unknown)

    def _forget(self, now_ns: int) -> None:
        self._owed = [sent for sent in self._owed if now_ns - sent < self._never_ns]

    def _start_next(self) -> None:
        following, self._next = self._next, None
        if following is not None:
            self._start(following)

    def _start(self, question: Question[Any]) -> None:
        self._current = question
        self._own = [self._clock.monotonic_ns()]
        try:
            self._send()
        except RetryLater:
            self._current = None
            resolve(question.future, Unknown.DISCONNECTED)

    def _send_again(self, now_ns: int) -> None:
        """Send the request of the question under way once more; without a connection its end is near anyway."""
        self._own.append(now_ns)
        with contextlib.suppress(RetryLater):
            self._send()


class TimeRequests:
    """Questions for the broker's time: answered one by one, in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: deque[Question[int]] = deque()

    def add(self, question: Question[int]) -> None:
        """Register a question before its request is sent."""
        with self._lock:
            self._open.append(question)

    def forget(self, question: Question[int]) -> None:
        """Drop a question whose request could not be sent."""
        with self._lock:
            if question in self._open:
                self._open.remove(question)

    def answer(self, seconds: int) -> None:
        """One answer of the broker. A question that has timed out keeps its place in the order."""
        with self._lock:
            question = self._open.popleft() if self._open else None
        if question is not None and not question.future.done():
            resolve(question.future, seconds)

    def expire(self, now_ns: int) -> list[str]:
        """End the questions whose deadline has passed; return their names."""
        with self._lock:
            overdue = [q for q in self._open if q.deadline_ns <= now_ns and not q.future.done()]
        for question in overdue:
            resolve(question.future, Unknown.TIMED_OUT)
        return [question.name for question in overdue]

    def end_all(self, unknown: Unknown) -> None:
        """End every question: the connection is gone."""
        with self._lock:
            ended = list(self._open)
            self._open.clear()
        for question in ended:
            if not question.future.done():
                resolve(question.future, unknown)
