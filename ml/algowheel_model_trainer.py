"""Trains the algo wheel from the TCA database, and promotes the result only if it is proven to be cheaper."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

from core.code_version import code_version
from core.command import run_command
from core.errors import Rejected
from core.exit_codes import ExitCode
from core.vocabulary import ExecutionMethod
from ml.bootstrap_algowheel_model import DEFAULT_PATH, ROOT
from portfolio.algo_wheel.context import feature_rows
from portfolio.algo_wheel.learning import learn
from portfolio.algo_wheel.model import COLUMN, Evidence
from portfolio.algo_wheel.model_file import WheelModel, copy_model, read_model, write_model
from portfolio.algo_wheel.off_policy import ChoiceLog, Estimate, compare
from portfolio.algo_wheel.wheel import admissible_mask
from tca.store import database_path, open_published

LEAST_JUDGED = 100
_TRAINED_SHARE = 0.7
_EPILOG = """examples:
  python -m tca rebuild && python -m ml.algowheel_model_trainer
  python -m ml.algowheel_model_trainer --dry-run      judge only, write nothing

The older 70 % of the orders train the candidate; the newer 30 % judge it against the present model, by a doubly robust
estimate from the logged propensities. It is promoted only when the lower end of the 95 % interval of what it saves is
above zero. What was judged is what is promoted. The present model is kept as *.previous.json.
"""
_QUERY = """
SELECT side, method, propensity, admissible, spread_bps, volatility_bps, adv_share, day_fraction, urgency,
    ((execution + opportunity + fees) / notional)::DOUBLE * 1e4 AS cost
FROM parents
WHERE is_final AND notional > 0 AND purpose IN ('entry', 'exit') AND propensity > 0
    AND spread_bps IS NOT NULL AND volatility_bps IS NOT NULL AND adv_share IS NOT NULL
    AND day_fraction IS NOT NULL AND urgency IS NOT NULL
    AND (propensity < 1 OR len(admissible) = 1)
ORDER BY decided_ns, journal_id, order_ref
"""
# A method that was certain although others were admissible (a safe default) tells nothing about those: left out.


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A candidate, the orders that trained and judged it, and what it saves against the present model."""

    candidate: WheelModel
    trained: int
    judged: int
    saving: Estimate | None

    @property
    def is_better(self) -> bool:
        """Whether it may be promoted."""
        return self.saving is not None and self.saving.low > 0.0


def read_log(connection: duckdb.DuckDBPyConnection) -> ChoiceLog:
    """Read the usable orders of the TCA database, oldest first.

    The cost is that from the arrival mid on (execution, opportunity, fees): the delay before is no method's.
    """
    columns = connection.execute(_QUERY).fetchnumpy()
    known = {str(method) for method in ExecutionMethod}
    usable = np.array(
        [
            method in known and method in set(offered) and set(offered) <= known
            for method, offered in zip(columns["method"], columns["admissible"], strict=True)
        ],
        dtype=np.bool_,
    )
    chosen = {name: np.asarray(values)[usable] for name, values in columns.items()}
    offered = [[ExecutionMethod(one) for one in methods] for methods in chosen["admissible"]]
    return ChoiceLog(
        rows=feature_rows(
            is_sell=chosen["side"] == "SELL",
            spread_bps=chosen["spread_bps"].astype(np.float64),
            volatility_bps=chosen["volatility_bps"].astype(np.float64),
            adv_share=chosen["adv_share"].astype(np.float64),
            day_fraction=chosen["day_fraction"].astype(np.float64),
            urgency=chosen["urgency"].astype(np.float64),
        ),
        mask=admissible_mask(offered),
        methods=np.array([COLUMN[ExecutionMethod(one)] for one in chosen["method"]], dtype=np.int64),
        propensities=chosen["propensity"].astype(np.float64),
        costs=chosen["cost"].astype(np.float64),
    )


def train(log: ChoiceLog, present: WheelModel) -> Trained:
    """Train a candidate on the older orders and judge it on the newer ones."""
    cut = int(len(log) * _TRAINED_SHARE)
    older, newer = log.part(slice(None, cut)), log.part(slice(cut, None))
    evidence = learn(
        Evidence.none(),
        older.rows,
        older.methods,
        older.costs,
        prior_mean=present.prior_mean,
        settings=present.model,
    )
    candidate = replace(
        present,
        evidence=evidence,
        origin={
            "made_by": "training on the TCA database",
            "orders": str(len(older)),
            "code_version": code_version(),
        },
    )
    choices = int((newer.mask.sum(axis=1) > 1).sum())
    saving = None
    if choices >= LEAST_JUDGED:
        saving = compare(
            newer,
            candidate.as_policy().probabilities(newer.rows, newer.mask),
            present.as_policy().probabilities(newer.rows, newer.mask),
            present.model,
        )
    return Trained(candidate=candidate, trained=len(older), judged=choices, saving=saving)


def promote(path: Path, candidate: WheelModel) -> str:
    """Put the candidate in the place of the present model, which is kept beside it; return the new hash."""
    previous = path.with_name(f"{path.stem}.previous{path.suffix}")
    copy_model(path, previous)
    return write_model(path, candidate)


def main(arguments: Sequence[str]) -> int:
    """Train, judge and perhaps promote; returns the exit code."""
    options = _parser().parse_args(arguments)
    path = Path(options.model)
    try:
        present = read_model(path)
        with closing(open_published(options.database)) as connection:
            log = read_log(connection)
    except FileNotFoundError as error:
        hint = "" if "tca" in str(error) else ": python -m ml.bootstrap_algowheel_model makes the first one"
        print(f"{error}{hint}", file=sys.stderr)
        return ExitCode.USAGE
    except (Rejected, duckdb.Error) as error:
        print(error, file=sys.stderr)
        return ExitCode.INTERNAL_ERROR
    outcome = train(log, present)
    print(
        f"{len(log):,} usable orders: {outcome.trained:,} trained, {outcome.judged:,} of the rest had a choice"
    )
    if outcome.saving is None:
        print(
            f"not judged: at least {LEAST_JUDGED} newer orders with a choice are needed. The present model stays."
        )
        return ExitCode.CLEAN
    saving = outcome.saving
    print(
        f"saves {saving.value:+.3f} bps an order (95 %: {saving.low:+.3f} to {saving.high:+.3f}), "
        f"from {saving.effective_orders:,.0f} effective orders"
    )
    if not outcome.is_better:
        print("not proven to be cheaper: the present model stays")
    elif options.dry_run:
        print("it would be promoted")
    else:
        digest = promote(path, outcome.candidate)
        print(f"promoted: {path}, SHA-256 {digest[:16]}")
    return ExitCode.CLEAN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml.algowheel_model_trainer",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=database_path(ROOT / "results"),
        metavar="FILE",
        help="the published TCA database",
    )
    parser.add_argument("--model", type=Path, default=DEFAULT_PATH, metavar="FILE", help="the present model")
    parser.add_argument("--dry-run", action="store_true", help="judge, but promote nothing")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main, sys.argv[1:]))
