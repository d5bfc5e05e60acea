"""The journal: an append-only, hash-chained log of everything that the state is made of.

One process writes a journal; any other may read it meanwhile. ``python -m core.journal verify FILE`` checks one.
"""

from core.journal.chain import GENESIS, Head, Record
from core.journal.reader import VerifyResult, read, verify
from core.journal.writer import Journal, set_aside

__all__ = ["GENESIS", "Head", "Journal", "Record", "VerifyResult", "read", "set_aside", "verify"]
