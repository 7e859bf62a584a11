"""`photonic keys`: what it shows and does, and how it asks for a passphrase at a terminal."""

from __future__ import annotations

import getpass
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic import limits
from photonic.identity import Identity
from photonic.layout import Layout
from photonic.vault import Kept
from photonic.world import World
from tests.cli.running import CommandLine, serving


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What somebody types, in order."""
    words: list[str] = []
    monkeypatch.setattr(limits, "SCRYPT_N", 1 << 10)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: words.pop(0))
    yield words
    assert words == [], "nobody asked for these"


def test_it_shows_rotates_and_says_what_is_sealed(line: CommandLine, tmp_path: Path) -> None:
    with serving(line.home, tmp_path):
        assert "no key yet" in line("keys").err
        answer = line("keys", "rotate", "--json").json
        assert [key["number"] for key in answer["keys"]] == [1]
        assert "studio" in line("keys").out
        assert line("keys", "seal", "--json").json["sealed_fields"] == []
        assert line("keys", "seal", "gps", "--json").json["sealed_fields"] == ["gps"]
        assert line("keys", "seal", "rating", "--json").status == 22
        assert "0 photos" in line("keys", "reseal").out
    assert line("keys", "nonsense").status == line("keys", "--remove").status == 103
    for words in (
        ("--keyring",), ("passphrase", "--show"), ("passphrase", "--keyring", "--remove"),
        ("rotate", "--keyring"),
    ):  # fmt: skip
        assert line("keys", *words).status == 103, words


def test_a_passphrase_is_asked_for_twice_and_the_old_one_before(
    line: CommandLine, typed: list[str]
) -> None:
    layout = Layout(line.home)
    seed = Identity.load_or_create(layout.node_key, World(), layout.vault).seed
    typed += ["horse", "house", "horse", "horse"]
    told = line("keys", "passphrase")
    assert told.status == 0 and "differ" in told.err
    assert layout.vault.kept(layout.node_key) is Kept.PASSPHRASE
    typed += ["wrong"]
    assert line("keys", "passphrase").status == 109
    typed += ["horse", "battery", "battery"]
    assert line("keys", "passphrase").status == 0
    typed += ["battery"]
    assert line("keys", "passphrase", "--remove").status == 0
    assert layout.node_key.read_bytes() == seed
