"""What other users of the machine may do with files of ours."""

from __future__ import annotations

import os

_NOT_WRITABLE_BY_OTHERS = 0o022


def keep_others_from_writing() -> None:
    """See to it that files and folders made from now on are writable by their owner alone, whatever the shell's umask.

    Files that hold anything worth hiding are made with mode 0600 where they are made; heartbeats and flags may be read.
    """
    os.umask(os.umask(0o077) | _NOT_WRITABLE_BY_OTHERS)
