"""The sample photos are two dozen real ones: pictures with what cameras and people say of them."""

from __future__ import annotations

from pathlib import Path

from photonic.ids import digest
from photonic.ingest import metadata
from photonic.ingest.samples import SAMPLES, make_samples


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
