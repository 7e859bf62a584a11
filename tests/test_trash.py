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
from photonic.crdt.fields import CONFIRMED, RATING
from photonic.crdt.query import RemovalRow
from photonic.edits import Chosen, Edits
from photonic.errors import BlobMissing, QueryInvalid, RemovalUnconfirmed
from photonic.finder import Finder
from photonic.grace import Grace
from photonic.identity import Identity
from photonic.ids import REMOVALS, BlobId, Subject, photo_subject
from photonic.layout import Layout
from photonic.library import Library
from photonic.membership import found_library
from photonic.photos import NewPhoto, PhotoFacts
from photonic.roles.presets import ROLES
from photonic.showing import iso_utc
from photonic.trash import Trash, begin_ms
from photonic.world import World
from simulations.world import VirtualClock

_DAY_MS, _HOUR_MS = 24 * 3600 * 1000, 3600 * 1000
Story = Callable[["Desk"], Awaitable[None]]


class LeapingClock(VirtualClock):
    """A wall clock that leaps while nothing else does."""

    def leap(self, by_ms: int) -> None:
        self._skew_ms += by_ms


class Desk:
    """One node's library with a real store, on a clock that the test turns."""

    def __init__(self, home: Path) -> None:
        self.clock = LeapingClock(1_700_000_000_000)
        self.world = World(clock=self.clock)
        layout = Layout(home)
        self._counted = home / "grace.json"
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
            self.grace(),
        )

    def grace(self) -> Grace:
        """What counts the days of the trash after a start."""
        return Grace(30, self.world, self._counted)

    async def days(self, count: int) -> int:
        """Let days pass, each with its look at the trash; return how many photos went."""
        gone = 0
        for _ in range(count):
            self.clock.advance(_DAY_MS)
            gone += (await self.trash.empty()).photos
        return gone

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
        await desk.trash.empty()
        (thrown,) = (await desk.trash.page(10, None)).items
        assert thrown.purge_at == iso_utc(desk.clock.now_ms() + 30 * _DAY_MS)
        assert await desk.days(29) == 0 and desk.store.has(first)
        desk.clock.advance(_DAY_MS)
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
        await desk.days(29)
        assert (await desk.trash.restore(Chosen(q=""))).count == 1
        assert await desk.days(40) == 0 and desk.store.has(photo)
        assert await desk.library.drop(photo) == 0, "the catalog is asked once more"

    play(tmp_path, story)


@pytest.mark.parametrize("leap_days", [1, 29, 31, 400, 4_500, -1, -40, -19_000])
def test_a_clock_that_leaps_ends_no_grace(tmp_path: Path, leap_days: int) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.empty()
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=False)
        assert await desk.days(5) == 0
        desk.clock.leap(leap_days * _DAY_MS)
        for _ in range(40):  # in vain, again and again
            assert (await desk.trash.empty()).photos == 0
        assert await desk.days(20) == 0
        desk.clock.leap(-leap_days * _DAY_MS)
        assert await desk.days(4) == 0 and desk.store.has(photo)
        assert await desk.days(3) == 1, "but what was counted is not lost"

    play(tmp_path, story)


def test_starts_with_a_wrong_clock_free_what_a_day_would(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.empty()
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=False)
        assert await desk.days(28) == 0
        desk.clock.leap(4_500 * _DAY_MS)
        for _ in range(40):  # a process that crashes, over and over
            desk.trash._grace = desk.grace()
            assert (await desk.trash.empty()).photos == 0
        (thrown,) = (await desk.trash.page(10, None)).items
        assert thrown.purge_at == iso_utc(desk.clock.now_ms() + _DAY_MS)
        assert await desk.days(1) == 1 and not desk.store.has(photo)

    play(tmp_path, story)


def test_the_grace_counts_from_the_later_of_the_removal_and_hearing_of_it(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.empty()
        now_ms, node = desk.clock.now_ms(), desk.identity.node
        for at_ms, since_ms in ((now_ms, 0), (0, now_ms), (now_ms + 5, now_ms)):
            row = RemovalRow(photo, node, at_ms, since_ms, held=False)
            assert begin_ms(row) == max(at_ms, since_ms)

    play(tmp_path, story)


def test_a_file_that_is_still_in_its_folder_does_not_bring_the_photo_back(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        (photo,) = await desk.take_in(1)
        await desk.trash.discard(Chosen(ids=[photo.hex()]), confirm=False)
        assert await desk.library.known(photo)
        assert await desk.days(40) == 1
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


def test_what_was_removed_within_the_hour_counts_before_others_would_ask(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        ids = [photo.hex() for photo in await desk.take_in(60)]
        await desk.trash.discard(Chosen(ids=ids[:12]), confirm=False)
        desk.clock.advance(_HOUR_MS - 1)
        with pytest.raises(RemovalUnconfirmed, match="9 photos are meant after 12 within the last"):
            await desk.trash.discard(Chosen(ids=ids[12:21]), confirm=False)
        counted = await desk.trash.discard(Chosen(ids=ids[12:21]), confirm=False, dry_run=True)
        assert counted.count == 9, "who only asks is told"
        assert (await desk.trash.discard(Chosen(ids=ids[12:20]), confirm=False)).count == 8
        assert await confirmed_ms(desk) is None, "nobody said that it is meant"
        desk.clock.advance(1)
        assert (await desk.trash.discard(Chosen(ids=ids[20:32]), confirm=False)).count == 12
        done = await desk.trash.discard(Chosen(ids=ids[32:34]), confirm=True)
        assert done.count == 2 and await confirmed_ms(desk) == desk.clock.now_ms()

    play(tmp_path, story)


def test_how_many_may_go_follows_from_what_there_was_when_they_began_to_go(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        first = [photo.hex() for photo in await desk.take_in(21)]
        desk.clock.advance(_HOUR_MS)
        await desk.trash.discard(Chosen(ids=first[:1]), confirm=False)
        desk.clock.advance(1_000)
        await desk.take_in(440)  # a twentieth of them all is 23
        assert desk.library.query.totals(()).photos == 461
        with pytest.raises(RemovalUnconfirmed):
            await desk.trash.discard(Chosen(ids=first[1:]), confirm=False)
        desk.clock.advance(_HOUR_MS)
        assert (await desk.trash.discard(Chosen(ids=first[1:]), confirm=False)).count == 20

    play(tmp_path, story)


async def confirmed_ms(desk: Desk) -> object:
    subject = Subject(REMOVALS, desk.identity.node)
    return await desk.library.keeper.call(lambda catalog: catalog.state(subject).fact(CONFIRMED))


def test_a_query_for_what_to_take_back_is_read_as_it_was_given(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        photos = await desk.take_in(3)
        await desk.trash.discard(Chosen(ids=[one.hex() for one in photos[:2]]), confirm=False)
        with pytest.raises(QueryInvalid) as wrong:
            await desk.trash.restore(Chosen(q="img colour:red"))
        assert "colour" in wrong.value.message
        with pytest.raises(QueryInvalid) as expected:
            await desk.edits.count(Chosen(q="img colour:red"))
        assert wrong.value.message == expected.value.message, "at the same place"
        assert (await desk.trash.restore(Chosen(q="IMG_2"))).count == 0, "it is not in the trash"
        assert (await desk.trash.restore(Chosen(q="IMG_0 sort:added"))).count == 1
        assert (await desk.trash.restore(Chosen(q="IMG_9 or IMG_1"))).count == 1
        assert not (await desk.trash.page(10, None)).items

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
