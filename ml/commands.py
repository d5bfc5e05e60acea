"""The registry's commands: list, show, promote, rollback; and veto-report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.config_loader import LoadedSettings, load_settings
from core.errors import BackstopError, ConfigError
from core.exit_codes import ExitCode
from data.bar_table import DataError
from ml.registry.writer import listed, promote, roll_back
from portfolio.veto.manifest import CARD_FILE
from portfolio.veto.store import read_file, read_version

ROOT = Path(__file__).resolve().parent.parent
_EPILOG = """examples:
  python -m ml list                                        every model, and which one is in use
  python -m ml show momentum 0003                          its figures, and where its card is
  python -m ml promote momentum 0003                       put it to use; main takes it up by itself
  python -m ml rollback momentum                           back to the one before
  python -m ml veto-report --journal state/main.db --data bars

A model is made by python -m ml.ml_model_trainer. One that was refused there can't be promoted.
"""


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        loaded = load_settings(options.config, os.environ)
        folder = options.registry or loaded.root / loaded.settings.veto.models
        if options.command == "list":
            _list(folder)
        elif options.command == "show":
            _show(folder / options.strategy, options.version)
        elif options.command == "promote":
            promote(folder / options.strategy, options.version)
            print(f"{options.strategy} {options.version} is in use")
        elif options.command == "rollback":
            version = roll_back(folder / options.strategy)
            print(f"{options.strategy} {version} is in use" if version else "no model is in use any more")
        else:
            _report(options, loaded)
    except (ConfigError, DataError) as error:
        print("\n".join(error.problems), file=sys.stderr)
        return ExitCode.USAGE
    except (BackstopError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return ExitCode.INTERNAL_ERROR
    return ExitCode.CLEAN


def _list(folder: Path) -> None:
    strategies = sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    rows = [(name, one) for name in strategies for one in listed(folder / name)]
    if not rows:
        print(f"{folder}: no models; python -m ml.ml_model_trainer makes them")
        return
    print(f"{'strategy':<20}{'version':<9}{'kind':<10}{'made':<27}{'state':<9} verdict")
    for name, one in rows:
        if one.manifest is None:
            print(f"{name:<20}{one.version:<9}{'-':<10}{'-':<27}{'damaged':<9} {one.problem}")
            continue
        state = "in use" if one.in_use else ("passed" if one.manifest.passed else "refused")
        print(
            f"{name:<20}{one.version:<9}{one.manifest.kind:<10}{one.manifest.made:<27}{state:<9} {one.manifest.verdict}"
        )


def _show(own: Path, version: str) -> None:
    loaded = read_version(own, version)
    manifest = loaded.manifest
    read_file(own, version, manifest, CARD_FILE)
    training = manifest.training
    print(
        f"{manifest.signals.strategy} {version}: {manifest.kind}, made {manifest.made}, code {manifest.code_version}"
    )
    print(f"{'passed' if manifest.passed else 'refused'}: {manifest.verdict}")
    print(f"signals    {manifest.signals.parameters}, bars of {manifest.signals.bar_size_s} s")
    print(f"training   {training.source}: {training.entries} entries, {training.first} to {training.last}")
    print(f"features   {', '.join(f'{one.name} v{one.version}' for one in manifest.features)}")
    print(f"threshold  {loaded.model.threshold:.4f}")
    for name, value in manifest.metrics.items():
        print(f"  {name:<20}{'-' if value is None else f'{value:,.4f}'}")
    print(f"manifest SHA-256 {loaded.manifest_sha256}\ncard: {own / version / CARD_FILE}")


def _report(options: argparse.Namespace, loaded: LoadedSettings) -> None:
    from ml.shadow import shadow_text, shadows_of  # noqa: PLC0415 (loads scikit-learn, which the others don't need)

    shadows = shadows_of(options.journal, options.data, loaded.settings, run_id=options.run)
    print(shadow_text(shadows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ml",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("list", "every model"),
        ("show", "one model"),
        ("promote", "put a model that passed to use"),
        ("rollback", "go back to the model before"),
        ("veto-report", "what vetoed entries would have earned"),
    ):
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument(
            "--config", type=Path, default=ROOT / "config.yaml", help="configuration (%(default)s)"
        )
        one.add_argument("--registry", type=Path, metavar="FOLDER", help="veto.models of the configuration")
        if name in {"show", "promote", "rollback"}:
            one.add_argument("strategy")
        if name in {"show", "promote"}:
            one.add_argument("version")
        if name == "veto-report":
            one.add_argument("--journal", type=Path, required=True, metavar="FILE", help="main's journal")
            one.add_argument(
                "--data",
                type=Path,
                required=True,
                metavar="FOLDER",
                help="bars of the traded size, after the vetoes too",
            )
            one.add_argument("--run", metavar="ID", help="one run of the journal (all)")
    return parser
