"""A burst of removals is not followed by the other nodes before somebody confirms it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx
import pytest

from photonic.ingest.samples import make_samples
from simulations.daemons import Daemon, daemons, join, photonic

COUNT = 24  # more than a person removes within an hour from so small a library


def _trashed(node: Daemon) -> int:
    return int(node.get("/photos/count", q="is:trashed")["count"])


def _is_trashed(node: Daemon, count: int) -> bool:
    return _trashed(node) == count


def _held(node: Daemon) -> int:
    return sum(one["count"] for one in node.get("/trash")["held"])


def _is_held(node: Daemon, count: int) -> bool:
    return _held(node) == count


def _remove_unasked(node: Daemon, photos: list[str]) -> list[str]:
    """Put photos into the trash as nobody means to; return the acts to undo.

    Portions that are small enough are asked about together. Who undoes that photos were taken back
    is not asked.
    """
    node.send("POST", "/trash", {"ids": photos[:12]})
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        node.send("POST", "/trash", {"ids": photos[12:]})
    back = node.send("POST", "/trash/restore", {"ids": photos[:12]})["act"]
    second = node.send("POST", "/trash", {"ids": photos[12:]})["act"]
    return [second, node.send("POST", "/undo", {"act": back})["act"]]


@pytest.mark.parametrize("confirms", ["origin", "receiver"])
def test_a_burst_is_held_where_it_arrives_until_it_is_confirmed(
    tmp_path: Path, confirms: str
) -> None:
    make_samples(tmp_path / "card", COUNT)
    with daemons(tmp_path / "a", tmp_path / "b") as (origin, other):
        origin.start()
        photonic(origin.home, "import", str(tmp_path / "card"))
        join(origin, other)
        other.start("--peer", origin.listen[0])
        photos = sorted(origin.photos())
        assert len(photos) == COUNT
        other.wait_until(lambda: sorted(other.photos()) == photos)

        acts = _remove_unasked(origin, photos)
        assert _trashed(origin) == COUNT
        other.wait_until(partial(_is_held, other, COUNT))
        assert _trashed(other) == 0 and len(other.photos()) == COUNT, "they stay in sight"
        told = [problem["code"] for problem in other.status()["problems"]]
        assert told == ["trash.removals-held"]
        assert other.get("/photos", limit=1)["items"][0]["removal_held"]

        # It was a mistake: the acts are undone, and nothing is held any more.
        for act in acts:
            origin.send("POST", "/undo", {"act": act})
        other.wait_until(partial(_is_held, other, 0))
        other.wait_until(partial(_is_trashed, other, 0))  # of one act alone fewer are gone
        assert _trashed(origin) == _held(other) == 0

        # It is meant: somebody says so, here or there, and everybody follows.
        _remove_unasked(origin, photos)
        other.wait_until(partial(_is_held, other, COUNT))
        node = origin if confirms == "origin" else other
        name = origin.status()["node"]["id"]
        node.send("POST", "/trash/confirm", {"node": name})
        other.wait_until(partial(_is_trashed, other, COUNT))
        assert _held(other) == 0 and not other.status()["problems"]
