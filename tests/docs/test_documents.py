"""The documents against the code that they describe."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from core.config_schema import Settings
from core.exit_codes import ExitCode
from core.reasons import Reason
from core.vocabulary import HaltReason
from portfolio.breaks import BreakKind

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])


def sections(text: str, level: int) -> dict[str, str]:
    """Text under each heading of a level."""
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("reason", list(HaltReason))
def test_every_halt_reason_says_what_it_means_what_to_check_and_how_to_go_on(reason: HaltReason) -> None:
    section = sections((ROOT / "docs" / "runbook.md").read_text(), 2)[reason.value]
    assert "**Meaning.**" in section
    assert "**Check at the broker" in section
    assert "**Re-arm" in section or "**Recover" in section


def test_the_runbook_describes_no_reason_that_does_not_exist() -> None:
    reasons = (ROOT / "docs" / "runbook.md").read_text().partition("# Reasons")[2].partition("\n# ")[0]
    assert set(sections(reasons, 2)) == {reason.value for reason in HaltReason}


def part(title: str) -> str:
    """Text of a part of the runbook."""
    return (ROOT / "docs" / "runbook.md").read_text().partition(f"\n# {title}\n")[2].partition("\n# ")[0]


def test_the_runbook_says_what_to_do_about_every_kind_of_break() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", part("Breaks"), re.MULTILINE)) == set(BreakKind)


def test_the_runbook_explains_every_alert_that_has_a_name() -> None:
    named = set()
    for path in (ROOT / "risk").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "tell"
            ):
                keys = [one.value for one in node.keywords if one.arg == "key"]
                named |= {key.value for key in keys if isinstance(key, ast.Constant)}
    assert len(named) > 5
    assert set(re.findall(r"^\| `(\w+)` \|", part("Alerts"), re.MULTILINE)) == named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)", document.read_text()):
        path = (document.parent / target).resolve() if target else document
        assert path.exists(), f"{document.name}: {target} does not exist"
        if anchor and path.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", path.read_text(), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in slugs, f"{document.name}: {target}{anchor} does not exist"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_configuration_key_that_is_named_exists(document: Path) -> None:
    sections_of_settings = set(Settings.model_fields)
    for path in re.findall(r"`((?:[a-z_]+\.)+[a-z_]+)`", document.read_text()):
        names = path.split(".")
        if names[0] not in sections_of_settings or names[-1] in {"py", "yaml", "md", "sh", "db"}:
            continue
        model: object = Settings
        for name in names:
            fields = getattr(model, "model_fields", {})
            assert name in fields, f"{document.name}: there is no key {path}"
            model = fields[name].annotation


def test_the_exit_codes_of_the_architecture_page_are_those_of_the_code() -> None:
    table = sections((ROOT / "docs" / "architecture.md").read_text(), 2)["Exit codes"]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, flags=re.MULTILINE)] == [
        int(c) for c in ExitCode
    ]


def test_decisions_are_numbered_without_a_hole_and_listed() -> None:
    folder = ROOT / "docs" / "adr"
    names = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    listed = (folder / "README.md").read_text()
    assert all(f"({name})" in listed for name in names)


def test_every_reading_of_a_document_starts_from_the_readme_or_the_architecture_page() -> None:
    linked = (ROOT / "README.md").read_text() + (ROOT / "docs" / "architecture.md").read_text()
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name in linked, f"nothing leads to {path.name}"


def test_every_reason_of_a_denial_is_explained_and_no_other() -> None:
    text = (ROOT / "docs" / "denials.md").read_text()
    firsts = re.findall(r"^\| (`[^|]+) \|", text, flags=re.MULTILINE)
    explained = [code for cell in firsts for code in re.findall(r"`(\w+)`", cell)]
    assert sorted(explained) == sorted(reason.code for reason in Reason if reason)
