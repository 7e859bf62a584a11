"""Plain files: every photo has a name of its own, the same one after a kill, and its own bytes."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.errors import BlobCorrupt, ExportUnwritable
from photonic.ids import BlobId, digest
from photonic.plain_tree import PlainTree

NAMES = st.sampled_from(
    ["IMG_1.JPG", "img_1.jpg", "IMG_1.CR3", "a/IMG_1.JPG", "caf\u00e9", "cafe\u0301"]
)
WANTED = st.lists(st.tuples(NAMES, st.binary(max_size=3)), max_size=12)


def tree_in(folder: Path) -> PlainTree:
    (folder / ".restoring").mkdir(exist_ok=True)
    return PlainTree(folder, folder / ".restoring")


def put(tree: PlainTree, name: str, data: bytes) -> tuple[PurePosixPath, bool]:
    return tree.put(PurePosixPath(name), BlobId(digest(data)), lambda: io.BytesIO(data))


@given(WANTED, st.integers(0, 12))
def test_whatever_the_names_each_has_its_bytes_and_keeps_its_name_over_a_kill(
    tmp_path_factory: pytest.TempPathFactory, wanted: list[tuple[str, bytes]], killed_at: int
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    tree = tree_in(folder)
    first = [put(tree, name, data)[0] for name, data in wanted[:killed_at]]
    tree.close()
    tree = tree_in(folder)
    again = [put(tree, name, data) for name, data in wanted]
    tree.close()
    assert [path for path, _ in again][: len(first)] == first
    assert not any(is_new for _, is_new in again[: len(first)])
    for (_, data), (path, _) in zip(wanted, again, strict=True):
        assert (folder / path).read_bytes() == data
    whose: dict[str, bytes] = {}
    for (_, data), (path, _) in zip(wanted, again, strict=True):
        assert whose.setdefault(str(path).casefold(), data) == data, "no two share a name"


def test_what_is_not_what_it_should_be_gets_no_name(tmp_path: Path) -> None:
    tree = tree_in(tmp_path)
    with pytest.raises(BlobCorrupt):
        tree.put(PurePosixPath("x.jpg"), BlobId(digest(b"right")), lambda: io.BytesIO(b"wrong"))
    assert not (tmp_path / "x.jpg").exists()
    assert put(tree, "x.jpg", b"right")[1] and (tmp_path / "x.jpg").read_bytes() == b"right"
    tree.close()


def test_trouble_of_the_trees_own_disk_is_told_as_such(tmp_path: Path) -> None:
    tree = tree_in(tmp_path)
    (tmp_path / "photos").write_bytes(b"no folder")
    with pytest.raises(ExportUnwritable):
        put(tree, "photos/x.jpg", b"x")
    tree.close()
