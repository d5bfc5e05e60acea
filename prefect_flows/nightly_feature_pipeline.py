"""The nightly flow. As a script it runs without Prefect; Prefect finds here the same steps as a flow of tasks.

The flow is thin: a task runs one step of `prefect_flows.steps`, with the retries, the record and the words that it has as a
plain script as well.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

if __name__ == "__main__":
    from core.command import run_command

    stopped = "stopped; the next run begins again"
    sys.exit(run_command("prefect_flows.command", sys.argv[1:], when_stopped=stopped))

from prefect_flows.environment import PROJECT, prepare

prepare()

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from core.errors import AlreadyRunning, ConfigError
from core.exit_codes import ExitCode
from prefect_flows.night import Night, Outcome, State, Step, run_step
from prefect_flows.plain import locked_night
from prefect_flows.steps import STEPS


class NightFailed(RuntimeError):
    """At least one step failed; the text names them."""


@task(task_run_name="{name}", cache_policy=NO_CACHE, persist_result=False)
def one_step(name: str, step: Step, night: Night) -> Outcome:
    """Run one step; its failure is the task's."""
    logger = get_run_logger()
    outcome = run_step(step, night, logger.info)
    if outcome.state is State.FAILED:
        raise NightFailed(f"{name}: {outcome.text}")
    return outcome


@flow(name="nightly", persist_result=False, validate_parameters=True)
def nightly_feature_pipeline(
    session: date | None = None,
    source: str | None = None,
    config: str = str(PROJECT / "config.yaml"),
    replace: bool = False,
) -> dict[str, str]:
    """Run one night's work; returns each step's outcome in words.

    Parameters
    ----------
    session
        Session to work on; None for the newest that is over and has bars.
    source
        Where bars come from; None for ``nightly.source``.
    config
        The configuration file.
    replace
        Whether the store may go back to an earlier session.

    Raises
    ------
    NightFailed
        When a step failed. The others were run as far as they don't need it.
    """
    with locked_night(Path(config), session, source, replace=replace) as night:
        for name, step in STEPS.items():
            one_step(name, step, night, return_state=True)
        if night.exit_code != ExitCode.CLEAN:
            failed = [one.name for one in night.outcomes.values() if one.state is State.FAILED]
            raise NightFailed(f"failed: {', '.join(failed)}; exit code {night.exit_code:d}")
        return {name: outcome.text for name, outcome in night.outcomes.items()}


def run_flow(config: Path, day: date | None, source: str | None, *, replace: bool) -> ExitCode:
    """Run the flow in this process, with a server if there is one and a temporary one otherwise; returns the exit code."""
    try:
        nightly_feature_pipeline(day, source, str(config), replace)
    except NightFailed as error:
        print(error, file=sys.stderr)
        return ExitCode(int(str(error).rpartition(" ")[2]))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    except AlreadyRunning as error:
        print(f"already running: {error}", file=sys.stderr)
        return ExitCode.ALREADY_RUNNING
    return ExitCode.CLEAN
