"""The tree is what catalog and store say, and nothing in it moves."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic.errors import TreeElsewhere, TreeTaken
from photonic.ids import BlobId
from photonic.tree.disk import TreeDisk
from photonic.tree.writing import find_kept
from tests.tree.shelf import WRITERS, TreeShelf

A, B = "2024/2024-05-17 Iceland/IMG_1.CR3", "2024/2024-05-17 Iceland/IMG_2.CR3"
BIG = b"\xff\xd8" + b"raw" * 40_000


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[TreeShelf]:
    shelf = TreeShelf(tmp_path)
    yield shelf
    shelf.close()


def test_a_photo_is_a_read_only_link_to_the_stored_file(shelf: TreeShelf) -> None:
    photo = shelf.add(BIG, A, sidecars=[("xmp", b"<x/>")])
    shelf.build()
    status, stored = (shelf.root / A).stat(), shelf.store.path(photo).stat()
    assert status.st_ino == stored.st_ino and stat.S_IMODE(status.st_mode) == 0o444
    assert shelf.shown() == {A: BIG, A + ".xmp": b"<x/>"}
    assert (shelf.root / (A + ".xmp")).stat().st_nlink == 1, "a sidecar is a file of its own"


def test_a_small_blob_that_lay_in_a_pack_gets_a_file_of_its_own(shelf: TreeShelf) -> None:
    shelf.add(b"small", A)
    shelf.build()
    assert shelf.shown() == {A: b"small"}


def test_what_is_not_held_is_not_shown_and_appears_when_it_came(shelf: TreeShelf) -> None:
    photo = shelf.add(BIG, A)
    shelf.store.discard(photo)
    shelf.build()
    assert shelf.shown() == {}
    shelf.store.put(BIG)
    shelf.build()
    assert shelf.shown() == {A: BIG}


def test_a_damaged_file_leaves_the_tree_and_is_another_one_when_it_was_repaired(
    shelf: TreeShelf,
) -> None:
    photo = shelf.add(BIG, A)
    shelf.build()
    path = shelf.store.path(photo)
    path.chmod(0o644)
    path.write_bytes(b"rotten" * 10)
    shelf.store.verify_many([photo])
    shelf.builder.build([photo])
    assert shelf.shown() == {}, "no unverified byte is shown"
    shelf.store.put(BIG)
    shelf.builder.build([photo])
    assert shelf.shown() == {A: BIG}


def test_a_photo_in_the_trash_goes_and_comes_back_to_its_path(shelf: TreeShelf) -> None:
    photo = shelf.add(BIG, A)
    shelf.build()
    shelf.pictures[photo] = msgspec.structs.replace(shelf.pictures[photo], shows=False)
    shelf.build()
    assert shelf.shown() == {} and not (shelf.root / "2024").exists()
    shelf.pictures[photo] = msgspec.structs.replace(shelf.pictures[photo], shows=True)
    shelf.build()
    assert shelf.shown() == {A: BIG}


def test_building_again_changes_neither_paths_nor_inodes(shelf: TreeShelf) -> None:
    some = [shelf.add(BIG, A, sidecars=[("xmp", b"<x/>")]), shelf.add(b"b", B, at=9)]
    shelf.build()
    before = shelf.listing()
    assert shelf.builder.build(some).shown == 0
    shelf.close()
    shelf.open()
    assert shelf.builder.build(some).shown == 0
    assert shelf.listing() == before


def test_with_another_ledger_the_same_tree_comes_out(shelf: TreeShelf) -> None:
    gone = shelf.add(b"gone", "2024/gone.jpg", at=5)
    shelf.add(BIG, A, sidecars=[("xmp", b"<x/>"), ("darktable", b"<y/>"), ("darktable", b"<z/>")])
    shelf.build()
    before = shelf.listing()
    shelf.close()
    for path in shelf.folder.glob("tree.db*"):
        path.unlink()
    del shelf.pictures[gone]
    shelf.open()
    assert shelf.ledger.is_new
    shelf.build()
    shelf.builder.clear_strays()
    before.pop("2024/gone.jpg")
    assert shelf.listing() == before
    assert shelf.shown() == {A: BIG, A + ".xmp": b"<y/>", A[:-4] + "_01.CR3.xmp": b"<z/>"}


def test_from_nothing_the_same_tree_comes_out(shelf: TreeShelf, tmp_path: Path) -> None:
    """Ledger and tree are gone; another node, where all came in another order, has the same."""
    other = TreeShelf(tmp_path / "other")
    said = [(b"1", A, 4), (b"2", A, 2), (b"3", A.lower(), 3), (b"4", B, 1)]
    for data, path, at in said:
        shelf.add(data, path, at=at)
        shelf.build()
    for data, path, at in reversed(said):
        other.add(data, path, at=at)
        other.build()
    assert shelf.shown() == other.shown() and len(shelf.shown()) == 4
    other.close()


def test_a_late_earlier_claim_takes_the_path_in_whatever_batch_it_comes(shelf: TreeShelf) -> None:
    later = shelf.add(b"later", A, at=5, sidecars=[("xmp", b"<later/>")])
    shelf.build()
    shelf.add(b"earlier", A, at=1)
    shelf.build()
    mark = later.hex()[:16]
    name = A.replace(".CR3", f"~{mark}.CR3")
    assert shelf.shown() == {A: b"earlier", name: b"later", name + ".xmp": b"<later/>"}


def test_what_others_put_where_a_photo_belongs_is_moved_aside(shelf: TreeShelf) -> None:
    (shelf.root / "2024/2024-05-17 Iceland").mkdir(parents=True)
    (shelf.root / A).write_bytes(b"theirs")
    (shelf.root / B).symlink_to("/etc/passwd")
    shelf.add(BIG, A)
    shelf.add(b"b", B, at=9)
    shelf.build()
    assert shelf.shown() == {A: BIG, A + "~1": b"theirs", B: b"b"}
    assert (shelf.root / (B + "~1")).is_symlink()


def test_a_link_where_a_folder_belongs_is_not_followed(shelf: TreeShelf, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (shelf.root / "2024").symlink_to(outside)
    shelf.add(BIG, A)
    built = shelf.build()
    assert [type(error) for _, _, error in built.unshown] == [TreeTaken]
    assert list(outside.iterdir()) == []


def test_a_sidecar_that_somebody_wrote_is_not_replaced_before_it_was_taken_in(
    shelf: TreeShelf,
) -> None:
    photo = shelf.add(BIG, A, sidecars=[("darktable", b"<old/>")])
    shelf.build()
    (shelf.root / (A + ".xmp")).write_bytes(b"<mine/>")
    shelf.add(BIG, A, sidecars=[("darktable", b"<new/>")])
    built = shelf.build()
    assert built.waiting == {A + ".xmp": photo}
    assert shelf.shown()[A + ".xmp"] == b"<mine/>"
    shelf.pictures[photo] = msgspec.structs.replace(shelf.pictures[photo], shows=False)
    assert shelf.build().waiting == {A + ".xmp": photo}, "nor is it removed"
    assert shelf.shown() == {A + ".xmp": b"<mine/>"}


def test_who_has_a_replaced_sidecar_open_writes_into_a_file_that_is_kept(
    shelf: TreeShelf,
) -> None:
    photo = shelf.add(BIG, A, sidecars=[("darktable", b"<old/>")])
    shelf.build()
    with (shelf.root / (A + ".xmp")).open("r+b") as opened:
        shelf.add(BIG, A, sidecars=[("darktable", b"<new/>")])
        shelf.build()
        opened.write(b"<mine/>")
    (kept,) = find_kept(shelf.disk, 1 << 62)
    assert (kept.photo, kept.data) == (photo, b"<mine/>")
    assert shelf.shown()[A + ".xmp"] == b"<new/>"


def test_where_writers_come_folders_are_sticky_and_originals_are_not_theirs(
    tmp_path: Path,
) -> None:
    shelf = TreeShelf(tmp_path, WRITERS)
    shelf.add(BIG, A, sidecars=[("xmp", b"<x/>")])
    shelf.build()
    modes = {
        name: stat.S_IMODE((shelf.root / name).stat().st_mode)
        for name in ("", "2024", "2024/2024-05-17 Iceland", A, A + ".xmp")
    }
    assert list(modes.values()) == [0o755, 0o755, 0o1777, 0o444, 0o666]
    assert (shelf.root / A).stat().st_uid == os.geteuid()
    shelf.close()


def test_a_folder_on_another_file_system_is_refused(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    root = shared / f"photonic-{os.getpid()}"
    try:
        with pytest.raises(TreeElsewhere, match="second copy"):
            TreeDisk(root, lambda: "x", None).prepare(tmp_path)
    finally:
        for path in (root / ".photonic", root):
            path.rmdir()


# --- crashes -------------------------------------------------------------------------------------


class Stopped(BaseException):
    """The power went."""


@dataclass
class Fuse:
    """Ends what is done with the disk after so many steps."""

    left: int

    def burn(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


_STEPS = ("make_folder", "link", "write", "remove")


@settings(max_examples=60, deadline=None)
@given(stop=st.integers(0, 20), is_before=st.booleans())
def test_whatever_step_a_crash_comes_at_the_next_build_heals(
    tmp_path_factory: pytest.TempPathFactory, stop: int, is_before: bool
) -> None:
    shelf = TreeShelf(tmp_path_factory.mktemp("crash"))
    first = shelf.add(b"1", A, at=5, sidecars=[("xmp", b"<1/>")])
    shelf.build()
    shelf.add(b"2", A, at=1, sidecars=[("xmp", b"<2/>")])
    shelf.add(b"3", B, at=3)
    shelf.add(b"1", A, B, at=5, sidecars=[("xmp", b"<1/>"), ("darktable", b"<4/>")])
    fuse = Fuse(stop)
    for name in _STEPS:
        _wire(shelf.disk, name, fuse, is_before=is_before)
    try:
        shelf.build()
    except Stopped:
        shelf.close()
        shelf.open()
    _heal(shelf, list(shelf.pictures))
    mark = first.hex()[:16]
    loser = A.replace(".CR3", f"~{mark}.CR3")
    other = B.replace(".CR3", f"~{mark}.CR3")
    assert shelf.shown() == {
        A: b"2", A + ".xmp": b"<2/>", B: b"3", loser: b"1", loser + ".xmp": b"<4/>", other: b"1",
        other + ".xmp": b"<4/>",
    }  # fmt: skip
    before = shelf.listing()
    _heal(shelf, list(shelf.pictures))
    assert shelf.listing() == before
    shelf.close()


@settings(max_examples=40, deadline=None)
@given(stop=st.integers(0, 12), is_before=st.booleans())
def test_what_a_crash_left_goes_if_it_is_not_wanted_any_more(
    tmp_path_factory: pytest.TempPathFactory, stop: int, is_before: bool
) -> None:
    shelf = TreeShelf(tmp_path_factory.mktemp("crash"))
    photos = [
        shelf.add(b"1", A, at=5, sidecars=[("xmp", b"<1/>")]),
        shelf.add(b"2", B, at=1, sidecars=[("xmp", b"<2/>")]),
    ]
    fuse = Fuse(stop)
    for name in _STEPS:
        _wire(shelf.disk, name, fuse, is_before=is_before)
    try:
        shelf.build()
    except Stopped:
        shelf.close()
        shelf.open()
    for name in _STEPS:
        vars(shelf.disk).pop(name, None)
    for photo in photos:
        shelf.pictures[photo] = msgspec.structs.replace(shelf.pictures[photo], shows=False)
    _heal(shelf, photos)
    assert shelf.shown() == {}
    shelf.close()


def _heal(shelf: TreeShelf, photos: list[BlobId]) -> None:
    for _ in range(2):
        built = shelf.build(*photos)
        assert not built.waiting and not built.unshown


def _wire(disk: TreeDisk, name: str, fuse: Fuse, *, is_before: bool) -> None:
    real = getattr(disk, name)

    def step(*arguments: object) -> object:
        if is_before:
            fuse.burn()
        answer = real(*arguments)
        if not is_before:
            fuse.burn()
        return answer

    setattr(disk, name, step)
