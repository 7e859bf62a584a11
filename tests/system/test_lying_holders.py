"""A real holder that lies over real lanes: caught at the first chunk, counted, told.

The fetcher meets the liar alone first. What it wants arrives all the same, as soon as an honest
holder is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from photonic.blobs.chunks import scan
from simulations.daemons import Daemon, daemons, join, photonic
from simulations.ends import wait_for
from simulations.liar import LIES

COUNT, SIZE_BYTES = 6, 6_000_000
WITHIN_S = 60.0
LIE = {"wrong bytes", "too long", "a wrong chunk list"}  # the others only fail


class Scene:
    """An honest holder, a lying one, and a folder of what both hold."""

    def __init__(self, place: Path, honest: Daemon, liar: Daemon) -> None:
        self.honest, self.liar = honest, liar
        self.folder = place / "card"
        self.folder.mkdir()
        for number in range(COUNT):
            (self.folder / f"IMG_{number}.CR3").write_bytes(os.urandom(SIZE_BYTES))
        honest.start()
        photonic(honest.home, "import", str(self.folder), check=False)
        join(honest, liar)
        liar.module = "simulations.liar"
        liar.start("--peer", honest.listen[0])
        liar.wait_until(lambda: held(liar) == COUNT)
        self.liar_id: str = liar.status()["node"]["id"]
        self.port = honest.listen[0].split("/p2p/")[0]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    place = tmp_path_factory.mktemp("liars")
    with daemons(place / "honest", place / "liar") as (honest, liar):
        yield Scene(place, honest, liar)


def held(node: Daemon) -> int:
    count: int = node.status()["holdings"]["held"]
    return count


def is_caught(fetcher: Daemon, lie: str) -> bool:
    metrics = fetcher.metrics()
    if lie == "too slow":
        return metrics["photonic_chunks_received_total"] >= 1
    counter = "photonic_chunks_corrupt_total" if lie in LIE else "photonic_retries_total"
    return metrics[counter] >= 1


@pytest.mark.parametrize("lie", LIES)
def test_a_holder_that_lies_is_caught_counted_and_told(
    tmp_path: Path, scene: Scene, lie: str
) -> None:
    if scene.honest.process is None:
        scene.honest.start("--listen", scene.port)
    with daemons(tmp_path / "fetcher") as (fetcher,):
        join(scene.honest, fetcher)
        assert scene.honest.stop() == 0
        (scene.liar.home / "lie").write_text(lie)
        fetcher.start("--peer", scene.liar.listen[0])
        wait_for(lambda: is_caught(fetcher, lie), WITHIN_S)
        if lie == "too slow":
            assert 0 < fetcher.metrics()["photonic_bytes_in_total"] < COUNT * SIZE_BYTES
        else:
            assert fetcher.metrics()["photonic_chunks_received_total"] == 0
            assert held(fetcher) == 0
            words = "sent wrong bytes" if lie in LIE else "silent"
            assert any(scene.liar_id in x and words in x for x in fetcher.errors().splitlines())

        scene.honest.start("--listen", scene.port)
        took_s = fetcher.wait_until(lambda: held(fetcher) == COUNT, WITHIN_S)
        assert took_s < WITHIN_S / 2, "it waited for the liar"
        fetcher.stop()
        stored = {p.name: p for p in (fetcher.home / "blobs/blobs").rglob("*") if p.is_file()}
        assert stored.keys() == {scan(path).ref.blob.hex() for path in scene.folder.iterdir()}
        assert all(scan(path).ref.blob.hex() == name for name, path in stored.items())
        assert not list((fetcher.home / "blobs/partial").iterdir())
