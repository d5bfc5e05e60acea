"""What ``--set`` may not do, the environment may not either: a promotion is judged on what main trades, where main looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.kernel import PROJECT_ROOT
from governance.command import main as command
from governance.command import make_parser
from governance.overrides import refused_overrides

PROMOTE = ("--strategy", "momentum")
DRY = (*PROMOTE, "--dry-run")


def refused(words: tuple[str, ...], *overrides: str, environ: dict[str, str] | None = None) -> list[str]:
    changes = [word for one in overrides for word in ("--set", one)]
    return refused_overrides(make_parser().parse_args([*words, *changes]), environ or {})


@pytest.mark.parametrize(
    "change",
    [
        "backtest.half_spread_bps=0",
        "sizing.risk_per_trade=0.5",
        "backtest={cash: 1000, half_spread_bps: 0}",
        "BACKTEST.HALF_SPREAD_BPS=0",
        "backtest__half_spread_bps=0",
        "strategies.0.weight=1",
    ],
)
def test_a_promotion_takes_no_override_from_either_side(change: str):
    key, _equals, value = change.partition("=")
    variable = f"BACKSTOP__{key.upper().replace('.', '__')}"
    assert "add --dry-run" in refused(PROMOTE, change)[0]
    (said,) = refused(PROMOTE, environ={variable: value})
    assert said.startswith(f"environment {variable}: add --dry-run")
    assert refused(DRY, change, environ={variable: value}) == []


def test_the_cash_is_free_and_every_other_variable_is_named():
    free = {"BACKSTOP__BACKTEST__CASH": "1000", "BACKSTOP_IPC_KEY": "x", "HOME": "/"}
    assert refused(PROMOTE, "backtest.cash=1000", environ=free) == []
    said = refused(
        PROMOTE, environ=free | {"BACKSTOP__MODE": "paper", "BACKSTOP__BACKTEST__COMMISSION": "none"}
    )
    assert [one.split()[1] for one in said] == ["BACKSTOP__BACKTEST__COMMISSION:", "BACKSTOP__MODE:"]


@pytest.mark.parametrize(
    "change",
    [
        "paths.control=/tmp/x",
        "PATHS.CONTROL=/tmp/x",
        "paths__control=/tmp/x",
        "paths={control: /tmp/x}",
        "path\u017f.control=/tmp/x",  # a long s, which is an S in capitals
    ],
)
def test_no_recalibration_has_other_folders_not_even_a_dry_run(change: str):
    key, _equals, value = change.partition("=")
    environ = {f"BACKSTOP__{key.upper().replace('.', '__')}": value}
    for words in (PROMOTE, DRY):
        assert "the folders are those of the configuration" in refused(words, change)[0]
        assert "the folders are those of the configuration" in refused(words, environ=environ)[0]
    rollback = ("--rollback", "momentum", "--reason", "x")
    assert "the folders are those of the configuration" in refused(rollback, environ=environ)[0]
    assert refused(("--probation",), environ=environ) == []


def test_the_command_refuses_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in ("config.yaml", "validation_mandate.yaml"):
        (tmp_path / name).write_bytes((PROJECT_ROOT / name).read_bytes())
    here = ["--config", str(tmp_path / "config.yaml")]
    monkeypatch.setenv("BACKSTOP__PATHS__CONTROL", str(tmp_path / "elsewhere"))
    assert command([*DRY, *here]) == 2
    assert command(["--rollback", "momentum", "--reason", "x", *here]) == 2
    assert "environment BACKSTOP__PATHS__CONTROL: the folders" in capsys.readouterr().err
    monkeypatch.delenv("BACKSTOP__PATHS__CONTROL")
    monkeypatch.setenv("BACKSTOP__BACKTEST__HALF_SPREAD_BPS", "0")
    assert command([*PROMOTE, *here]) == 2
    assert "environment BACKSTOP__BACKTEST__HALF_SPREAD_BPS: add --dry-run" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", "validation_mandate.yaml"]
