"""ibapi's own encoder, without its connection: each request becomes one frame.

``EClient`` writes to whatever its ``sendMsg`` does and reports a mistake by calling its wrapper's ``error``. Here
the first keeps the frame and the second raises.
"""

from __future__ import annotations

import threading
from typing import Any

from ibapi.client import EClient

from core.errors import Rejected
from core.ib_wrapper.wire import frame


class _RaiseErrors:
    """Stands where ``EClient`` expects a wrapper."""

    def error(self, request_id: int, code: int, text: str) -> None:
        """Turn ibapi's complaint about a request into an exception."""
        raise Rejected(f"ibapi refuses request {request_id}: {text.strip()} ({code})")


class Encoder(EClient):  # type: ignore[misc]
    """Gives the frame of a request; safe to use from several threads at once.

    Parameters
    ----------
    server_version
        Version that was negotiated; ibapi leaves out the fields that the server doesn't know.
    """

    def __init__(self, server_version: int) -> None:
        self._frames = threading.local()
        super().__init__(_RaiseErrors())
        self.serverVersion_ = server_version

    def isConnected(self) -> bool:  # noqa: N802 (ibapi's name)
        """Tell ``EClient`` to go on and encode."""
        return True

    def logRequest(self, fnName: str, fnParams: dict[str, Any]) -> None:  # noqa: N802, N803 (ibapi's names)
        """Log nothing: what is sent stands in the journal."""

    def sendMsg(self, msg: str) -> None:  # noqa: N802 (ibapi's name)
        """Keep the frame for ``encode``."""
        self._frames.last = frame(msg)

    def encode(self, request: str, *arguments: object) -> bytes:
        """Frame of the ``EClient`` method ``request`` called with ``arguments``.

        Raises
        ------
        Rejected
            If ibapi refuses the arguments (characters that aren't ASCII, a field the server doesn't know).
        """
        self._frames.last = None
        try:
            getattr(self, request)(*arguments)
        except (ValueError, AttributeError, TypeError) as error:
            raise Rejected(f"{request} can't be encoded: {error}") from error
        encoded: bytes | None = self._frames.last
        if encoded is None:
            raise Rejected(f"{request} gave no message")
        return encoded
