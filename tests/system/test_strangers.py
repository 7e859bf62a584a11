"""A js-libp2p stranger wears a real daemon out while two members work on it.

It floods with all that `tests/p2p/stranger/flood.mjs` knows, refused and as a guest; and as an
impostor it claims a member's peer ID. Members go on within twice their normal latency, measured in
the same run, memory and descriptors stay bounded, and the stranger has heard of nothing but what a
stranger may.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from photonic.p2p.messages import BLOB_PROTOCOL, CATALOG_PROTOCOL, ENROL_PROTOCOL
from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files
from tests.p2p.test_stranger import FOLDER, node
from tests.system.paces import SLOWER_MAX, measure

__all__ = ["node"]  # the fixture

pytestmark = pytest.mark.foreign

EDITS = 20
WITHIN_S = 60.0
_edits = count()
GROWN_MB_MAX, DESCRIPTORS_MAX = 96.0, 200
MAY_HEAR = {"/multistream/1.0.0", "/noise"}  # in the clear, before anybody knows who speaks
TRIED = (CATALOG_PROTOCOL, BLOB_PROTOCOL, ENROL_PROTOCOL, "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0")


class Watcher:
    """Listens to what a node announces, all the time."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon, self._news = daemon, threading.Event()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def _listen(self) -> None:
        with (
            suppress(httpx.HTTPError, httpx.StreamError, OSError, ValueError),
            httpx.stream("GET", f"{self._daemon.url}/api/v1/events", timeout=600) as stream,
        ):
            self._stream = stream
            self._news.set()
            for line in stream.iter_lines():
                if line.startswith("id:"):
                    self._news.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._news.wait(WITHIN_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def latency_ms(self, editor: Daemon, photo: str, rating: int) -> float:
        """Edit a photo on one node; return when it was visible on the one that is watched."""
        began_s = time.monotonic()
        editor.send("PATCH", f"/photos/{photo}", {"rating": rating})
        while time.monotonic() - began_s < WITHIN_S:
            self._news.clear()
            if self._daemon.get(f"/photos/{photo}")["fields"]["rating"]["value"] == rating:
                return (time.monotonic() - began_s) * 1000
            self._news.wait(1)
        raise AssertionError("the edit did not come")


def latencies_ms(editor: Daemon, watcher: Watcher, photos: Sequence[str]) -> list[float]:
    """Edit one photo after another: what is said again and again of one costs more each time."""
    turns = [divmod(next(_edits), len(photos)) for _ in range(EDITS)]
    return [watcher.latency_ms(editor, photos[n], turn % 5 + 1) for turn, n in turns]


def resident_mb(daemon: Daemon) -> float:
    assert daemon.process is not None
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith("VmRSS:")) / 1024


def descriptors(daemon: Daemon) -> int:
    assert daemon.process is not None
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))  # noqa: PTH208


class Most:
    """The most that a daemon had of memory and descriptors, and what it had before."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._before = self._most = (resident_mb(daemon), descriptors(daemon))

    def look(self) -> None:
        now = (resident_mb(self._daemon), descriptors(self._daemon))
        self._most = (max(self._most[0], now[0]), max(self._most[1], now[1]))

    @property
    def grown_mb(self) -> float:
        return self._most[0] - self._before[0]

    @property
    def grown_files(self) -> int:
        return self._most[1] - self._before[1]

    def __str__(self) -> str:
        (mb, files), (most_mb, most_files) = self._before, self._most
        return f"{mb:.0f} MB, {most_mb:.0f} at most; {files} descriptors, {most_files} at most"


class Flood:
    """A stranger's flood; it can be held up, and goes on where it was."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.worn = threading.Event()  # it has done what it came for
        self.learned: dict[str, Any] = {}

    def hold_up(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def flooding(node: Path, address: str) -> Iterator[Flood]:
    """Have a stranger flood a node; what it counted and learned is there in the end."""
    command = ["nice", "-n", "19", str(node), str(FOLDER / "flood.mjs"), address]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    flood = Flood(process)
    try:
        assert process.stdout.readline().strip() == "flooding"
        out: list[str] = []
        reader = threading.Thread(target=_read, args=(process.stdout, flood.worn, out), daemon=True)
        reader.start()
        yield flood
        flood.go_on()
        process.stdin.close()
        reader.join(WITHIN_S)
        flood.learned |= json.loads(out[-1])
        process.wait(WITHIN_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _read(lines: Iterable[str], worn: threading.Event, out: list[str]) -> None:
    for line in lines:
        out.append(line)
        if line.strip() == "worn":
            worn.set()


class Scene:
    """Two members of one library with the same photos."""

    def __init__(self, place: Path, first: Daemon, second: Daemon) -> None:
        self.first, self.second, self.place = first, second, place
        make_camera_files(place / "card")
        first.start()
        photonic(first.home, "import", str(place / "card"), check=False)
        join(first, second)
        first.stop()
        (first.home / "invitations").unlink()  # after it was used, strangers may ask for a while
        first.start()
        second.start("--peer", first.listen[0])
        self.count = len(first.photos())
        second.wait_until(lambda: self.has_all(self.count))
        self.photos = list(first.photos())

    def has_all(self, count: int) -> bool:
        holdings = self.second.status()["holdings"]["held"]
        return bool(holdings == count)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("strangers")
    with daemons(place / "first", place / "second") as (first, second):
        yield Scene(place, first, second)


@pytest.mark.parametrize("is_guest", [False, True], ids=["refused", "as a guest"])
def test_members_go_on_while_a_stranger_floods(node: Path, scene: Scene, is_guest: bool) -> None:
    first, second = scene.first, scene.second
    if is_guest:
        photonic(first.home, "invite", "--role", "central")
    with Watcher(second) as watcher:
        latencies_ms(first, watcher, scene.photos)  # what is warm afterwards was not before
        before_files = descriptors(first)
        most = Most(first)
        with flooding(node, first.listen[0]) as flood:

            def calm() -> list[float]:
                flood.hold_up()
                latencies_ms(first, watcher, scene.photos)  # meanwhile what waited is refused
                return latencies_ms(first, watcher, scene.photos)

            def flooded() -> list[float]:
                flood.go_on()
                latencies_ms(first, watcher, scene.photos)  # meanwhile it is on its way again
                found = latencies_ms(first, watcher, scene.photos)
                most.look()
                return found

            paces = measure(calm, flooded)
            flood.go_on()
            assert flood.worn.wait(WITHIN_S)
            fresh = scene.place / f"fresh {is_guest}"
            fresh.mkdir()
            (fresh / "new.CR3").write_bytes(os.urandom(3_000_000))
            photonic(first.home, "import", str(fresh), check=False)
            scene.count = len(first.photos())
            fetched_s = second.wait_until(lambda: scene.has_all(scene.count), WITHIN_S)
            second.stop()
            second.start("--peer", first.listen[0])
            met_s = second.wait_until(lambda: bool(second.status()["peers"]), WITHIN_S)
            most.look()
    learned = flood.learned
    print(
        f"\nan edit is visible: {paces}; a photo is fetched in {fetched_s:.1f} s, a member met"
        f" again in {met_s:.1f} s; {most}; the stranger: {learned}"
    )
    assert learned["opened"] >= 500 and learned["cut"] >= 400 and learned["garbage"] >= 20
    assert learned["slow"] and learned["endless"]
    assert paces.ratio <= SLOWER_MAX, str(paces)
    assert most.grown_mb < GROWN_MB_MAX
    assert most.grown_files < DESCRIPTORS_MAX
    # What is encrypted may look like a short word now and then.
    assert {word for word in learned["words"] if len(word) > 8} <= MAY_HEAR
    assert (learned["connected"] > 0) is is_guest
    if is_guest:
        assert learned["streams"] >= 10_000
    first.wait_until(lambda: descriptors(first) <= before_files + 8, WITHIN_S)
    assert first.process is not None and first.process.poll() is None


def test_an_impostor_without_the_members_key_is_nobody_and_the_member_stays(
    node: Path, scene: Scene
) -> None:
    first, second = scene.first, scene.second
    member = second.status()["node"]["id"]
    script = str(FOLDER / "impostor.mjs")
    done = subprocess.run(
        [str(node), script, first.listen[0], member, *TRIED],
        capture_output=True, text=True, timeout=WITHIN_S, check=True,
    )  # fmt: skip
    learned = json.loads(done.stdout)
    assert learned["claimed"] == member, "it did claim it"
    assert learned["connected"] is False and learned["protocols"] == {}
    with Watcher(second) as watcher:
        assert watcher.latency_ms(first, scene.photos[0], 5) < WITHIN_S * 1000
    assert first.status()["peers"] == 1, "the member is connected as before"
