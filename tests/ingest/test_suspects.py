"""A file that ends its readers twice is left alone, by its bytes, over restarts, and told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest
import trio

from photonic import limits
from photonic.errors import FileSetAside, WorkerDied
from photonic.ids import BlobId
from photonic.ingest import suspects as module
from photonic.ingest.suspects import Suspect, Suspects
from photonic.ingest.workers import Workers
from photonic.world import World
from tests.cameras import GOOD
from tests.ingest.test_workers import BOUND_S, with_workers

BLOB = BlobId(b"\7" * 32)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / GOOD[0].name
    GOOD[0].make(path)
    return path


async def kill_readers(workers: Workers, count: int) -> None:
    """Kill the next `count` processes as soon as each is there."""
    seen: set[int] = set()
    while len(seen) < count:
        for pid in set(workers.pids) - seen:
            seen.add(pid)
            os.kill(pid, signal.SIGKILL)
        await trio.lowlevel.checkpoint()


def test_one_death_costs_a_second_look_and_two_put_the_file_aside(
    photo: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    book = Suspects(tmp_path / "suspects.json", World(), lambda blob, one: told.append(blob))

    async def work(workers: Workers) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill_readers, workers, 1)
            found = await workers.examine(photo, blob=BLOB)
        assert found.damage is None and not told and book.get(BLOB) is None
        await workers.examine(photo, blob=BLOB)
        os.kill(workers.pids[0], signal.SIGKILL)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill_readers, workers, 2)
            with pytest.raises(FileSetAside, match=r"IMG_0001.*signal 9"):
                await workers.examine(photo, blob=BLOB)
        assert told == [BLOB.hex()]
        pids = workers.pids
        with pytest.raises(FileSetAside):  # and no process is asked any more
            await workers.examine(photo, "another name.jpg", blob=BLOB)
        assert workers.pids == pids and told == [BLOB.hex()]
        other = BlobId(b"\x08" * 32)
        assert (await workers.examine(photo, blob=other)).damage is None

    with_workers(1, work, suspects=book)
    again = Suspects(tmp_path / "suspects.json", World())
    assert again.get(BLOB) == book.get(BLOB) is not None
    assert [one.name for one in again.list()] == ["IMG_0001.jpg"]


def test_a_file_that_hangs_twice_is_put_aside(photo: Path, tmp_path: Path) -> None:
    book = Suspects(tmp_path / "suspects.json", World())

    async def work(workers: Workers) -> None:
        await workers.examine(photo)
        workers._timeout_s = 0.0
        with pytest.raises(WorkerDied, match="longer"):
            await workers.examine(photo)  # no stored file: nothing to put aside
        with pytest.raises(FileSetAside, match="longer"):
            await workers.examine(photo, blob=BLOB)
        workers._timeout_s = BOUND_S
        with pytest.raises(FileSetAside):
            await workers.examine(photo, blob=BLOB)
        assert (await workers.examine(photo)).damage is None

    with_workers(1, work, suspects=book)


def test_another_version_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "suspects.json"
    Suspects(path, World()).put_aside(BLOB, "a.jpg", "it ended the process (signal 11)")
    monkeypatch.setattr(module, "__version__", "99.0")
    book = Suspects(path, World())
    assert book.get(BLOB) is None and book.list() == []


def test_the_list_is_bounded_and_a_broken_one_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SUSPECTS_MAX", 3)
    path = tmp_path / "suspects.json"
    book = Suspects(path, World())
    for number in range(5):
        book.put_aside(BlobId(bytes([number]) * 32), f"{number}.jpg", "it died")
    kept = msgspec.json.decode(path.read_bytes(), type=dict[str, Suspect])
    assert [one.name for one in kept.values()] == ["2.jpg", "3.jpg", "4.jpg"]
    path.write_bytes(b"[" * 100_000)
    assert Suspects(path, World()).list() == []
