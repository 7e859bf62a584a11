"""The files that are moved: as many and as large as asked, and re-tagged as tools do it."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from benchmarks.samples import Sample, count, retag, retagged, weight


def test_a_set_has_its_files_and_every_one_is_another(tmp_path: Path) -> None:
    folder = Sample("it", 3, 5_000).make(tmp_path / "it")
    assert count(folder) == 3 and weight(folder) == 15_000
    assert len({path.read_bytes() for path in folder.iterdir()}) == 3


def test_a_smaller_set_has_fewer_files_or_a_smaller_one() -> None:
    assert Sample("it", 80, 7).scaled(0.1) == Sample("it", 8, 7)
    assert Sample("it", 80, 7).scaled(0.001) == Sample("it", 1, 7)
    assert Sample("it", 1, 1_000).scaled(0.1) == Sample("it", 1, 100)


def test_new_tags_change_the_header_alone(tmp_path: Path) -> None:
    folder = Sample("it", 2, 200_000, is_retagged=True).make(tmp_path / "it")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert 0.5 < weight(folder) / 400_000 < 2
    retag(folder)
    assert {path.name for path in folder.iterdir()} == set(before)
    for path in folder.iterdir():
        old, new = before[path.name], path.read_bytes()
        assert 1_000 < len(new) - len(old) < 4_000
        scan = old.index(b"\xff\xda")
        assert new.endswith(old[scan:])
        with Image.open(path) as picture, Image.open(io.BytesIO(old)) as was:
            assert picture.tobytes() == was.tobytes()
            assert picture.getexif()[0x010F] == "photonic"
            assert b"keyword" in picture.info["xmp"]


def test_new_tags_stand_behind_exif_whatever_follows() -> None:
    jpeg = b"\xff\xd8\xff\xe1\x00\x04ex\xff\xdb\x00\x04qq\xff\xda\x00\x02scan"
    done = retagged(jpeg, 4, b"sea")
    assert done.startswith(jpeg[:8] + b"\xff\xe1") and done.endswith(jpeg[8:])
    length = int.from_bytes(done[10:12], "big")
    assert 10 + length == len(done) - len(jpeg) + 8
    assert b"xmp:Rating='4'" in done and b"<rdf:li>sea</rdf:li>" in done
