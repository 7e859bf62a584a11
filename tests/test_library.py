"""A library takes photos in whole, and what a sidecar says later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import trio

from photonic import limits
from photonic.blobs.files import FileStore
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CAPTION, FACTS, FOLDER, RATING, TAGS
from photonic.crdt.fold import SubjectState
from photonic.drafts import MAIN_SIDECAR
from photonic.identity import Identity
from photonic.ids import BlobId, digest, photo_subject
from photonic.ingest.sidecar import read_marks
from photonic.layout import Layout
from photonic.library import Library
from photonic.membership import found_library
from photonic.p2p.planner import WantsAsked
from photonic.photos import BlobRef, Marks, NewPhoto, PhotoFacts, PreviewRef, Sidecar
from photonic.roles.presets import ROLES
from photonic.world import World

REF = BlobRef(BlobId(digest(b"original")), 8, digest(b"chunks"))
BOUND_S = 30.0


def xmp(rating: int, *keywords: str) -> bytes:
    words = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords)
    return f"""<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
        xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
        xmlns:dc="http://purl.org/dc/elements/1.1/">
        <rdf:RDF><rdf:Description xmp:Rating="{rating}"><dc:subject><rdf:Bag>{words}</rdf:Bag>
        </dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>""".encode()


class Shelf:
    """A running library with nothing around it."""

    def __init__(self, home: Path) -> None:
        world, layout = World(), Layout(home)
        identity = Identity.load_or_create(layout.node_key, world)
        record = found_library(
            layout, identity, name="Test", role="central", node_name="node", world=world
        )
        self.store = FileStore.open(layout.blobs, world)
        self.store.put(b"original")  # the bytes of REF
        self.changes = 0

        def count(event: object) -> None:
            self.changes += len(getattr(event, "changes", ()))

        self.library = Library(
            layout, record, identity, ROLES["central"], self.store, world, count, lambda _: None
        )

    async def state(self) -> SubjectState:
        return await self.library.keeper.call(lambda c: c.state(photo_subject(REF.blob)))

    async def edit(self, rating: int) -> None:
        draft = Draft(photo_subject(REF.blob), {RATING: rating})
        await self.library.keeper.call(lambda catalog: catalog.write([draft]))

    def sidecar(self, name: str, data: bytes) -> Sidecar:
        return Sidecar(name, self.store.put(data).ref, read_marks(data, name))

    async def amend(self, *sidecars: Sidecar) -> int:
        return await self.library.amend([(REF.blob, sidecars)])


def run(home: Path, work: Callable[[Shelf], Awaitable[None]]) -> None:
    async def main() -> None:
        with trio.fail_after(BOUND_S):
            shelf = Shelf(home)
            async with anyio.create_task_group() as tasks:
                await tasks.start(shelf.library.run)
                await work(shelf)
                tasks.cancel_scope.cancel()
            shelf.store.close()

    trio.run(main)


def new_photo(sidecar: Sidecar | None = None) -> NewPhoto:
    return NewPhoto(
        original=REF,
        name="late.jpg",
        folder="",
        facts=PhotoFacts(media_type="image/jpeg"),
        sidecar=sidecar,
    )


def rating(state: SubjectState) -> list[object]:
    return [version.value for version in state.fields[RATING].versions]


def test_a_late_sidecar_is_one_change_and_the_same_one_again_is_none(tmp_path: Path) -> None:
    async def work(shelf: Shelf) -> None:
        await shelf.library.add([new_photo()])
        late = shelf.sidecar("late.jpg.xmp", xmp(4, "sea"))
        before = shelf.changes
        assert await shelf.amend(late) == 1
        assert await shelf.amend(late) == 0
        assert shelf.changes == before + 1
        state = await shelf.state()
        assert rating(state) == [4]
        assert list(state.tags[TAGS]) == ["sea"]
        assert state.fields[MAIN_SIDECAR].versions[0].value[0] == late.ref.blob

    run(tmp_path, work)


def test_a_sidecar_that_is_written_anew_says_only_what_it_did_not_say_before(
    tmp_path: Path,
) -> None:
    async def work(shelf: Shelf) -> None:
        await shelf.library.add([new_photo(shelf.sidecar("late.jpg.xmp", xmp(1, "sea")))])
        await shelf.edit(5)
        assert await shelf.amend(shelf.sidecar("late.jpg.xmp", xmp(1, "sea", "sky"))) == 1
        state = await shelf.state()
        assert rating(state) == [5], "darktable developed it, and judged nothing"
        assert list(state.tags[TAGS]) == ["sea", "sky"]
        assert await shelf.amend(shelf.sidecar("late.jpg.xmp", xmp(3, "sea", "sky"))) == 1
        assert rating(await shelf.state()) == [3]

    run(tmp_path, work)


def test_a_better_sidecar_leaves_the_one_before_it_in_the_catalog(tmp_path: Path) -> None:
    async def work(shelf: Shelf) -> None:
        adobe = shelf.sidecar("late.xmp", xmp(2))
        await shelf.library.add([new_photo(adobe)])
        ours = shelf.sidecar("late.jpg.xmp", xmp(3))
        assert await shelf.amend(ours, adobe) == 1
        assert await shelf.amend(ours, adobe) == 0
        fields = (await shelf.state()).fields
        assert fields[MAIN_SIDECAR].versions[0].value[0] == ours.ref.blob
        assert fields["sidecar/late.xmp"].versions[0].value[0] == adobe.ref.blob

    run(tmp_path, work)


def test_a_photo_of_which_only_the_catalog_knew_brings_its_sidecar(tmp_path: Path) -> None:
    async def work(shelf: Shelf) -> None:
        await shelf.library.add([new_photo()])
        await shelf.library.add([new_photo(shelf.sidecar("late.jpg.xmp", xmp(4)))])
        assert rating(await shelf.state()) == [4]

    run(tmp_path, work)


def test_the_longest_photo_fits_into_a_change_and_keeps_what_a_person_said(tmp_path: Path) -> None:
    wide = "\U0001f4f7"
    name, caption = wide * limits.NAME_CHARS_MAX, wide * limits.CAPTION_CHARS_MAX
    count = limits.KEYWORDS_CHARS_MAX // 32
    words = tuple(f"{number:03}" + wide * 29 for number in range(count))
    facts = PhotoFacts(
        media_type="image/jpeg",
        camera_make=name,
        camera_model=name,
        camera_serial=name,
        lens=name,
        label=name,
        title=name,
        caption=caption,
        keywords=words,
    )
    marks = Marks(rating=5, label=name, title=name, caption=caption, keywords=words)
    others = [
        Sidecar(f"{number:02}" + "\ufffd" * 250, REF, Marks())
        for number in range(1, limits.SIDECARS_PER_PHOTO_MAX)
    ]
    photo = NewPhoto(
        original=REF,
        name="\ufffd" * 255,
        folder="\ufffd" * 4_000,
        facts=facts,
        previews=tuple(PreviewRef(edge, edge, edge, REF) for edge in limits.PREVIEW_EDGES_PX),
        sidecar=Sidecar("\ufffd" * 255, REF, marks),
        other_sidecars=tuple(others),
    )

    async def work(shelf: Shelf) -> None:
        await shelf.library.add([photo])
        state = await shelf.state()
        assert rating(state) == [5]
        assert set(state.tags[TAGS]) == set(words)
        assert state.fields[CAPTION].versions[0].value.startswith(wide * 1_000)
        assert sum(field.startswith("sidecar/") for field in state.fields) == 16
        assert state.fact(FACTS)["lens"] == name and state.fact(FOLDER)

    run(tmp_path, work)


def test_originals_are_not_wanted_while_they_wait_on_a_metered_link(tmp_path: Path) -> None:
    async def work(shelf: Shelf) -> None:
        library = shelf.library
        await library.add([new_photo()])
        await library.keeper.call(
            lambda catalog: library.keeper.index.mark_held([REF.blob], is_held=False)
        )
        asked = WantsAsked(10, frozenset((library.identity.node,)))

        async def wanted() -> list[bytes]:
            return [want.ref.blob for want in (await library.wanted(asked)).wants]

        assert await wanted() == [REF.blob]
        library.holds_originals = lambda: True
        assert await wanted() == []

    run(tmp_path, work)
