"""Keeps secrets out of logs and journals by the names of their keys."""

from __future__ import annotations

import re

REDACTED = "[not shown]"
_SECRET = re.compile(
    r"(^|_)(password|passwd|passphrase|secret|token|credential|authorization|cookie|hmac|(api|ipc|private|access)_?key)s?($|_)",
    re.IGNORECASE,
)


def redact(key: str, value: object) -> object:
    """``value``, or a placeholder when ``key`` names a secret (``ipc_key``, ``password``, ``api_token`` ...)."""
    return REDACTED if _SECRET.search(key) else value
