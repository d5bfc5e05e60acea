"""The model card: one page that says what a model is for, what it was trained on and what it was worth.

After M. Mitchell et al., "Model Cards for Model Reporting", 2019.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ml.entries import Entries
from ml.evaluation import Figures, OutOfSample
from performance.tear_sheet.figure import Figure, line, times_of
from performance.tear_sheet.page import Page, Section, Table, Text, Tile, Tiles, render
from performance.tear_sheet.words import count, money, number, percent
from portfolio.veto.manifest import Manifest
from portfolio.veto.model import VetoModel


def card_bytes(
    manifest: Manifest,
    model: VetoModel,
    entries: Entries,
    found: Mapping[str, OutOfSample],
    figures: Mapping[str, Figures],
) -> bytes:
    """Compose the page."""
    strategy = manifest.signals.strategy
    sections = [
        Section(
            title="Verdict",
            blocks=[
                _tiles(manifest, figures["best"]),
                Text(
                    paragraphs=[
                        f"{'Passed' if manifest.passed else 'Refused'}: {manifest.verdict}.",
                        (
                            "An entry is vetoed when the probability that it earns more than it costs is below the threshold. "
                            "It is asked of entries only; exits and stops are never held up."
                        ),
                    ]
                ),
                _saved(found["best"]),
                _ways(figures),
            ],
        ),
        Section(title="Forecasts", blocks=[_calibration(found["best"])]),
        Section(title="Model", blocks=[_features(manifest, model, entries), _facts(manifest, entries)]),
    ]
    page = Page(
        title=f"Veto of {strategy}",
        subtitle=f"{manifest.kind}, trained on {manifest.training.source}, made {manifest.made}",
        sections=sections,
        footer="Past figures of a model say little about its future. Out of sample means: judged on entries after its training.",
    )
    return render(page).encode()


def _tiles(manifest: Manifest, best: Figures) -> Tiles:
    gain = best.gain
    return Tiles(
        tiles=[
            Tile(
                name="Saved against approving all",
                value=money(gain.value),
                hint=f"95 %: {money(gain.low)} to {money(gain.high)}",
            ),
            Tile(name="Entries judged", value=count(best.entries), hint=f"{best.vetoed} of them vetoed"),
            Tile(
                name="Brier score",
                value=number(best.brier, 3),
                hint=f"{number(best.brier_of_base, 3)} by the share of winners alone",
            ),
            Tile(name="AUC", value=number(best.auc, 3), hint="0.5 is chance"),
            Tile(name="May be used", value="yes" if manifest.passed else "no"),
        ]
    )


def _ways(figures: Mapping[str, Figures]) -> Table:
    rows = [
        [
            name,
            count(one.vetoed),
            money(one.earned_by_all),
            money(one.earned),
            money(one.gain.value),
            f"{money(one.gain.low)} to {money(one.gain.high)}",
            number(one.brier, 4),
            number(one.calibration_error, 3),
            number(one.auc, 3),
        ]
        for name, one in figures.items()
    ]
    return Table(
        title="Out of sample",
        columns=[
            "chosen",
            "vetoed",
            "approving all earned",
            "with vetoes",
            "saved",
            "95 % interval",
            "Brier",
            "calibration error",
            "AUC",
        ],
        rows=rows,
        note="best: the kind with the smaller loss on held-out entries of each training. It alone decides.",
    )


def _saved(found: OutOfSample) -> Figure:
    saved = np.where(found.approved, 0.0, -found.entries.earned).cumsum()
    moments = times_of(found.entries.decided_ns.astype("datetime64[ns]"))
    return Figure(
        title="Saved by vetoes so far, dollars",
        traces=[line(moments, saved, "saved", "@equity", hover=",.0f")],
        layout={"showlegend": False},
        note="Below zero the vetoes have cost money.",
    )


def _calibration(found: OutOfSample) -> Table:
    place = np.minimum((found.probabilities * 10).astype(np.int64), 9)
    rows = []
    for bin_ in range(10):
        chosen = place == bin_
        if chosen.any():
            rows.append(
                [
                    f"{bin_ / 10:.1f} to {(bin_ + 1) / 10:.1f}",
                    count(int(chosen.sum())),
                    percent(float(found.probabilities[chosen].mean())),
                    percent(float(found.entries.won[chosen].mean())),
                    money(float(found.entries.earned[chosen].mean())),
                ]
            )
    return Table(
        title="Forecast and outcome",
        columns=["probability", "entries", "forecast", "won", "earned on average"],
        rows=rows,
        note="Well calibrated is what wins as often as forecast.",
    )


def _features(manifest: Manifest, model: VetoModel, entries: Entries) -> Table:
    moved = np.array(
        [[dict(model.contributions(row))[name] for name in model.features] for row in entries.rows[:500]]
    )
    size = np.abs(moved).mean(axis=0)
    versions = manifest.versions
    rows = [
        [
            model.features[place],
            str(versions[model.features[place]]),
            number(float(size[place]), 3),
            number(float(model.usual[place]), 4),
        ]
        for place in np.argsort(-size, kind="stable")
    ]
    return Table(
        title="Features",
        columns=["name", "version", "moves the log odds by", "usual value"],
        rows=rows,
        note="Mean over the training set's first 500 entries, against the feature at its usual value.",
    )


def _facts(manifest: Manifest, entries: Entries) -> Table:
    training, signals = manifest.training, manifest.signals
    parameters = ", ".join(f"{name} {value}" for name, value in signals.parameters.items())
    left = ", ".join(f"{number_} because {why}" for why, number_ in entries.left_out.items()) or "none"
    rows = [
        ["signals", f"{signals.strategy} ({parameters}), bars of {signals.bar_size_s} s"],
        ["stop", f"{signals.stop_atr_multiple:g} x ATR({signals.atr_window})"],
        ["symbols", ", ".join(training.symbols)],
        ["entries", f"{training.entries}, {training.first} to {training.last}; left out: {left}"],
        ["data SHA-256", training.data_sha256],
        ["seed", str(training.seed)],
        ["code", manifest.code_version],
        ["libraries", ", ".join(f"{name} {text}" for name, text in manifest.libraries.items())],
    ]
    return Table(title="Training", columns=["", ""], rows=rows)
