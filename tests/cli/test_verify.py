"""`photonic verify`: waits, sums up honestly, and fails where files are not right."""

from __future__ import annotations

from pathlib import Path

import pytest

from photonic.cli.verify import _find, calendar_in_words
from photonic.errors import (
    ImportCancelled,
    NodeNotRunning,
    PhotoUnknown,
    QueryInvalid,
    UsageInvalid,
    VerificationFailed,
)
from tests.api.test_verifications import rot
from tests.cli.running import CommandLine, serving


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


def test_what_is_sound_is_said_to_be(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path) as node:
        assert photonic("verify").out == "0 files verified, 0 B: nothing of it is stored here\n"
        photo = node.take("a.jpg", (1, 2, 3))
        node.drop(node.take("b.jpg", (9, 200, 4)))
        told = photonic("verify", "name:a")
        assert told.status == 0
        assert told.out.startswith("1 files verified, ")
        assert told.out.endswith(": all sound\n")
        assert photonic("verify", photo[:12], "--json").json["sound"] == 1
        assert "1 originals are not on this node: not verified" in photonic("verify", "-name:a").out


def test_damage_is_named_and_fails_the_command(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path) as node:
        photos = [node.take(f"{n}.jpg", (80 * n, 2, 3)) for n in range(3)]
        rot(node, photos[1])
        told = photonic("verify", *photos)
        assert told.status == VerificationFailed.exit_status
        assert "3 files verified, " in told.out
        assert ": 2 sound, 1 damaged\n" in told.out
        assert f"damaged: 1.jpg  {photos[1]}\n" in told.out
        assert "1 of 3 files were not right" in told.err
        shown = photonic("verify", "--status")
        assert shown.status == 0
        assert "waiting for repair" in shown.out
        assert "1 are damaged and wait for their repair" in photonic("status").out


def test_what_comes_is_forecast(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path) as node:
        node.take("a.jpg", (1, 2, 3))
        assert "all verified once more by 20" in photonic("verify", "--status").out
    part = {"begin": "2026-12-04T00:00", "end": "2026-12-07T00:00", "files": 8100, "bytes": 9**12}
    told = {"parts": [part], "all_by": "2026-12-07T00:00", "mb_s": 20.0}
    assert calendar_in_words(told) == [
        "due 2026-12-04 to 2026-12-07: 8,100 files, 282 GB",
        "all verified once more by 2026-12-07 at 20 MB/s",
    ]
    (*_, last) = calendar_in_words(told | {"all_by": "2027-01-12T00:00"})
    assert "too slow" in last


def test_the_regular_verification_can_be_paused(photonic: CommandLine, tmp_path: Path) -> None:
    with serving(photonic.home, tmp_path):
        assert photonic("verify", "--pause", "--json").json["paused"] is True
        assert "every 30 days, paused" in photonic("verify", "--status").out
        assert photonic("verify", "--resume", "--json").json["paused"] is False


def test_what_cannot_be_verified_is_an_error(photonic: CommandLine, tmp_path: Path) -> None:
    assert photonic("verify").status == NodeNotRunning.exit_status
    with serving(photonic.home, tmp_path):
        assert photonic("verify", "rating>>3").status == QueryInvalid.exit_status
        assert photonic("verify", "abcdef012345").status == PhotoUnknown.exit_status
        assert photonic("verify", "--pause", "--resume").status == UsageInvalid.exit_status
        assert photonic("verify", "name:a", "--status").status == UsageInvalid.exit_status
        assert photonic("verify", "--quick").status == UsageInvalid.exit_status


def test_a_verification_that_the_node_forgot_was_cancelled() -> None:
    with pytest.raises(ImportCancelled):
        _find([{"id": "b"}], "a")
