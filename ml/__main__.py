"""``python -m ml``: the registry of veto models, and what the veto has saved or cost."""

from __future__ import annotations

import sys

from ml.commands import main

sys.exit(main(sys.argv[1:]))
