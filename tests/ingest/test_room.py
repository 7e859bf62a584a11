"""A file is copied only where its previews will fit, too; what is there is not copied again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.errors import StoreFull
from photonic.ids import BlobId, digest
from photonic.ingest.room import Room
from photonic.world import World

MIB = limits.MIB
QUOTA_BYTES = limits.QUOTA_BYTES_MIN
DATA = bytes(MIB)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore.open(tmp_path / "store", World(), QUOTA_BYTES)


def card(folder: Path, number: int) -> tuple[Path, BlobId]:
    data = DATA + bytes([number])
    path = folder / f"{number}.jpg"
    path.write_bytes(data)
    return path, BlobId(digest(data))


def test_previews_that_are_still_to_be_made_keep_their_room(
    store: FileStore, tmp_path: Path
) -> None:
    async def work() -> None:
        room, copied = Room(store), 0
        with suppress(StoreFull):
            while True:
                await room.take()
                room.copy(*card(tmp_path, copied)).finish()
                copied += 1
        assert copied > 2
        room.give_back()  # of the one that found no room
        left_bytes = QUOTA_BYTES - copied * len(DATA)
        assert left_bytes >= copied * limits.IMPORT_PREVIEWS_BYTES, "all of theirs still fit"
        room.give_back(copied)  # they were small
        await room.take()
        room.copy(*card(tmp_path, copied)).finish()

    trio.run(work)


def test_what_an_earlier_try_left_is_not_copied_again(store: FileStore, tmp_path: Path) -> None:
    async def work() -> None:
        room = Room(store)
        path, blob = card(tmp_path, 1)
        await room.take()
        room.copy(path, blob).finish()
        path.unlink()
        assert room.copy(path, blob).missing_bytes == 0

    trio.run(work)


def test_a_file_waits_until_there_is_a_way(store: FileStore, tmp_path: Path) -> None:
    async def work() -> None:
        room, opens = Room(store), trio.Event()
        room.make_way = opens.wait
        taken: list[bool] = []

        async def take() -> None:
            await room.take()
            taken.append(True)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            assert not taken
            opens.set()
        assert taken

    trio.run(work)
