"""The sample photos are two dozen real ones: pictures with what cameras and people say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from photonic.ids import digest
from photonic.ingest import metadata
from photonic.ingest.samples import SAMPLES, make_samples, paint


def test_they_are_many_and_their_tags_say_what_was_meant(tmp_path: Path) -> None:
    assert len(SAMPLES) == 24
    paths = make_samples(tmp_path, 6)
    for sample, path in zip(SAMPLES, paths, strict=False):
        facts = metadata.read(path)
        assert {facts.width, facts.height} == {1600, 1067}
        assert facts.taken is not None
        assert facts.taken[:19] == sample.taken.replace(":", "-", 2).replace(" ", "T")
        assert facts.taken_offset_min is not None
        assert (facts.camera_model, facts.rating) == (sample.camera.model, sample.rating)
        assert facts.keywords == sample.keywords
        assert (facts.position is None) == (sample.place is None)
        assert facts.orientation == sample.orientation
    days = {sample.taken[:10] for sample in SAMPLES}
    assert len({sample.camera.model for sample in SAMPLES}) >= 4 and len(days) >= 4
    assert len({sample.name for sample in SAMPLES}) == 24


def test_two_machines_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = make_samples(tmp_path / "a", 2), make_samples(tmp_path / "b", 2)
    assert [digest(path.read_bytes()) for path in first] == [
        digest(path.read_bytes()) for path in second
    ]


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_one_that_is_stored_turned_is_shown_as_it_was_drawn(
    orientation: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = next(sample for sample in SAMPLES if sample.orientation == orientation)
    monkeypatch.setattr("photonic.ingest.samples.SAMPLES", (turned,))
    with Image.open(make_samples(tmp_path)[0]) as stored:
        assert stored.size == (1600, 1067)
        shown = ImageOps.exif_transpose(stored)
    drawn = paint(turned, 1)
    assert shown.size == drawn.size
    difference = np.asarray(shown, dtype=np.int16) - np.asarray(drawn, dtype=np.int16)
    assert np.abs(difference).mean() < 4  # what JPEG loses
