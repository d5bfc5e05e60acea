"""The steps that judge and train. What they know of it is the commands of ``ml`` and ``governance``; those decide and promote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from core.atomic_file import write_atomic
from core.errors import RetryLater
from core.exit_codes import ExitCode
from data.exchange_calendar import ExchangeCalendar
from prefect_flows.night import Night
from tca.store import database_path

NOTES_NAME: Final = "nightly/models.json"
"""Below ``paths.control``: for which week or month each model was trained last."""
_REFUSED: Final = 1


class TrainingFailed(RetryLater):
    """What was called ended with an error; its own words stand above."""


def drift(night: Night) -> str:
    """Measure the drift of the vetoes in use; what follows from it (warn, halve, stop) `ml.drift` does.

    It can be repeated: `ml.drift` itself knows on which bars each strategy was judged last, and counts none of them twice.

    Raises
    ------
    TrainingFailed
        When a strategy's can't be measured; the others' have been.
    """
    source = night.settings.nightly.training_source
    if not source:
        return "not measured: nightly.training_source names no bars of the traded size"
    from ml.drift.command import main  # noqa: PLC0415 (only where there is something to measure)

    journal = night.loaded.folders.state / "main.db"
    arguments = ["--config", str(night.loaded.path), "--data", source]
    arguments += ["--journal", str(journal)] if journal.is_file() else []
    if main(arguments) != ExitCode.CLEAN:
        raise TrainingFailed("the drift of at least one strategy can't be measured, see above")
    return "measured, see above"


def retrain(night: Night) -> str:
    """Train what is due: the algo wheel at a week's last session, the vetoes at a month's.

    Raises
    ------
    TrainingFailed
        When a trainer fails; a candidate that was refused is no failure.
    """
    if night.settings.nightly.retrain == "off":
        return "off (nightly.retrain)"
    noted = _read(_notes(night))
    told = []
    for name, (period, trainer) in _trainers(night).items():
        if not is_due(period, night.session.date, night.calendar, noted.get(name)):
            told.append(f"{name}: not due")
            continue
        text, was_trained = trainer()
        told.append(f"{name}: {text}")
        if was_trained:
            noted[name] = period(night.session.date)
            _write(_notes(night), noted)
    return "; ".join(told)


def probation(night: Night) -> str:
    """Judge promoted parameters that are on probation by main's journal: release them, roll them back, or wait.

    Raises
    ------
    TrainingFailed
        When they can't be judged.
    """
    from governance.command import CLEAN, REFUSED, main  # noqa: PLC0415

    code = main(["--probation", "--config", str(night.loaded.path)])
    if code not in {CLEAN, REFUSED}:
        raise TrainingFailed("probations can't be judged, see above")
    return (
        "looked at; what was found stands above"
        if code == CLEAN
        else "FAILED ITS PROBATION and was rolled back, see above"
    )


Period = Callable[[date], int]
Trainer = Callable[[], tuple[str, bool]]


def week(day: date) -> int:
    """Return the number of a day's week, Monday to Sunday, counted without gaps."""
    return (day.toordinal() - 1) // 7


def month(day: date) -> int:
    """Return the number of a day's month, counted without gaps."""
    return day.year * 12 + day.month - 1


def is_due(period: Period, day: date, calendar: ExchangeCalendar, last: int | None) -> bool:
    """Whether a model is to be trained on a session.

    Due at the last session of each period, on the first night ever, and later if that night was missed.

    Parameters
    ----------
    period
        `week` or `month`.
    last
        Period for which it was trained last.
    """
    now = period(day)
    if last is None or last < now - 1:
        return True
    session = calendar.session_on(day)
    following = calendar.next_session(session.close_ns) if session is not None else None
    ends = following is None or period(following.date) > now
    return last < now and ends


def _trainers(night: Night) -> Mapping[str, tuple[Period, Trainer]]:
    trainers: dict[str, tuple[Period, Trainer]] = {"algo wheel": (week, lambda: _train_wheel(night))}
    for strategy in night.settings.strategies:
        if strategy.enabled and night.settings.nightly.training_source:
            trainers[f"veto of {strategy.name}"] = (month, _veto_trainer(night, strategy.name))
    return trainers


def _train_wheel(night: Night) -> tuple[str, bool]:
    from ml.algowheel_model_trainer import main  # noqa: PLC0415 (only where it is due)

    database = database_path(night.loaded.folders.results)
    model = night.loaded.root / night.settings.execution.wheel.model  # main's
    if not model.is_file():
        first = f"python -m ml.bootstrap_algowheel_model --output {model}"
        return f"there is no model to train: {first} makes the first one", False
    if not database.is_file():
        return "nothing to train on: no order has been traded yet", False
    if main(["--database", str(database), "--model", str(model)]) != ExitCode.CLEAN:
        raise TrainingFailed("the algo wheel's trainer failed, see above")
    return "the trainer has run; its verdict stands above", True


def _veto_trainer(night: Night, strategy: str) -> Trainer:
    def run() -> tuple[str, bool]:
        from ml.ml_model_trainer import main  # noqa: PLC0415

        source = night.settings.nightly.training_source
        code = main(["--config", str(night.loaded.path), "--strategy", strategy, "--data", source])
        if code not in {ExitCode.CLEAN, _REFUSED}:
            raise TrainingFailed(f"the trainer of {strategy}'s veto failed, see above")
        return ("passed" if code == ExitCode.CLEAN else "refused") + ", see above", True

    return run


def _notes(night: Night) -> Path:
    return night.loaded.folders.control / NOTES_NAME


def _read(path: Path) -> dict[str, int]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): int(number) for name, number in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # training once more than needed does no harm


def _write(path: Path, noted: Mapping[str, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(dict(noted), sort_keys=True).encode() + b"\n", mode=0o644)
