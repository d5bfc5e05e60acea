"""``python -m tests.chaos.document``: put the table of ``results/chaos.json`` into ``docs/reliability.md``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.chaos.report import markdown

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- begin: results -->\n", "<!-- end: results -->"


def with_table(page: str, table: str) -> str:
    """Return the page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the page lacks the marks {BEGIN.strip()} and {END}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> int:
    """Rewrite the page."""
    results, path = ROOT / "results" / "chaos.json", ROOT / "docs" / "reliability.md"
    if not results.exists():
        print(f"there is no {results}: run `make chaos` first", file=sys.stderr)
        return 2
    path.write_text(with_table(path.read_text(), markdown(json.loads(results.read_text()))))
    print(f"written to {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
