"""Shoots: one camera, no long gap, whatever the order in which photos are looked at."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic.ids import BlobId
from photonic.ingest.shoots import group_shoots
from photonic.photos import PhotoFacts


def photo(number: int, taken: str | None, model: str = "X") -> tuple[BlobId, PhotoFacts]:
    facts = PhotoFacts(media_type="image/jpeg", taken=taken, camera_model=model)
    return BlobId(number.to_bytes(32, "big")), facts


def test_a_gap_or_another_camera_begins_a_shoot() -> None:
    shoots = group_shoots(
        [
            photo(1, "2024-05-17T09:00:00"),
            photo(2, "2024-05-17T12:59:00.500"),
            photo(3, "2024-05-17T17:00:00"),
            photo(4, "2024-05-17T09:30:00", "Y"),
            photo(5, None),
        ]
    )
    assert [[photo[-1] for photo in shoot.photos] for shoot in shoots] == [[1, 2], [4], [3], [5]]
    assert (shoots[0].began, shoots[0].ended) == ("2024-05-17T09:00:00", "2024-05-17T12:59:00.500")
    assert shoots[-1].began is None


PHOTOS = st.lists(
    st.builds(
        photo,
        st.integers(0, 30),
        st.one_of(
            st.none(),
            st.datetimes().map(lambda at: at.replace(year=2024, month=5).isoformat()),
        ),
        st.sampled_from(["X", "Y"]),
    ),
    max_size=30,
    unique_by=lambda one: one[0],
)


@given(PHOTOS, st.randoms(), st.floats(1, 1e6))
def test_neither_order_nor_repetition_matters_and_each_photo_is_in_one_shoot(
    photos: list[tuple[BlobId, PhotoFacts]], random: object, gap_s: float
) -> None:
    shoots = group_shoots(photos, gap_s)
    shuffled = photos + photos[: len(photos) // 2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert group_shoots(shuffled, gap_s) == shoots
    assert sorted(one for shoot in shoots for one in shoot.photos) == sorted(p for p, _ in photos)
