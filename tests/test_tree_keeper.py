"""The tree follows a real catalog and a real store, and what is written there goes back to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
import trio

from photonic import limits
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING, TRASHED
from photonic.ids import BlobId, digest, photo_subject
from photonic.photos import NewPhoto, PhotoFacts
from photonic.problems import Problems
from photonic.tree_catalog import TreeCatalog
from photonic.tree_keeper import TreeKeeper, TreePlace
from photonic.world import World
from tests.test_library import Shelf, xmp

BOUND_S = 60.0
TAKEN = "2024-05-17T09:30:12"
FOLDER = "2024/2024-05-17 Iceland"


class Studio(Shelf):
    """A running library whose photos are shown in a tree."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.home, self.problems = home, Problems()
        self.seen: dict[str, bytes] = {}
        self.moved: list[str] = []
        self._news = trio.Event()
        keeper = self.library.keeper
        catalog = TreeCatalog(
            keeper, self.library.identity.node, World().entropy.token, keeper.index.mark_held
        )
        place = TreePlace(
            home / "tree", home / "tree.db", home / "blobs", "{year}/{date} {shoot}/{name}"
        )
        self.tree = TreeKeeper(place, catalog, self.store, World(), self.problems, self._look)
        self.library._announce = self.tree.hear

    def _look(self) -> None:
        """Note what is shown, and whether any path shows other bytes than before."""
        now = self.shown()
        for path, data in self.seen.items():
            if not path.endswith(".xmp") and now.get(path, data) != data:
                self.moved.append(path)
        self.seen |= now
        self._news.set()
        self._news = trio.Event()

    def shown(self) -> dict[str, bytes]:
        root = self.home / "tree"
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and ".photonic" not in path.parts
        }

    async def wait(self, is_so: Callable[[], bool]) -> None:
        with trio.fail_after(BOUND_S):
            while not is_so():
                with trio.move_on_after(1.0):  # a file may be otherwise without a word
                    await self._news.wait()

    def photo(self, data: bytes, name: str = "IMG.jpg") -> NewPhoto:
        ref = self.store.put(data).ref
        facts = PhotoFacts(media_type="image/jpeg", taken=TAKEN)
        return NewPhoto(original=ref, name=name, folder="Iceland", facts=facts)


@asynccontextmanager
async def studio(home: Path) -> AsyncIterator[Studio]:
    made = Studio(home)
    async with anyio.create_task_group() as tasks:
        await tasks.start(made.library.run)
        tasks.start_soon(made.tree.run)
        yield made
        tasks.cancel_scope.cancel()
    made.store.close()


def run(work: Callable[[], Awaitable[None]]) -> None:
    trio.run(work)


def test_photos_of_one_name_that_are_named_one_after_another_never_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TREE_BATCH_MAX", 1)

    async def story() -> None:
        async with studio(tmp_path) as here:
            some = [here.photo(bytes([number]) * 100) for number in range(6)]
            await here.library.add(some)
            await here.wait(lambda: len(here.shown()) == 6)
            assert here.moved == []
            marked = [path for path in here.shown() if "~" in path]
            assert len(marked) == 5 and f"{FOLDER}/IMG.jpg" in here.shown()

    run(story)


def test_a_photo_comes_goes_with_the_trash_and_comes_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with studio(tmp_path) as here:
            photo = here.photo(b"one")
            await here.library.add([photo])
            await here.wait(lambda: here.shown() == {f"{FOLDER}/IMG.jpg": b"one"})
            subject = photo_subject(photo.original.blob)
            for value, shown in ((True, {}), (None, {f"{FOLDER}/IMG.jpg": b"one"})):
                draft = Draft(subject, {TRASHED: value})
                await here.library.keeper.call(partial(Catalog.write, drafts=[draft]))
                await here.wait(lambda shown=shown: here.shown() == shown)  # type: ignore[misc]

    run(story)


def test_what_goes_leaves_the_tree_before_its_bytes_are_gone(tmp_path: Path) -> None:
    """The catalog says that a copy goes; from then on the tree does not keep it on the disk."""

    async def story() -> None:
        async with studio(tmp_path) as here:
            photo = here.photo(b"one")
            await here.library.add([photo])
            await here.wait(lambda: len(here.shown()) == 1)
            blob = photo.original.blob
            await here.library.keeper.call(lambda c: c.hold({blob: False}))
            await here.wait(lambda: here.shown() == {})
            assert here.store.has(blob)

    run(story)


def test_a_sidecar_that_is_written_becomes_a_version_and_its_words_fields(tmp_path: Path) -> None:
    async def story() -> None:
        async with studio(tmp_path) as here:
            photo = here.photo(b"one")
            await here.library.add([photo])
            await here.wait(lambda: len(here.shown()) == 1)
            path = here.home / "tree" / FOLDER / "IMG.jpg.xmp"
            await _write(path, xmp(4, "sea"))
            subject = photo_subject(photo.original.blob)
            await here.wait(lambda: here.tree.progress.taken_in == 1)
            state = await here.library.keeper.call(lambda c: c.state(subject))
            assert state.fields[RATING].versions[0].value == 4
            blob = BlobId(state.fields["sidecar/darktable"].versions[0].value[0])
            assert blob == digest(xmp(4, "sea")) and here.store.has(blob)
            inode = path.stat().st_ino
            await _write(path, xmp(5, "sea"))
            await here.wait(lambda: here.tree.progress.taken_in == 2)
            state = await here.library.keeper.call(lambda c: c.state(subject))
            assert len(state.fields["sidecar/darktable"].versions) == 1
            assert path.stat().st_ino == inode, "what somebody wrote stays the file that it is"

    run(story)


def test_half_a_sidecar_waits_for_the_rest(tmp_path: Path) -> None:
    async def story() -> None:
        async with studio(tmp_path) as here:
            await here.library.add([here.photo(b"one")])
            await here.wait(lambda: len(here.shown()) == 1)
            path, whole = here.home / "tree" / FOLDER / "IMG.jpg.xmp", xmp(4)
            await _write(path, whole[: len(whole) // 2])
            await here.wait(lambda: len(here.problems) == 1)
            assert here.tree.progress.taken_in == 0
            await _write(path, whole)
            await here.wait(lambda: here.tree.progress.taken_in == 1)
            assert len(here.problems) == 0

    run(story)


async def _write(path: Path, data: bytes) -> None:
    await trio.Path(path).write_bytes(data)
