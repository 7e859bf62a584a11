"""Saying again, sealed, what stands in the clear or under an older key."""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from photonic.crdt.changes import Draft
from photonic.crdt.fields import FACTS, GPS, NAME, ORIGINAL
from photonic.crdt.projection import project
from photonic.crdt.sealing import is_sealed
from photonic.ids import BlobId, digest, photo_subject
from photonic.provision import provide
from photonic.resealing import reseal
from photonic.world import SystemEntropy, World
from tests.memory_library import HERE, MemoryLibrary

PLACE = {"latitude": 64.147209, "longitude": -21.942409, "altitude_m": None}
OTHER = {"latitude": 1.0, "longitude": 2.0, "altitude_m": None}
FIRST, SECOND, BARE, CONTESTED = (
    photo_subject(BlobId(digest(word))) for word in (b"1", b"2", b"3", b"4")
)


def filled() -> MemoryLibrary:
    library = MemoryLibrary()
    for subject in (FIRST, SECOND, BARE, CONTESTED):
        facts: dict[str, Any] = {"media_type": "image/jpeg", "width": 5}
        if subject is SECOND:
            facts["position"] = PLACE
        sets = {ORIGINAL: [subject.key, 1, bytes(32)], NAME: "a.jpg", FACTS: facts}
        library.write(Draft(subject, sets))
    library.write(Draft(FIRST, {GPS: PLACE}))
    library.write(Draft(CONTESTED, {GPS: PLACE}))
    library.write_apart(CONTESTED, {GPS: OTHER})
    return library


def give_key(library: MemoryLibrary, *, rotates: bool = False) -> None:
    library.do(lambda catalog: provide(catalog, HERE, World(), rotates=rotates))


def resealed(library: MemoryLibrary) -> int:
    return trio.run(partial(reseal, library, SystemEntropy()))


def test_it_seals_what_is_shown_once_and_changes_nothing_else() -> None:
    library = filled()
    catalog = library.catalog
    assert resealed(library) == 0, "there is no key"
    give_key(library)
    before = {one: project(catalog.state(one)) for one in (FIRST, SECOND, BARE, CONTESTED)}
    assert resealed(library) == 2
    assert {one: project(catalog.state(one)) for one in before} == before
    assert catalog.state(CONTESTED).contested() == (GPS,)
    for subject, field in ((FIRST, GPS), (SECOND, FACTS)):
        written = catalog.directory.changes(subject)[-1].change
        assert is_sealed(written.sets[field]) and len(written.sets) == 1
    assert resealed(library) == 0


def test_after_a_rotation_it_seals_with_the_new_key() -> None:
    library = filled()
    give_key(library)
    assert resealed(library) == 2
    give_key(library, rotates=True)
    assert resealed(library) == 2
    assert resealed(library) == 0
