#!/usr/bin/env bash
# Starts Backstop, or asks about a running one. This file checks the options and makes the environment;
# scripts/supervise.py starts and watches the processes.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'EOF'
Usage: ./run_system.sh [--paper [PAPER OPTIONS]] [--config FILE] [--plain]
       ./run_system.sh --status | --stop | --rearm "REASON" [--abandon-kill] | --summary | --help

Without an option: connects main.py and risk_monitor.py to the broker named in config.yaml (an IB Gateway or
TWS) and runs until Ctrl-C or --stop.

  --paper             start the embedded paper gateway too, replay real prices through it, end with a summary
  --config FILE       another configuration than config.yaml; its folder holds flags/, state/, logs/, results/
  --plain             plain lines instead of the panel (the default when the output is no terminal)

Paper options:
  --sessions N        exchange sessions to replay (default 20)
  --speed X|max       market seconds per wall second (default max: as fast as nothing is lost)
  --symbols A,B       symbols to trade (default: universe.symbols of the configuration, or all of --data)
  --start DATE        first session, YYYY-MM-DD (default 2012-10-01; of your own bars up to 63 are kept as history)
  --data FOLDER       your own bars, CSV or Parquet, one file a symbol (default: packaged daily prices)
  --seed N            seed of the simulated paths inside the bars
  --cash AMOUNT       opening cash of the paper account (default 1000000)
  --port N            port of the gateway (default: a free one)
  --fill-model M      tape (default): orders meet the simulated path; bar: as a backtest over the bars assumes, at
                      the next bar's open or at the stop, with the costs of section backtest (docs/parity.md)

About a running or stopped system:
  --status            what runs, and which flags stand (exit code 3 when one does)
  --stop              stop gracefully, as Ctrl-C does
  --rearm "REASON"    after a kill: record who re-arms and why, archive the flags; refused while the system runs, or
                      while a kill has not ended (start without options: the watchdog completes it, exit code 3)
  --abandon-kill      with --rearm: re-arm although a kill has not ended; nobody will complete it
  --summary           print the summary of the latest run again

Exit codes: 0 clean, 1 internal error, 2 wrong configuration or usage, 3 halted or killed during the run,
4 refused to start because a kill flag stands, 5 already running, 6 refused by the broker.
EOF
}

wrong() {
    printf 'run_system.sh: %s\nTry ./run_system.sh --help\n' "$1" >&2
    exit 2
}

# Only the spelling is checked here, before anything is installed; the values are checked by supervise.py.
expects_value=''
for argument in "$@"; do
    if [[ -n $expects_value ]]; then
        expects_value=''
        continue
    fi
    case $argument in
        -h | --help) usage; exit 0 ;;
        --paper | --plain | --status | --stop | --summary | --abandon-kill) ;;
        --config | --sessions | --speed | --symbols | --start | --data | --seed | --cash | --port | --fill-model | --rearm)
            expects_value=$argument ;;
        --config=* | --sessions=* | --speed=* | --symbols=* | --start=* | --data=* | --seed=* | --cash=* | --port=* | --fill-model=* | --rearm=*) ;;
        *) wrong "unknown option '$argument'" ;;
    esac
done
[[ -z $expects_value ]] || wrong "$expects_value needs a value"

"$root/scripts/setup_env.sh" runtime
# -P keeps a package of the caller's folder from shadowing one of ours.
export PYTHONPATH=$root
exec "$root/.venv/bin/python" -P -m scripts "$@"
