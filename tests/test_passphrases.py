"""Where the passphrase of a node's keys comes from."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from photonic.config import Settings
from photonic.errors import PassphraseNeeded
from photonic.passphrases import source_of


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def settings(tmp_path: Path, **some: object) -> Settings:
    return Settings.model_validate({"home": tmp_path, **some})


def test_a_file_descriptor_is_read_to_its_end(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"correct horse\n")
    os.close(writer)
    assert source_of(settings(tmp_path, passphrase_fd=reader), {})() == "correct horse"


def test_systemd_hands_it_over_as_a_credential(tmp_path: Path) -> None:
    (tmp_path / "photonic-passphrase").write_text(" with spaces ")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert source_of(settings(tmp_path), environ)() == " with spaces "


def test_a_command_prints_it_and_no_shell_reads_it(tmp_path: Path) -> None:
    ask = source_of(settings(tmp_path, passphrase_command="echo 'a;b' $HOME"), {})
    assert ask() == "a;b $HOME"


@pytest.mark.parametrize("command", ["false", "/nowhere/at/all", "true", "'", "printf '\\377'"])
def test_a_command_that_gives_none_is_told(tmp_path: Path, command: str) -> None:
    with pytest.raises(PassphraseNeeded):
        source_of(settings(tmp_path, passphrase_command=command), {})()


def test_without_a_terminal_nobody_can_be_asked(tmp_path: Path) -> None:
    with pytest.raises(PassphraseNeeded):
        source_of(settings(tmp_path), {})()
    with pytest.raises(PassphraseNeeded):
        source_of(settings(tmp_path, passphrase_fd=60_000), {})()
