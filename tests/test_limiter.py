"""Limits are durable before they count, survive restarts, and never come from a damaged file."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from photonic.errors import ConfigInvalid, HomeUnusable, LimitsInvalid, PeerUnknown
from photonic.events import Event, LimitsChanged
from photonic.ids import NodeId, digest, peer_id
from photonic.limiter import Limiter, PeerLimit, read_limits
from photonic.p2p.rates import Bandwidth, Direction, PeerBandwidth
from photonic.p2p.throttle import Throttle
from photonic.world import SystemClock, SystemFiles

MB = 1_000_000
LEIA, HAN, LUKE, DUPE = (NodeId(digest(bytes([n]))) for n in range(4))
SETTINGS = Bandwidth(in_bytes_s=7 * MB)


class FullDisk(SystemFiles):
    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        raise OSError(28, "No space left on device")


class SlowDisk(SystemFiles):
    """What is written first is told last: when the node heard of another change, or soon."""

    def __init__(self) -> None:
        self._other = threading.Event()
        self._writes = 0

    def append(self, _bandwidth: Bandwidth) -> None:
        self._other.set()

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        super().write_durable(path, data, mode=mode)
        self._writes += 1
        if self._writes == 1:
            self._other.wait(0.5)


@dataclass
class LeavingClient(SystemFiles):
    """The request is cancelled while the file is written."""

    scope: trio.CancelScope

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        super().write_durable(path, data, mode=mode)
        trio.from_thread.run_sync(self.scope.cancel)


@dataclass
class Home:
    """One home folder, over several starts of a node."""

    folder: Path
    events: list[Event] = field(default_factory=list)
    heard: list[Bandwidth] = field(default_factory=list)
    names: dict[NodeId, str] = field(
        default_factory=lambda: {LEIA: "field", HAN: "Studio", LUKE: "twin", DUPE: "twin"}
    )

    @property
    def file(self) -> Path:
        return self.folder / "limits.json"

    def start(self, files: SystemFiles | None = None, settings: Bandwidth = SETTINGS) -> Limiter:
        throttle = Throttle(SystemClock())
        return Limiter(
            throttle, self.file, settings, files or SystemFiles(), lambda: self.names,
            self.events.append, self.heard.append,
        )  # fmt: skip


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with trio.fail_after(10):
            await main()

    trio.run(bounded)


def test_the_settings_hold_until_somebody_changes_them(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        limiter = home.start()
        assert limiter.throttle.bandwidth == SETTINGS
        assert not limiter.view().changed
        assert limiter.view().now_in_bytes_s == 7 * MB
        told = await limiter.set(
            Bandwidth(out_bytes_s=2 * MB, schedule="00:00-24:00 1MB/s", metered=True, parallel=3),
            [PeerLimit("field", in_bytes_s=MB), PeerLimit(peer_id(HAN))],
        )
        assert told.changed
        assert (told.in_bytes_s, told.out_bytes_s, told.parallel) == (None, 2 * MB, 3)
        assert (told.now_in_bytes_s, told.now_out_bytes_s) == (MB, MB)
        [peer] = told.peers
        assert (peer.peer, peer.name, peer.in_bytes_s) == (peer_id(LEIA), "field", MB)
        assert limiter.throttle.rate(Direction.IN, LEIA) == MB
        assert home.events == [LimitsChanged(True)]
        assert home.heard == [limiter.throttle.bandwidth]
        again = home.start()
        assert again.view() == told, "also after a restart"
        await again.reset()
        assert again.throttle.bandwidth == SETTINGS
        assert not again.view().changed
        assert home.start().throttle.bandwidth == SETTINGS
        assert not home.file.exists()

    run(main)


def test_limits_that_cannot_be_kept_do_not_count(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        limiter = home.start(FullDisk())
        with pytest.raises(HomeUnusable, match="No space left"):
            await limiter.set(Bandwidth(in_bytes_s=MB), [])
        assert limiter.throttle.bandwidth == SETTINGS
        assert home.events == []
        assert home.heard == []

    run(main)


@pytest.mark.parametrize(
    ("bandwidth", "peers", "kind", "word"),
    [
        (Bandwidth(in_bytes_s=5), [], LimitsInvalid, "in: "),
        (Bandwidth(schedule="at night"), [], LimitsInvalid, "span"),
        (Bandwidth(), [PeerLimit("vader", MB)], PeerUnknown, "vader"),
        (Bandwidth(), [PeerLimit("twin", MB)], PeerUnknown, "2 nodes .* say which"),
        (Bandwidth(), [PeerLimit("x" * 128, MB)], PeerUnknown, "x{80}'"),
        (
            Bandwidth(),
            [PeerLimit("field", MB), PeerLimit(peer_id(LEIA), MB)],
            LimitsInvalid,
            "twice",
        ),
        (Bandwidth(), [PeerLimit("field", 5)], LimitsInvalid, "in of"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(
    tmp_path: Path,
    bandwidth: Bandwidth,
    peers: list[PeerLimit],
    kind: type[Exception],
    word: str,
) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        limiter = home.start()
        with pytest.raises(kind, match=word):
            await limiter.set(bandwidth, peers)
        assert limiter.throttle.bandwidth == SETTINGS
        assert not home.file.exists()

    run(main)


def test_a_peer_is_found_by_its_name_in_any_case_and_may_leave(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        limiter = home.start()
        await limiter.set(Bandwidth(), [PeerLimit("studio", out_bytes_s=MB)])
        assert list(limiter.throttle.bandwidth.peers) == [peer_id(HAN)]
        del home.names[HAN]
        [left] = limiter.view().peers
        assert left.name is None
        told = await limiter.set(Bandwidth(parallel=2), [PeerLimit(left.peer, out_bytes_s=MB)])
        assert told.peers == [left]

    run(main)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"in_bytes_s": "fast"}',
        '{"in_bytes_s": 5}',
        '{"speed": 5}',
        '{"schedule": "08:00"}',
        '{"peers": {"leia": {"in_bytes_s": 1000000}}}',
    ],
)
def test_a_damaged_file_is_told_and_never_taken_for_no_limits(tmp_path: Path, text: str) -> None:
    file = tmp_path / "limits.json"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as failure:
        read_limits(file)
    [problem] = failure.value.problems
    assert problem.startswith(f"{file}: ")
    assert "\n" not in problem


def test_no_file_is_no_change_and_a_written_one_reads(tmp_path: Path) -> None:
    assert read_limits(tmp_path / "limits.json") is None
    peers = f'{{"{peer_id(LEIA)}": {{"in_bytes_s": 1000000}}}}'
    (tmp_path / "limits.json").write_text(f'{{"out_bytes_s": 2000000, "peers": {peers}}}')
    assert read_limits(tmp_path / "limits.json") == Bandwidth(
        out_bytes_s=2 * MB, peers={peer_id(LEIA): PeerBandwidth(in_bytes_s=MB)}
    )


def test_changes_at_one_time_leave_file_and_node_with_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        slow = SlowDisk()
        home.heard = slow  # type: ignore[assignment]
        limiter = home.start(slow)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(limiter.set, Bandwidth(parallel=1), [])
            nursery.start_soon(limiter.set, Bandwidth(parallel=2), [])
        assert read_limits(home.file) == limiter.throttle.bandwidth

    run(main)


def test_a_client_that_leaves_leaves_file_and_node_with_the_same(tmp_path: Path) -> None:
    home = Home(tmp_path)

    async def main() -> None:
        with trio.CancelScope() as scope:
            limiter = home.start(LeavingClient(scope))
            await limiter.set(Bandwidth(parallel=9), [])
        assert scope.cancel_called
        assert read_limits(home.file) == limiter.throttle.bandwidth == Bandwidth(parallel=9)

    run(main)
