"""SECURITY.md claims what a test shows: each line of its tables names one, and it exists."""

from __future__ import annotations

import ast
import re

import pytest

from tests.source import ROOT

PAGE = (ROOT / "SECURITY.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def _claims() -> list[tuple[str, str]]:
    """Return the lines of the tables that end with what they are shown by, as section and line."""
    found, section, is_claims = [], "", False
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section, is_claims = line[3:], False
        elif line.startswith("|") and "shown by" in line:
            is_claims = True
        elif is_claims and line.startswith("|") and not line.startswith("|--"):
            found.append((section, line))
        elif not line.startswith("|"):
            is_claims = False
    return found


@pytest.mark.parametrize(("section", "line"), _claims(), ids=lambda text: text[:60])
def test_a_claim_names_tests_that_exist(section: str, line: str) -> None:
    shown_by = line.rstrip("| ").rpartition("|")[2]
    named = TEST.findall(shown_by)
    assert named, f"{section}: nothing shows {line}"
    assert not TEST.sub("", shown_by).strip(" ,;"), f"{section}: what is this beside the tests?"
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text())
        functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        assert name in functions, f"{path} has no {name}"


def test_the_page_says_what_a_reviewer_looks_for() -> None:
    assert len(_claims()) > 30
    for heading in ("What is to be protected", "From whom", "What is not defended", "With what",
                    "How to report"):  # fmt: skip
        assert f"\n## {heading}\n" in PAGE
