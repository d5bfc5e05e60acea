"""GET requests with time-outs and patience, for the services that sell or give away bars."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from data.bar_table import DataError

MOST_TRIES: Final = 5
MOST_BYTES: Final = 64_000_000
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_LONGEST_WAIT_S: Final = 120.0
_SHOWN: Final = 200
_Model = TypeVar("_Model", bound=BaseModel)


class HttpSource:
    """One service.

    Only GET is ever sent, so asking again changes nothing there: time-outs, broken connections, 429 and 5xx are tried
    again, five times in all, after the pause that the service asks for (``Retry-After``, at most two minutes) or 1, 2, 4
    and 8 seconds. Redirects are not followed: a key could leave for another host.

    Parameters
    ----------
    name
        For messages.
    base_url
        Scheme and host.
    headers
        A key belongs here, never into an address: addresses appear in errors and logs.
    sleep
        Lets time pass between tries.
    """

    def __init__(
        self, name: str, base_url: str, *, headers: Mapping[str, str], sleep: Callable[[float], None]
    ) -> None:
        self.name = name
        self.base = httpx.URL(base_url)
        self._sleep = sleep
        self._client = httpx.Client(
            headers={"User-Agent": "backstop", **headers},
            timeout=httpx.Timeout(30.0, connect=10.0),
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, parameters: Mapping[str, str], shape: type[_Model], what: str) -> _Model:
        """Ask for a path and check the shape of the answer.

        Parameters
        ----------
        path
            Path, or the whole address of a next page, which must lie on the same host.
        what
            What is asked for, for messages.

        Raises
        ------
        DataError
            When there is no usable answer; says why in one sentence.
        """
        url = self.base.join(path)
        if (url.scheme, url.host, url.port) != (self.base.scheme, self.base.host, self.base.port):
            raise DataError(
                [f"{self.name}: {what}: the next page lies on another host, {url.host}; not followed"]
            )
        body = self._patiently(url.copy_merge_params(dict(parameters)), what)
        try:
            return shape.model_validate(json.loads(body))
        except ValueError as error:
            raise DataError([f"{self.name}: {what}: {_shape_text(error, body)}"]) from error

    def _patiently(self, url: httpx.URL, what: str) -> bytes:
        problem = ""
        for attempt in range(MOST_TRIES):
            pause_s = 2.0**attempt
            try:
                status, headers, body = self._once(url, what)
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            else:
                if status < 300:
                    return body
                problem = f"HTTP {status}{_said(body)}"
                if status not in _AGAIN:
                    raise DataError([f"{self.name}: {what}: {problem}{_hint(status)}"])
                pause_s = _retry_after_s(headers.get("retry-after", ""), pause_s)
            if attempt + 1 < MOST_TRIES:
                self._sleep(pause_s)
        raise DataError([f"{self.name}: {what}: no answer in {MOST_TRIES} tries; the last: {problem}"])

    def _once(self, url: httpx.URL, what: str) -> tuple[int, httpx.Headers, bytes]:
        with self._client.stream("GET", url) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise DataError([f"{self.name}: {what}: the answer is longer than {MOST_BYTES:,} bytes"])
            return response.status_code, response.headers, bytes(body)


def _retry_after_s(text: str, otherwise: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return otherwise
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if seconds == seconds else otherwise  # noqa: PLR0124 (NaN)


def _said(body: bytes) -> str:
    """Return the message that a service put into the answer of an error, if it is one of the usual ones."""
    try:
        answer: Any = json.loads(body)
    except ValueError:
        return ""
    while isinstance(answer, dict):
        found = [answer[key] for key in ("description", "error", "message", "chart") if answer.get(key)]
        if not found:
            return ""
        answer = found[0]
    return f": {answer[:_SHOWN]}" if isinstance(answer, str) else ""


def _hint(status: int) -> str:
    if status in {401, 403}:
        return " (is the key right, and does it cover this?)"
    return " (a redirect isn't followed)" if 300 <= status < 400 else ""


def _shape_text(error: ValueError, body: bytes) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"the answer isn't what was expected: {place}: {first['msg']}"
    return f"the answer isn't JSON: it begins with {body[:60].decode(errors='replace')!r}"
