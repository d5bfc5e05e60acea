"""Where the chunks of a search are scored: on the cores of this machine, or on the workers of a Dask cluster.

Both give the same scores, bit for bit: a chunk is a list of combinations' numbers, its scores depend on nothing else, and
a cluster whose workers run other code than ours is refused. The bars travel once to each worker. A chunk whose worker
dies is scored by another one.

Dask sends pickles: whoever reaches the scheduler's port can run code on every worker and on this machine. Use it inside a
network that you trust, or with TLS (``tls://``, docs/distributed.md).
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from backtester.search.identity import code_sha256
from backtester.search.work import Part, Work, evaluate
from core.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client, Future

Chunk = tuple[int, npt.NDArray[np.int64]]
"""First position, and the numbers of the combinations."""

OnDone = Callable[[int], None]

_CONNECT_S = 20.0
_CHUNKS_AHEAD = 2
_ATTEMPTS = 4


class Runner(Protocol):
    """Scores chunks; the order in which they come back is its own."""

    @property
    def slots(self) -> int:
        """Chunks that are scored at a time."""
        ...

    def run(self, chunks: Iterable[Chunk], on_done: OnDone) -> Iterator[tuple[int, Part]]:
        """Score chunks; yields the first position of each with its scores.

        Parameters
        ----------
        chunks
            Taken as they are needed.
        on_done
            Called with the number of combinations that were finished since the last call.
        """
        ...


@contextmanager
def open_runner(work: Work, address: str | None) -> Iterator[Runner]:
    """Open the place where ``work`` is done.

    Parameters
    ----------
    work
        The search.
    address
        Of a Dask scheduler, such as ``tcp://10.0.0.5:8786``; None for this machine.

    Raises
    ------
    ConfigError
        When no scheduler answers, it has no workers, or they run other code.
    """
    if address is None:
        yield LocalRunner(work)
        return
    with _client(address) as client:
        _check_workers(client, address)
        yield ClusterRunner(work, client)


class LocalRunner:
    """All cores of this machine, one chunk after the other; threads share one chunk."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @property
    def slots(self) -> int:
        """One chunk at a time."""
        return 1

    def run(self, chunks: Iterable[Chunk], on_done: OnDone) -> Iterator[tuple[int, Part]]:
        """See `Runner`."""
        for first, numbers in chunks:
            yield first, evaluate(self._work, numbers, on_done=on_done)


class ClusterRunner:
    """Workers of a Dask cluster, a chunk each; a few chunks are under way at a time, so that memory stays bounded."""

    def __init__(self, work: Work, client: Client) -> None:
        self._work = work
        self._client = client
        self._sent: Future[Work] | None = None

    @property
    def slots(self) -> int:
        """Threads of all workers."""
        return max(int(sum(self._client.nthreads().values())), 1)

    def run(self, chunks: Iterable[Chunk], on_done: OnDone) -> Iterator[tuple[int, Part]]:
        """See `Runner`."""
        from distributed import as_completed  # noqa: PLC0415 (only for a cluster)

        waiting = iter(chunks)
        running: dict[Future[Part], tuple[Chunk, int]] = {}
        finished = as_completed(loop=self._client.loop)

        def submit(chunk: Chunk, attempt: int) -> None:
            future = self._submit(chunk[1])
            running[future] = (chunk, attempt)
            finished.add(future)

        for chunk in islice(waiting, _CHUNKS_AHEAD * self.slots):
            submit(chunk, 1)
        try:
            for future in finished:
                chunk, attempt = running.pop(future)
                part = self._result(future, chunk, attempt)
                if part is None:
                    submit(chunk, attempt + 1)
                    continue
                on_done(len(chunk[1]))
                yield chunk[0], part
                for following in islice(waiting, 1):
                    submit(following, 1)
        finally:
            self._client.cancel(list(running))

    def _submit(self, numbers: npt.NDArray[np.int64]) -> Future[Part]:
        if self._sent is None or self._sent.status != "finished":
            # Lost with the last worker that held it, or not sent yet.
            self._sent = self._client.scatter(self._work, broadcast=True, hash=False)
        return self._client.submit(_evaluate_alone, self._sent, numbers, pure=False)

    def _result(self, future: Future[Part], chunk: Chunk, attempt: int) -> Part | None:
        """Take what a chunk gave; None when it was lost with a worker. What no other worker can help is raised."""
        from distributed import KilledWorker  # noqa: PLC0415 (only for a cluster)

        problem: BaseException
        try:
            part = future.result()
        except (
            KilledWorker,
            CancelledError,
        ) as error:  # the latter: the last worker that held it, or the bars, is gone
            problem = error
        else:
            future.release()
            return part
        if attempt >= _ATTEMPTS:
            raise ConfigError(
                [
                    f"--cluster: the combinations from position {chunk[0]:,} on end every worker that takes them: {problem}"
                ]
            )
        self._client.wait_for_workers(1)
        return None


def _evaluate_alone(work: Work, numbers: npt.NDArray[np.int64]) -> Part:
    """Score in one thread: the worker has as many chunks as threads."""
    return evaluate(work, numbers, workers=1)


@contextmanager
def _client(address: str) -> Iterator[Client]:
    if not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", address):
        raise ConfigError(
            [f"--cluster {address}: write the scheduler's address, such as tcp://10.0.0.5:8786"]
        )
    try:
        from distributed import Client  # noqa: PLC0415 (only for a cluster)
    except ImportError:
        raise ConfigError(["--cluster needs Dask, which isn't installed here: run `make setup`"]) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions that differ are looked at below, where they matter
            client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ConfigError([f"--cluster {address}: no scheduler answers: {error}"]) from None
    with client:
        yield client


def _check_workers(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_CONNECT_S)
    except TimeoutError:
        raise ConfigError([f"--cluster {address}: the scheduler has no workers"]) from None
    ours = fingerprint()
    problems = [
        f"--cluster {address}: worker {name} runs {what} {theirs.get(what, 'unknown')}, this machine {version}"
        for name, theirs in client.run(fingerprint).items()
        for what, version in ours.items()
        if theirs.get(what) != version
    ]
    if problems:
        raise ConfigError(problems)


def fingerprint() -> dict[str, Any]:
    """Name what the figures depend on: our code, and the libraries that compute."""
    import numba  # noqa: PLC0415 (its version only)

    return {
        "code": code_sha256()[:12],
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "numpy": np.__version__,
        "numba": numba.__version__,
    }
