#!/usr/bin/env bash
# Makes or refreshes .venv from the locked, hashed requirements. Does nothing when it is up to date.
#   scripts/setup_env.sh runtime    what the daemon and a plain backtest need
#   scripts/setup_env.sh research   that, and what search, reports, training and the nightly flow need
#   scripts/setup_env.sh dev        that, and what the tests and linters need
#   scripts/setup_env.sh peers | peers-nautilus   whom `make bench` measures against, each in .venv-<kind>
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

kind=${1:-runtime}
venv=.venv
case "$kind" in
    runtime) lock=requirements.lock ;;
    research) lock=requirements-research.lock ;;
    dev) lock=requirements-dev.lock ;;
    peers | peers-nautilus) lock=requirements-$kind.lock venv=.venv-$kind ;;
    *) echo "setup_env.sh: '$kind' is none of 'runtime', 'research', 'dev', 'peers' and 'peers-nautilus'" >&2; exit 2 ;;
esac

suitable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${BACKSTOP_PYTHON:+"$BACKSTOP_PYTHON"} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && suitable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    echo "Backstop needs Python 3.11, 3.12 or 3.13 with venv. Install one, or set BACKSTOP_PYTHON to its path." >&2
    exit 2
}

digest() { cksum <"$1"; }
is_current() { [[ -f "$venv/.installed-$1" && "$(cat "$venv/.installed-$1")" == "$(digest "$2")" ]]; }

if [[ -x $venv/bin/python ]]; then
    # Each set contains the smaller ones.
    if is_current "$kind" "$lock" || is_current dev requirements-dev.lock; then exit 0; fi
    if [[ $kind == runtime ]] && is_current research requirements-research.lock; then exit 0; fi
fi

mkdir -p state
exec 9>state/setup.lock
flock 9   # two terminals may start at once
[[ -x $venv/bin/python ]] && is_current "$kind" "$lock" && exit 0
trap 'echo "setup_env.sh: interrupted; the next start goes on with it." >&2; exit 130' INT
# An interrupted set-up may leave an environment without pip.
if ! suitable "$venv/bin/python" || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "Making $venv (once; about a minute) ..." >&2
    rm -rf "$venv"
    python=$(find_python)
    "$python" -m venv "$venv"
fi
echo "Installing $lock into $venv (a minute or two) ..." >&2
# The lock is complete; without --no-deps older pips take "name[extra]" of another package for something that is not pinned.
if ! "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r "$lock"; then
    echo "setup_env.sh: installing $lock failed; the lines above say why. Run it again once that is mended." >&2
    exit 2
fi
digest "$lock" >"$venv/.installed-$kind"
