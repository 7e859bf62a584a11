"""What an export says: JSON, whatever a peer wrote."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from photonic.crdt.changes import Change, seal
from photonic.crdt.fields import (
    CAPTION,
    FLAG,
    GPS,
    LABEL,
    RATING,
    TITLE,
    TRASHED,
)
from photonic.crdt.fold import fold
from photonic.crdt.policy import AUTO
from photonic.crdt.projection import project
from photonic.identity import Identity
from photonic.ids import library_id
from photonic.ingest.xmp import sidecar_xml
from photonic.photos import Marks, Position
from photonic.records import Readings, change_record, iso_utc, photo_marks, photo_record, plain
from photonic.world import World
from tests.crdt.replicas import photo
from tests.portable_library import introduced

AUTHOR, LIBRARY = Identity.generate(World()), library_id(b"records")
READINGS = Readings(AUTO)

values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 63), (1 << 64) - 1),
        st.floats(),
        st.text(),
        st.binary(),
        st.datetimes(),
        st.builds(msgspec.msgpack.Ext, st.integers(0, 100), st.binary()),
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def state(**sets: Any) -> Any:
    """Return the state of a photo of which somebody said this."""
    draft = introduced(photo(1), "a.jpg")
    said = {**draft.sets, **sets}
    change = Change("photo", photo(1).key, (), AUTHOR.node, 1, 1 << 16, said)
    return fold(photo(1), [seal(AUTHOR, LIBRARY, change)])


@given(values)
def test_every_value_is_shown_as_json(value: Any) -> None:
    json.loads(msgspec.json.encode(plain(value)))


@given(st.sampled_from([RATING, LABEL, FLAG, TITLE, CAPTION, GPS, TRASHED, "future/field"]), values)
def test_whatever_a_peer_wrote_the_photo_is_told(name: str, value: Any) -> None:
    known = state(**{name: value})
    row = project(known)
    assert row is not None
    told = json.loads(
        msgspec.json.encode(photo_record(row, known, READINGS, {AUTHOR.node: True}, "a.xmp"))
    )
    assert told["fields"][name]["versions"][0]["value"] == json.loads(
        msgspec.json.encode(plain(value))
    )
    sidecar_xml(*photo_marks(row, known, READINGS))


def test_a_value_that_is_nested_without_end_is_cut() -> None:
    value: Any = 7
    for _ in range(500):
        value = [value]
    assert json.dumps(plain(value)).count("[") < 50


def test_a_rejected_photo_is_rejected_in_its_sidecar_whichever_way_it_was_said() -> None:
    for said in ({FLAG: "reject", RATING: 3}, {RATING: -1}):
        known = state(**said)
        row = project(known)
        assert row is not None
        assert photo_marks(row, known, READINGS)[0] == Marks(rating=-1)


def test_a_place_that_people_gave_is_in_the_sidecar_and_nonsense_is_not() -> None:
    def place(value: object) -> Position | None:
        known = state(**{GPS: value})
        row = project(known)
        assert row is not None
        return photo_marks(row, known, READINGS)[1]

    assert place({"latitude": 1.5, "longitude": 2.5}) == Position(1.5, 2.5)
    for nonsense in (7, {"latitude": 95.0, "longitude": 1.0}, {"latitude": "x"}, None):
        assert place(nonsense) is None


def test_a_change_has_its_bytes_and_its_words() -> None:
    change = Change("photo", photo(1).key, (), AUTHOR.node, 1, 1_700_000_000_000 << 16, {"a": b"b"})
    signed = seal(AUTHOR, LIBRARY, change)
    told = change_record(signed, is_effective=True)
    assert told["time"] == "2023-11-14T22:13:20.000Z"
    assert told["sets"] == {"a": "62"}
    assert msgspec.convert(told["data"], bytes) == signed.data


@given(st.integers(-(1 << 62), 1 << 62))
def test_any_moment_is_a_date(moment_ms: int) -> None:
    assert iso_utc(moment_ms).endswith("Z")
