"""Every error is distinct, in its band, and says what to do (STYLE rule 5)."""

from __future__ import annotations

import re

import pytest

from photonic.errors import ConfigInvalid, NodeNotRunning, PhotonicError
from tests.docs import all_errors, band_of, errors_page
from tests.source import ROOT

ERRORS = all_errors()

# Where the section headings of errors.py say that each floor's band begins.
SECTION = re.compile(r"^# --- floor (\d): ", re.MULTILINE)
FLOOR_BANDS = {
    0: {10, 108}, 1: {20, 70, 195}, 2: {30, 70, 205}, 3: {40, 115, 120, 205}, 4: {60, 120, 215},
    5: {10, 70, 80, 120, 195, 205, 215, 226}, 6: {85}, 7: {100, 112, 120, 225, 226},
}  # fmt: skip


def test_codes_and_exit_statuses_are_distinct() -> None:
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)
    assert len({kind.exit_status for kind in ERRORS}) == len(ERRORS)


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_says_what_to_do(kind: type[PhotonicError]) -> None:
    assert "fix" in vars(kind), "each class has a fix of its own"
    assert kind.fix.endswith("."), "a fix is a sentence"
    assert len(kind.fix) > 15
    assert (kind.__doc__ or "").strip(), "the docstring says what it is"


@pytest.mark.parametrize("kind", ERRORS)
def test_codes_and_statuses_have_their_form(kind: type[PhotonicError]) -> None:
    assert re.fullmatch(r"internal|[a-z0-9]+\.[a-z0-9-]+", kind.code)
    assert 400 <= kind.http_status <= 599
    # 126 and 127 mean something to shells, and 128 to 192 are signals.
    assert 1 <= kind.exit_status <= 125 or 195 <= kind.exit_status <= 254


def test_exit_statuses_are_in_the_band_of_their_floor() -> None:
    text = (ROOT / "photonic/errors.py").read_text(encoding="utf-8")
    sections = [(match.start(), int(match[1])) for match in SECTION.finditer(text)]
    assert sections, "errors.py has a heading for each floor"
    wrong = []
    for kind in ERRORS[1:]:
        place = text.index(f"class {kind.__name__}(")
        floor = [floor for start, floor in sections if start < place][-1]
        if band_of(kind.exit_status) not in FLOOR_BANDS[floor]:
            wrong.append(f"{kind.__name__}: {kind.exit_status} is not of floor {floor}")
    assert not wrong, wrong


def test_the_page_lists_each_error_with_its_fix() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert page == errors_page(), "run `python -m tests.docs`"
    for kind in ERRORS:
        assert f"| `{kind.code}` | {kind.exit_status} |" in page
        assert kind.fix in page


def test_the_settings_error_keeps_all_problems() -> None:
    error = ConfigInvalid(["role: bad", "http: bad"])
    assert error.problems == ("role: bad", "http: bad")
    assert error.message == "role: bad; http: bad"


def test_the_fix_for_a_missing_node_is_the_command_itself() -> None:
    assert NodeNotRunning("/my photos").fix == "Start it: `photonic --home '/my photos' node`."
