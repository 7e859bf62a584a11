"""Exported folders: files of a bounded size, and names that any file system takes."""

from __future__ import annotations

import resource
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.bundle import CHANGES, FORMAT, MEMBERS, Bundle, Header
from photonic.bundle_writer import begun
from photonic.errors import ExportInvalid, ExportUnwritable

HEADER = Header(
    format=FORMAT,
    library="ab" * 16,
    library_name="Photos",
    node="12D3",
    node_name="studio",
    exported="2024-05-17T09:30:12.000Z",
    counts={},
    files=(),
)


def change(number: int) -> dict[str, object]:
    return {"id": f"{number:064x}", "data": b64encode(b"%d" % number).decode()}


def write(folder: Path, count: int, file_bytes_max: int = 1_000) -> Header:
    with begun(folder, file_bytes_max) as writer:
        for number in range(count):
            writer.write(CHANGES, change(number))
        return writer.finish(HEADER)


def test_lines_go_on_in_the_next_file_when_one_is_full(tmp_path: Path) -> None:
    header = write(tmp_path / "out", 100)
    assert len(header.files) > 5
    assert all((tmp_path / "out" / name).stat().st_size <= 1_000 for name in header.files)
    bundle = Bundle(tmp_path / "out")
    bundle.verify()
    assert bundle.header == header
    assert [said.data for said in bundle.changes()] == [b"%d" % number for number in range(100)]


def test_a_file_has_room_for_one_line_however_long(tmp_path: Path) -> None:
    assert len(write(tmp_path / "out", 3, file_bytes_max=1).files) == 3


def test_an_export_of_nothing_is_one(tmp_path: Path) -> None:
    assert write(tmp_path / "out", 0).files == ()
    bundle = Bundle(tmp_path / "out")
    bundle.verify()
    assert (list(bundle.changes()), bundle.names()) == ([], {})


def test_a_file_that_was_swapped_for_another_is_found(tmp_path: Path) -> None:
    first, second, *_ = write(tmp_path / "out", 100).files
    (tmp_path / "out" / second).write_bytes((tmp_path / "out" / first).read_bytes())
    with pytest.raises(ExportInvalid, match=second):
        Bundle(tmp_path / "out").verify()


def test_a_line_without_end_is_refused_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPORT_LINE_BYTES_MAX", 500)
    write(tmp_path / "out", 3, file_bytes_max=10_000)
    path = tmp_path / "out" / "changes-0001.jsonl"
    path.write_bytes(b'{"data":"' + b"A" * 1_000)
    with pytest.raises(ExportInvalid, match="line 1 is longer than a line may be"):
        list(Bundle(tmp_path / "out").changes())


def test_a_member_without_a_key_is_told(tmp_path: Path) -> None:
    with begun(tmp_path / "out") as writer:
        writer.write(MEMBERS, {"key": "no digits", "name": "studio"})
        writer.finish(HEADER)
    with pytest.raises(ExportInvalid, match=r"members-0001\.jsonl, line 1"):
        Bundle(tmp_path / "out").names()


def test_a_disk_without_room_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """The process may write files of 64 KiB here: to a program, what lies beyond is a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * limits.KIB, hard))
    try:
        with pytest.raises(ExportUnwritable, match="out: "):
            write(tmp_path / "out", 10_000, limits.EXPORT_FILE_BYTES_MAX)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_place_makes_a_sidecar_below_its_folder(
    tmp_path_factory: pytest.TempPathFactory, folder: str, name: str
) -> None:
    place = tmp_path_factory.mktemp("any") / "out"
    with begun(place) as writer:
        paths = [writer.write_sidecar(folder, name, digit * 64, b"xmp") for digit in "abc"]
        writer.finish(HEADER)
    assert len({path.casefold() for path in paths}) == 3
    assert all((place / path).read_bytes() == b"xmp" for path in paths)
    assert all((place / path).resolve().is_relative_to(place / "sidecars") for path in paths)
    lines = (place / "checksums.b3").read_text(encoding="utf-8").split("\n")
    assert [line[66:] for line in lines] == ["library.json", *paths, ""]
