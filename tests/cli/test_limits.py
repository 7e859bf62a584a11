"""`photonic limits` changes what is given, leaves the rest, and points at what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.errors import LimitsInvalid, PeerUnknown, UsageInvalid
from photonic.ids import peer_id
from photonic.p2p.rates import Bandwidth, PeerBandwidth
from tests.api.local_node import NAMES, THERE, MemoryNode
from tests.cli.running import CommandLine, serving

MB = 1_000_000
SCHEDULE = "00:00-24:00 2MB/s, otherwise full"


@pytest.fixture
def photonic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, capsys)


@pytest.fixture
def node(photonic: CommandLine, tmp_path: Path) -> Iterator[MemoryNode]:
    photos = tmp_path / "photos"
    photos.mkdir()
    with serving(photonic.home, photos) as node:
        yield node


def bandwidth(node: MemoryNode) -> Bandwidth:
    return node.limiter.throttle.bandwidth


def test_what_is_given_is_changed_and_the_rest_stays(
    photonic: CommandLine, node: MemoryNode
) -> None:
    assert photonic("limits", "--in", "5MB/s", "--schedule", SCHEDULE).status == 0
    assert photonic("limits", "--out", "16 Mbit/s", "--parallel", "4").status == 0
    assert photonic("limits", "--peer", NAMES[THERE], "--out", "500kB/s").status == 0
    assert photonic("limits", "--peer", peer_id(THERE), "--in", "1MB/s").status == 0
    told = photonic("limits", "--metered", "on", "--json").json
    expected = Bandwidth(
        in_bytes_s=5 * MB,
        out_bytes_s=2 * MB,
        peers={peer_id(THERE): PeerBandwidth(in_bytes_s=MB, out_bytes_s=500_000)},
        schedule=SCHEDULE,
        metered=True,
        parallel=4,
    )
    assert bandwidth(node) == expected
    assert (told["in_bytes_s"], told["now_in_bytes_s"]) == (5 * MB, 2 * MB)
    assert photonic("limits").status == 0
    assert bandwidth(node) == expected, "showing changes nothing"
    assert photonic("limits", "--metered", "100kB/s").status == 0
    assert (bandwidth(node).metered, bandwidth(node).metered_bytes_s) == (True, 100_000)
    assert photonic("limits", "--metered", "off", "--in", "full").status == 0
    assert (bandwidth(node).metered, bandwidth(node).metered_bytes_s) == (False, None)
    assert bandwidth(node).in_bytes_s is None
    for name in ("--schedule", "--parallel"):
        photonic("limits", name, "none")
    photonic("limits", "--peer", NAMES[THERE], "--in", "full", "--out", "full")
    assert bandwidth(node) == Bandwidth(out_bytes_s=2 * MB)
    assert not photonic("limits", "--reset", "--json").json["changed"]
    assert bandwidth(node) == Bandwidth()


def test_limits_are_shown_as_they_are_given(photonic: CommandLine, node: MemoryNode) -> None:
    plain = photonic("limits").out
    assert "in        full" in plain
    assert "limits" not in photonic("status").out
    photonic("limits", "--in", "5MB/s", "--schedule", SCHEDULE, "--metered", "on")
    photonic("limits", "--peer", NAMES[THERE], "--out", "500kB/s")
    shown = photonic("limits").out
    for words in ("5MB/s", SCHEDULE, "on: originals wait", "in 2MB/s, out 2MB/s", "500kB/s"):
        assert words in shown
    status = photonic("status").out
    assert "in 2MB/s, out 2MB/s" in status
    assert "originals wait" in status
    assert NAMES[THERE] in status


@pytest.mark.parametrize(
    ("options", "kind", "word"),
    [
        (("--in", "2Mb/s"), LimitsInvalid, "bits or bytes"),
        (("--out", "5"), LimitsInvalid, "unit is missing"),
        (("--schedule", "08:00-25:00 2MB/s"), LimitsInvalid, "      ^^^^^"),
        (("--metered", "perhaps"), LimitsInvalid, "rate"),
        (("--metered", "full"), LimitsInvalid, "metered"),
        (("--parallel", "many"), LimitsInvalid, "parallel"),
        (("--parallel", "0"), LimitsInvalid, "from 1"),
        (("--peer", "vader", "--in", "1MB/s"), PeerUnknown, "vader"),
        (("--peer", "vader"), UsageInvalid, "--in or --out"),
        (("--reset", "--in", "1MB/s"), UsageInvalid, "--reset"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(
    photonic: CommandLine,
    node: MemoryNode,
    options: tuple[str, ...],
    kind: type[LimitsInvalid],
    word: str,
) -> None:
    failed = photonic("limits", *options)
    assert failed.status == kind.exit_status
    assert word in failed.err
    assert bandwidth(node) == Bandwidth()
