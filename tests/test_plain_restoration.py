"""Photos as plain files: where each lies, which sidecars lie beside it, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from photonic.archived_home import opened
from photonic.blobs.files import FileStore
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import FACTS, FOLDER, NAME, TITLE, TRASHED
from photonic.errors import ExportUnwritable
from photonic.identity import Identity
from photonic.ids import Subject
from photonic.ingest.sidecar import read_marks
from photonic.ingest.xmp import sidecar_xml
from photonic.journal.journal import Journal
from photonic.layout import Layout
from photonic.photos import Marks
from photonic.plain_restoration import restore_plainly
from photonic.restoration import Restored
from tests.test_restoration import PHOTOS, WORLD, Archive, original

TAKEN = {"media_type": "image/jpeg", "taken": "2024-05-17T09:30:12"}


class Edited(Archive):
    """An archive that somebody worked with: `say` writes changes, `keep` stores a sidecar."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        layout = Layout(home, WORLD)
        self._journal = Journal(layout.journal(self.library))
        identity = Identity.load_or_create(layout.node_key, WORLD, layout.vault)
        self.catalog = Catalog(self.library, identity, self._journal, WORLD)
        self.store = FileStore.open(layout.blobs, WORLD)
        subjects = [s for number in range(256) for s in self.catalog.subjects(number)]
        names = {str(self.catalog.state(s).fields[NAME].versions[0].value): s for s in subjects}
        self.photos = [names[f"IMG_{number}.JPG"] for number in range(PHOTOS)]

    def say(self, photo: Subject, **sets: Any) -> None:
        self.catalog.write([Draft(photo, {n.replace("__", "/"): v for n, v in sets.items()})])
        self.catalog.flush()

    def keep(self, marks: Marks) -> list[object]:
        ref = self.store.put(sidecar_xml(marks)).ref
        return [ref.blob, ref.size_bytes, ref.chunks]

    def close(self) -> None:
        self.catalog.close()
        self._journal.close()
        self.store.close()


def restore(folder: Path, out: Path) -> Restored:
    with opened(folder) as archive:
        return restore_plainly(archive, out, None, WORLD, lambda _what, _count: None)


def marks_in(path: Path) -> Marks:
    return read_marks(path.read_bytes(), path.name)


def test_each_photo_has_a_place_and_beside_it_what_is_known(tmp_path: Path) -> None:
    archive = Edited(tmp_path / "archive")
    dated, twin, with_sidecar, trashed, contested, odd = archive.photos[:6]
    archive.say(dated, **{FACTS: TAKEN, TITLE: "Harbour"})
    archive.say(twin, **{FACTS: TAKEN, NAME: "img_0.jpg"})  # the same name, on many a disk
    old = Marks(rating=2, title="2", keywords=("sea",))
    archive.say(with_sidecar, sidecar__xmp=archive.keep(old), **{TITLE: "Newer"})
    archive.say(trashed, **{TRASHED: True})
    first, second = (archive.keep(Marks(rating=n, label="red")) for n in (1, 5))
    archive.say(contested, sidecar__xmp=first, **{"sidecar/IMG_4_01.JPG.xmp": second})
    archive.say(odd, **{FOLDER: "../../etc", NAME: "pass/wd"})
    archive.close()
    out = tmp_path / "out"
    told = restore(archive.home, out)
    assert told.is_whole and told.photos == PHOTOS
    day = out / "photos" / "2024" / "2024-05-17"
    names = sorted(path.name for path in day.iterdir() if path.suffix.casefold() == ".jpg")
    assert len(names) == 2 and sum("~" in name for name in names) == 1, "each has a name"
    contents = {path.read_bytes() for path in day.iterdir() if path.suffix.casefold() == ".jpg"}
    assert contents == {original(0), original(1)}
    harbour = [p for p in day.glob("*.xmp") if marks_in(p).title == "Harbour"]
    assert len(harbour) == 1 and harbour[0].with_suffix("").read_bytes() == original(0)
    card = out / "photos" / "undated" / "card"
    assert (card / "IMG_2.JPG.xmp").read_bytes() == sidecar_xml(old), "as it came"
    assert marks_in(card / "IMG_2.xmp").title == "Newer", "and what is known since"
    assert marks_in(card / "IMG_4.JPG.xmp").rating == 1
    assert marks_in(card / "IMG_4_01.JPG.xmp").rating == 5
    assert (out / "trash" / "undated" / "card" / "IMG_3.JPG").read_bytes() == original(3)
    assert not (card / "IMG_3.JPG").exists()
    files = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".xmp"]
    found = {path.read_bytes() for path in files if "catalog" not in path.parts}
    assert {original(number) for number in range(PHOTOS)} <= found
    assert not (tmp_path / "etc").exists() and not (out / ".restoring").exists()


def test_what_says_no_more_than_the_sidecar_that_came_is_not_written_again(
    tmp_path: Path,
) -> None:
    archive = Edited(tmp_path / "archive")
    photo = archive.photos[2]
    archive.say(photo, sidecar__xmp=archive.keep(Marks(rating=2, title="2", keywords=("sea",))))
    archive.close()
    restore(archive.home, tmp_path / "out")
    card = tmp_path / "out" / "photos" / "undated" / "card"
    assert (card / "IMG_2.JPG.xmp").exists() and not (card / "IMG_2.xmp").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(ExportUnwritable):
        restore(archive.home, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
