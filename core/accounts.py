"""What an account's name tells about it."""

from __future__ import annotations

PAPER_PREFIX = "D"
"""IB's paper accounts begin with DU (or DF for advisers)."""


def is_account_of(mode: str, account: str) -> bool:
    """Whether an account may be acted on in ``mode``: a paper account in paper mode, a real one in live mode."""
    return account.startswith(PAPER_PREFIX) == (mode == "paper")
