"""Previews: upright, sRGB, of the right sizes, from anything that has a picture in it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from photonic import limits
from photonic.errors import PhotonicError, PhotoUnreadable
from photonic.ingest import metadata, renditions
from photonic.photos import PhotoFacts, Rendition, media_type
from tests.cameras import CORNERS, GOOD, CameraFile, make_broken_files, picture
from tests.ingest.test_metadata import SHARED, shared

NEAR = 48  # of 255: lossy twice, and a RAW's colours are developed


def opened(rendition: Rendition) -> Image.Image:
    image = Image.open(io.BytesIO(rendition.data))
    image.load()
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert image.size == (rendition.width, rendition.height)
    assert max(image.size) <= rendition.edge_px
    assert 0x0112 not in image.getexif()
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the mean colours of the four outer corners, in reading order."""
    cells = np.asarray(image.resize((4, 4), Image.Resampling.BOX))
    return [tuple(int(part) for part in cells[y, x]) for y in (0, 3) for x in (0, 3)]


@pytest.mark.parametrize("file", GOOD, ids=lambda file: str(file.name))
def test_a_preview_shows_the_picture_upright(file: CameraFile, tmp_path: Path) -> None:
    path = tmp_path / file.name
    file.make(path)
    facts = metadata.read(path)
    drawn = renditions.draw(path, facts.orientation)
    assert drawn.damage is None
    assert [one.edge_px for one in drawn.renditions] == sorted(limits.PREVIEW_EDGES_PX)
    for rendition in drawn.renditions:
        found = corners(opened(rendition))
        for ours, expected in zip(found, CORNERS, strict=True):
            if media_type(path) == "image/x-adobe-dng":  # colours of its own: which is brightest
                assert np.argmax(ours) == np.argmax(expected)
            else:
                assert max(abs(a - b) for a, b in zip(ours, expected, strict=True)) < NEAR


def test_a_small_picture_is_not_enlarged_and_a_large_one_is_close_to_its_edge(
    tmp_path: Path,
) -> None:
    picture().resize((100, 60)).save(tmp_path / "small.png")
    assert {(r.width, r.height) for r in renditions.draw(tmp_path / "small.png").renditions} == {
        (100, 60)
    }
    for size in ((6000, 4000), (4032, 3024), (1999, 3001), (12_000, 300)):
        picture().resize(size).save(tmp_path / "large.jpg", quality=80)
        small, large = renditions.draw(tmp_path / "large.jpg").renditions
        assert max(small.width, small.height) == 256
        assert 1360 <= max(large.width, large.height) <= 1600
        assert large.width / large.height == pytest.approx(size[0] / size[1], rel=0.02)


def test_a_file_that_ends_early_is_shown_as_far_as_it_goes_and_told(tmp_path: Path) -> None:
    make_broken_files(tmp_path)
    drawn = renditions.draw(tmp_path / "torn.jpg")
    assert drawn.damage is not None and "truncated" in drawn.damage
    top = corners(opened(drawn.renditions[-1]))[0]
    assert max(abs(a - b) for a, b in zip(top, CORNERS[0], strict=True)) < NEAR
    # The switch that lets Pillow forgive is off again: the next torn file is told, too.
    assert renditions.draw(tmp_path / "torn.jpg").damage == drawn.damage


def test_what_has_no_picture_is_unreadable_and_nothing_else(tmp_path: Path) -> None:
    for name, code in make_broken_files(tmp_path).items():
        if code != "ingest.damaged":
            with pytest.raises(PhotoUnreadable):
                renditions.draw(tmp_path / name)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IMAGE_PIXELS_MAX", 640 * 426 - 1)
    picture().save(tmp_path / "bomb.png")
    with pytest.raises(PhotoUnreadable, match="640 x 426"):
        renditions.draw(tmp_path / "bomb.png")


def test_an_embedded_profile_is_applied_and_not_passed_on(tmp_path: Path) -> None:
    # A profile whose red is green and whose green is red: sRGB with two tags' names exchanged.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    swapped = swapped.replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ").replace(b"?XYZ", b"gXYZ")
    path = tmp_path / "tagged.png"
    picture().save(path, icc_profile=profile)
    plain = opened(renditions.draw(path).renditions[0])
    assert corners(plain)[0][0] > 150 > corners(plain)[0][1]
    picture().save(path, icc_profile=swapped)
    turned = opened(renditions.draw(path).renditions[0])
    assert corners(turned)[0][1] > 150 > corners(turned)[0][0]
    assert "icc_profile" not in turned.info
    picture().save(path, icc_profile=b"this is no profile")
    assert corners(opened(renditions.draw(path).renditions[0])) == corners(plain)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "F"])
def test_every_mode_of_pixels_has_a_preview(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "mode.tif"
    if mode in ("I;16", "F"):
        ramp = np.linspace(0, 4095, 640 * 426).reshape(426, 640)
        image = Image.fromarray(ramp.astype(np.uint16 if mode == "I;16" else np.float32))
        image.save(path)
        shown = np.asarray(opened(renditions.draw(path).renditions[0]).convert("L"))
        assert int(shown[0].mean()) < 10 and int(shown[-1].mean()) > 245
        return
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(
            picture(), ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
        )  # type: ignore[assignment]
    else:
        image = picture().convert(mode)
    image.save(path)
    assert opened(renditions.draw(path).renditions[0]).size == (256, 170)


@shared
def test_real_files_give_previews_or_say_why_not() -> None:
    shown, refused = 0, []
    for path in sorted(SHARED.rglob("*")):
        if media_type(path) is None or not path.is_file():
            continue
        facts = PhotoFacts(media_type="")
        try:
            facts = metadata.read(path)
        except PhotonicError:
            assert path.stat().st_size == 0 or facts.width is None
        try:
            drawn = renditions.draw(path, facts.orientation)
        except PhotoUnreadable:
            refused.append(path.name)
            continue
        shown += 1
        large = opened(drawn.renditions[-1])
        if facts.width and facts.height and drawn.damage is None:
            assert large.width / large.height == pytest.approx(facts.width / facts.height, rel=0.03)
    assert shown > 140
    assert sorted(refused) == sorted(
        [
            "GOPR8513.GPR",  # LibRaw has no decoder for it, and there is no JPEG inside
            "compatible-brands-fail.heic", "compatible-brands-fail.mov", "compatible-brands.heic",
            "compatible-brands.mov", "corrupted.heic", "corrupted.hif", "corrupted_city.JPG",
            "empty.heic", "exif-both.png", "exif-no-tz.jpg", "exif.png",  # tags without a picture
            "motion_photo_pixel_synth.jpg", "notjpeg.jpg", "oom_large_box.heic",
        ]
    )  # fmt: skip
