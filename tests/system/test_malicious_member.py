"""A malicious member of real daemons, over real libp2p: a flood, then nonsense; others go on.

It joined with an invitation as anybody does; `tests/hostile/culprit.py` speaks with its key.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from photonic.errors import PeerShunned, PhotonicError
from photonic.ids import BlobId, photo_subject
from simulations.daemons import Daemon, daemons, join, photonic
from tests.cameras import make_camera_files
from tests.hostile.culprit import Culprit, flood_of
from tests.system.paces import SLOWER_MAX, measure
from tests.system.test_strangers import (
    GROWN_MB_MAX,
    WITHIN_S,
    Most,
    Watcher,
    latencies_ms,
)

MANY = 3_000  # changes, at least
# Every one of its changes is judged, kept and passed on: what is said meanwhile waits for some.
SLOWER_MS = 150.0
WORST_MS = 5_000.0  # where what is said is dropped, the next round of anti-entropy brings it
DESCRIPTORS_MAX = 20


class Flooder:
    """The culprit's flood in a process of its own, which gives way to those whom it floods.

    Held up it pushes nothing; where it was it goes on.
    """

    def __init__(self, home: Path, victim: Daemon, photo: str) -> None:
        self._process = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "tests.hostile.culprit",
             str(home), victim.listen[0], photo, str(MANY)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[2], env={**os.environ},
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "flooding"

    def hold_up(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def finish(self) -> int:
        """Let it push what it came for; return how many changes it pushed."""
        self.go_on()
        said, _ = self._process.communicate(timeout=WITHIN_S)
        return int(said.split()[-1])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def test_members_go_on_while_one_of_them_floods_and_lies(tmp_path: Path) -> None:
    with daemons(tmp_path / "first", tmp_path / "second", tmp_path / "bad") as (first, second, bad):
        make_camera_files(tmp_path / "card")
        first.start()
        photonic(first.home, "import", str(tmp_path / "card"), check=False)
        join(first, second)
        join(first, bad)
        second.start("--peer", first.listen[0])
        photos = list(first.photos())
        second.wait_until(lambda: len(second.photos()) == len(photos))
        target = photo_subject(BlobId(bytes.fromhex(photos[0])))
        with Watcher(second) as watcher:
            latencies_ms(first, watcher, photos[1:])
            most = Most(first)
            flooder = Flooder(bad.home, first, photos[0])
            try:

                def calm() -> list[float]:
                    flooder.hold_up()
                    latencies_ms(first, watcher, photos[1:])  # meanwhile what it pushed is taken in
                    return latencies_ms(first, watcher, photos[1:])

                def flooded() -> list[float]:
                    flooder.go_on()
                    latencies_ms(first, watcher, photos[1:])
                    found = latencies_ms(first, watcher, photos[1:])
                    most.look()
                    return found

                paces = measure(calm, flooded, attempts_max=4)
                sent = flooder.finish()
            finally:
                flooder.end()
            most.look()
        print(f"\nan edit is visible: {paces}; {sent} changes were pushed; {most}")
        assert sent >= MANY
        assert paces.flooded_ms <= SLOWER_MAX * paces.calm_ms + SLOWER_MS, str(paces)
        assert paces.worst_ms < WORST_MS, str(paces)
        assert most.grown_mb < GROWN_MB_MAX
        assert most.grown_files < DESCRIPTORS_MAX

        culprit = Culprit(bad.home, first.listen[0])
        culprit.run(lambda stream: culprit.lie(stream, target))
        first.wait_until(
            lambda: any(p["code"] == PeerShunned.code for p in first.status()["problems"]), WITHIN_S
        )
        refused = Culprit(bad.home, first.listen[0])
        with pytest.raises(BaseException) as caught:  # in a group, as its nursery has it
            refused.run(
                lambda stream: refused.flood(stream, islice(flood_of(refused.malice, target), 1))
            )
        assert caught.group_contains(PhotonicError), "it is let in by no gate for a while"
        with Watcher(second) as watcher:
            watcher.latency_ms(first, photos[1], 2)
        first.send("PATCH", f"/photos/{photos[0]}", {"caption": "the truth"})
        second.wait_until(lambda: _has_said(second, photos[0], "the truth"), WITHIN_S)
        assert [node.status()["photos"] for node in (first, second)] == [len(photos)] * 2


def _has_said(node: Daemon, photo: str, caption: str) -> bool:
    """Whether a caption is shown, among all that the flood said, too."""
    field = node.get(f"/photos/{photo}")["fields"]["caption"]
    return bool(field["value"] == caption)
