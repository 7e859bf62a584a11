"""`photonic transfers`, `pause` and `resume`: what they say, and what they refuse."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from photonic.cli.durations import readable_wait
from photonic.cli.transfers import lines_of, picture_of, safety_in_words
from photonic.errors import AlbumUnknown, NodeNotRunning, PauseInvalid, PeerUnknown, UsageInvalid
from tests.cli.running import CommandLine, serving
from tests.memory_library import NAMES, THERE


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


SAFE = {"min_copies": 2, "state": "safe", "photos_at_risk": 0, "bytes_left": 0, "eta_s": 0.0}
ITEM = {
    "blob": "ab" * 32, "name": "DSC\x1b[31m_1.NEF", "state": "fetching", "done_bytes": 5_000_000,
    "total_bytes": 20_000_000, "rate_bytes_s": 2.5e6, "peers": ["a", "b"], "eta_s": 6.0,
    "problem": None,
}  # fmt: skip
TOLD = {
    "items": [ITEM], "in_view": 40, "rate_bytes_s": 5e6, "previews_first": True, "pauses": [],
    "safety": SAFE
    | {"state": "moving", "photos_at_risk": 40, "bytes_left": 8 * 10**8, "eta_s": 160.0},
}  # fmt: skip


def test_it_is_said_when_nothing_moves(photonic: CommandLine, tmp_path: Path) -> None:
    assert photonic("transfers").status == NodeNotRunning.exit_status
    with serving(photonic.home, tmp_path) as node:
        node.take("a.jpg", (1, 2, 3))
        node.moving.safety.note(node.query.at_risk(2))
        told = photonic("transfers")
        assert told.status == 0
        assert told.out.startswith("nothing is being fetched\nnot safe: 1 photo is on fewer than 2")
        assert "when is unknown, for nothing moves" in told.out
        assert photonic("transfers", "--json").json["safety"]["photos_at_risk"] == 1
        assert "when is unknown" in photonic("status").out


def test_pauses_are_made_shown_and_ended(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path) as node:
        assert photonic("pause").out == "paused: everything\n"
        assert "paused: everything" in photonic("transfers").out
        assert photonic("pause", "--peer", NAMES[THERE]).out == "paused: everything, peer field\n"
        assert node.paused[-1] == (True, frozenset({THERE}))
        assert photonic("resume").out == "paused: peer field\n"
        assert "peer field" in photonic("status").out
        photonic("albums", "create", "Iceland")
        assert photonic("pause", "--album", "iceland").out == "paused: peer field, album Iceland\n"
        assert photonic("pause", "--shoot", "AB12", "--json").json["items"][-1]["id"] == "ab12"
        assert photonic("resume", "--album", "Iceland").out == "paused: peer field, shoot ab12\n"
        assert photonic("resume", "--all").out == "paused: nothing\n"
        assert node.paused[-1] == (False, frozenset())


def test_what_cannot_be_paused_is_an_error(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path):
        assert photonic("pause", "--peer", "nobody").status == PeerUnknown.exit_status
        assert photonic("pause", "--album", "none").status == AlbumUnknown.exit_status
        assert photonic("pause", "--shoot", "zz").status == PauseInvalid.exit_status
        assert photonic("pause", "--peer", "a", "--shoot", "b").status == UsageInvalid.exit_status
        assert photonic("resume", "--all", "--peer", "a").status == UsageInvalid.exit_status


def test_the_lines_say_how_fast_and_when() -> None:
    assert lines_of(TOLD) == [
        "40 in view, 39 more than are listed, 5 MB/s; the link is slow, previews come first",
        "not safe: 40 photos are on fewer than 2 nodes, 800 MB left; safe in 2 min 40 s",
    ]


@pytest.mark.parametrize(
    ("state", "eta_s", "words"),
    [
        ("moving", None, "unknown yet"),
        ("still", None, "nothing moves"),
        ("paused", None, "paused here"),
        ("too-few-nodes", None, "photonic invite"),
        ("safe", 0.0, "every photo is on 2 nodes"),
        ("unknown", None, "not counted yet"),
    ],
)
def test_what_nobody_knows_is_not_said(state: str, eta_s: float | None, words: str) -> None:
    told = SAFE | {"state": state, "photos_at_risk": 3, "bytes_left": 10, "eta_s": eta_s}
    assert words in safety_in_words(told)
    assert " in 0" not in safety_in_words(told)


def test_in_a_terminal_there_are_bars_and_no_name_moves_the_cursor() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    pauses = [{"kind": "peer", "id": "x", "name": "y\x1b[2Jz"}]
    with console.capture() as shown:
        console.print(picture_of(TOLD | {"pauses": pauses}))
    text = shown.get()
    assert "[2Jz" in text and "\x1b[2J" not in text
    assert "━" in text
    assert "25%" in text and "2.5 MB/s" in text and "6 s" in text
    assert "[31m_1.NEF" in text and "\x1b[31m" not in text


def test_a_wait_has_its_two_largest_units() -> None:
    assert readable_wait(None) == "unknown"
    assert readable_wait(0.2) == "1 s"
    assert readable_wait(160) == "2 min 40 s"
    assert readable_wait(3_600) == "1 h"
    assert readable_wait(90_000 + 59) == "1 d 1 h"


@given(st.floats(0, 1e9))
def test_a_wait_is_never_told_too_long_nor_much_too_short(seconds: float) -> None:
    sizes = {"d": 86_400, "h": 3_600, "min": 60, "s": 1}
    words = readable_wait(seconds).split()
    told = sum(int(n) * sizes[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert told <= max(1, round(seconds)) <= told * 1.5 + 1 or told >= 0.5 * seconds
