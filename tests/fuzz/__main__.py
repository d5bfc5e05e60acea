"""``python -m tests.fuzz``: coverage-guided fuzzing of each parser, one process at a time; ``make fuzz``."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import TARGETS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
_LONGEST_INPUT = 4_096
_MEMORY_MB = 1_500
_HANG_S = 20
EPILOG = """examples:
  make fuzz                                  a minute in all (FUZZ_SECONDS=600 for longer)
  python -m tests.fuzz --only config --seconds 300
what it finds is kept in results/fuzz/<target>/; a crash, a hang or too much memory under tests/fuzz/crashes/, which the tests play
"""


def main(arguments: list[str]) -> int:
    """Fuzz; returns 1 when something was found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = float(os.environ.get("FUZZ_SECONDS", "60"))
    parser.add_argument(
        "--seconds", type=float, default=default, help="in all (%(default)s; also FUZZ_SECONDS)"
    )
    parser.add_argument("--only", nargs="+", choices=tuple(TARGETS), default=list(TARGETS), metavar="TARGET")
    options = parser.parse_args(arguments)
    if find_spec("atheris") is None:
        print("atheris is not installed: it is there for Linux on x86-64 (make setup-dev)", file=sys.stderr)
        return 2
    each = max(1, round(options.seconds / len(options.only)))
    found = [name for name in options.only if not _fuzz(name, each)]
    print(f"found something in: {', '.join(found)}" if found else "nothing was found")
    return 1 if found else 0


def _fuzz(name: str, seconds: int) -> bool:
    """Fuzz one target; whether all was well."""
    kept, crashes = ROOT / "results" / "fuzz" / name, HERE / "crashes" / name
    kept.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    command = [
        sys.executable, "-m", "tests.fuzz.run", name, str(kept), str(HERE / "corpus" / name),
        f"-max_total_time={seconds}", f"-max_len={_LONGEST_INPUT}", f"-rss_limit_mb={_MEMORY_MB}",
        f"-timeout={_HANG_S}", f"-artifact_prefix={crashes}/", "-print_final_stats=1",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    runs = re.search(r"number_of_executed_units:\s+(\d+)", said)
    memory = re.search(r"peak_rss_mb:\s+(\d+)", said)
    covered = re.findall(r"cov: (\d+)", said)
    fresh = sorted(path.name for path in set(crashes.iterdir()) - before)
    ok = done.returncode == 0 and not fresh
    count = f"{int(runs[1]):,}" if runs else "?"
    state = "ok" if ok else f"FAILED: {', '.join(fresh) or f'ended with {done.returncode}'}"
    print(
        f"{name:<16} {count:>10} inputs  {covered[-1] if covered else '?':>6} edges"
        f"  {memory[1] if memory else '?':>5} MB  {state}",
        flush=True,
    )
    if not ok:
        print("\n".join(said.splitlines()[-40:]), file=sys.stderr)
    if not any(crashes.iterdir()):
        crashes.rmdir()
    return ok


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
