"""What the documents say of the code is so."""

import re
from pathlib import Path

import pytest

from talas.core.settings import _Environment

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VARIABLES = {name.upper() for name in _Environment.model_fields}


def test_the_code_of_the_new_feature_stands_in_the_files_named_above_it() -> None:
    path, compared = None, 0
    pieces = re.split(
        r"^```(\w*)\n(.*?)^```$", _text("docs/new-feature.md"), flags=re.MULTILINE | re.DOTALL
    )
    for prose, language, code in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=False):
        named = re.findall(r"^`(src/[\w/.]+)`", prose, flags=re.MULTILINE)
        path = named[-1] if named else path
        if language in ("python", "sql"):
            assert path is not None
            assert code in _text(path), f"not in {path}: {code}"
            compared += 1
    assert compared >= 6


def test_every_setting_is_in_the_table() -> None:
    table = _text("README.md").partition("## Settings")[2].partition("## Read on")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == VARIABLES


def test_the_sample_environment_names_only_settings() -> None:
    named = re.findall(r"^#?([A-Z_]+)=", _text(".env.example"), flags=re.MULTILINE)
    assert named
    assert set(named) <= VARIABLES


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), target
    for path in re.findall(r"`((?:src|tests|scripts|docs)/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), path


def test_architecture_names_files_that_are_there() -> None:
    source = ROOT / "src" / "talas"
    for name in re.findall(r"`((?:\w+/)+\w+\.py)`", _text("docs/architecture.md")):
        assert list(source.rglob(name)), name


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
