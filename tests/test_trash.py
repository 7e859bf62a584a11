"""What is in the trash stays for its days, may be taken back, and goes only if nobody needs it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
import trio

from photonic.blobs.files import FileStore
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING
from photonic.crdt.query import RemovalRow
from photonic.edits import Chosen, Edits
from photonic.errors import BlobMissing, RemovalUnconfirmed
from photonic.finder import Finder
from photonic.identity import Identity
from photonic.ids import BlobId, photo_subject
from photonic.layout import Layout
from photonic.library import Library
from photonic.membership import found_library
from photonic.photos import NewPhoto, PhotoFacts
from photonic.roles.presets import ROLES
from photonic.trash import Trash
from photonic.world import World
from simulations.world import VirtualClock

_DAY_MS = 24 * 3600 * 1000
Story = Callable[["Desk"], Awaitable[None]]


class Desk:
    """One node's library with a real store, on a clock that the test turns."""

    def __init__(self, home: Path) -> None:
        self.clock = VirtualClock(1_700_000_000_000)
        self.world = World(clock=self.clock)
        layout = Layout(home)
        self.identity = Identity.load_or_create(layout.node_key, self.world)
        record = found_library(
            layout, self.identity, name="Test", role="central", node_name="here", world=self.world
        )
        self.store = FileStore.open(layout.blobs, self.world)
        self.library = Library(
            layout,
            record,
            self.identity,
            ROLES["central"],
            self.store,
            self.world,
            lambda event: None,
            lambda committed: None,
        )
        finder = Finder(self.library.query, self.clock)
        self.edits = Edits(self.library.keeper, finder, self.world.entropy)
        self.trash = Trash(
            self.library.keeper,
            self.library.query,
            self.edits,
            self.identity.node,
            self.clock,
            lambda node: "here",
            self.library.drop,
            30,
        )

    async def take_in(self, count: int) -> list[BlobId]:
        photos = []
        for number in range(count):
            ref = (await trio.to_thread.run_sync(self.store.put, os.urandom(2_000))).ref
            photos.append(
                NewPhoto(
                    original=ref,
                    name=f"IMG_{number}.JPG",
                    folder="",
                    facts=PhotoFacts(media_type="image/jpeg"),
                )
            )
        await self.library.add(photos)
        return [photo.original.blob for photo in photos]


def play(tmp_path: Path, story: Story) -> None:
    async def run() -> None:
        desk = Desk(tmp_path / "home")
        with trio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                await tasks.start(desk.library.run)
                await story(desk)
                tasks.cancel_scope.cancel()
        desk.store.close()

    trio.run(run)


def test_what_is_in_the_trash_goes_after_its_days_and_not_before(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first, second = await desk.take_in(2)
        done = await desk.trash.discard(Chosen(ids=[first.hex()]), confirm=False)
        assert done.count == 1 and done.act
        desk.clock.advance(29 * _DAY_MS)
        assert (await desk.trash.empty()).photos == 0 and desk.store.has(first)
        desk.clock.advance(2 * _DAY_MS)
        gone = await desk.trash.empty()
        assert (gone.photos, gone.bytes) == (1, 2_000)
        assert not desk.store.has(first) and desk.store.has(second)
        said = await desk.library.keeper.call(
            lambda catalog: catalog.directory.holding(first, desk.identity.node)
        )
        assert said is False, "it is said to be dropped"
        missing = desk.library.query.missing(("original",), [desk.identity.node], 10)
        assert not missing, "nobody fetches what is in the trash"

    play(tmp_path, story)


def test_what_was_taken_back_is_never_dropped(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=False)
        assert (await desk.trash.page(10, None)).items[0].photo.id == photo.hex()
        desk.clock.advance(40 * _DAY_MS)
        assert (await desk.trash.restore(Chosen(q=""))).count == 1
        assert (await desk.trash.empty()).photos == 0 and desk.store.has(photo)
        assert await desk.library.drop(photo) == 0, "the catalog is asked once more"

    play(tmp_path, story)


def test_a_wrong_clock_can_only_delay(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        now_ms = desk.clock.now_ms()
        for at_ms, since_ms in ((now_ms, 0), (0, now_ms), (now_ms + 5, now_ms)):
            row = RemovalRow(photo, desk.identity.node, at_ms, since_ms, held=False)
            assert desk.trash._goes_ms(row) == max(at_ms, since_ms) + 30 * _DAY_MS

    play(tmp_path, story)


def test_a_file_that_is_still_in_its_folder_does_not_bring_the_photo_back(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=False)
        assert await desk.library.known(photo)
        desk.clock.advance(40 * _DAY_MS)
        await desk.trash.empty()
        assert await desk.library.known(photo), "not even when its bytes are gone"
        await desk.trash.restore(Chosen(ids=[photo.hex()]))
        assert not await desk.library.known(photo), "now it may be taken in again"

    play(tmp_path, story)


def test_nobody_is_told_of_bytes_that_left_the_store_meanwhile(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        ref = next(ref for ref in desk.store.refs() if ref.blob == photo)
        desk.store.discard(photo)
        assert not desk.store.has(photo) and not desk.store.has_many([photo])
        facts = PhotoFacts(media_type="image/jpeg")
        with pytest.raises(BlobMissing):
            await desk.library.add([NewPhoto(original=ref, name="a", folder="", facts=facts)])
        with pytest.raises(BlobMissing):
            await desk.library.arrived([ref])

    play(tmp_path, story)


def test_so_many_that_others_would_ask_are_asked_about_here_first(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        await desk.take_in(25)
        with pytest.raises(RemovalUnconfirmed):
            await desk.trash.discard(Chosen(q="img"), confirm=False)
        assert not (await desk.trash.page(100, None)).items, "nothing was written"
        done = await desk.trash.discard(Chosen(q="img"), confirm=True)
        assert done.count == 25
        assert len((await desk.trash.page(100, None)).items) == 25
        assert not await desk.trash.held()

    play(tmp_path, story)


def test_a_trashed_photo_that_somebody_edits_stays_there_and_one_that_is_kept_apart_is_shown(
    tmp_path: Path,
) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=False)
        await desk.library.keeper.call(
            lambda catalog: catalog.write([Draft(photo_subject(photo), {RATING: 5})])
        )
        assert len((await desk.trash.page(10, None)).items) == 1

    play(tmp_path, story)
