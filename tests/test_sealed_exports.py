"""Exports give places in the clear where the key is; other libraries seal what they import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from photonic.bundle import Bundle
from photonic.catalog_import import _as_it_was_read
from photonic.crdt.changes import Draft, admit
from photonic.crdt.fields import FACTS, GPS
from photonic.crdt.projection import project
from photonic.crdt.sealing import is_sealed, key_named_by
from photonic.errors import ExportInvalid
from photonic.photos import Position
from photonic.provision import provide
from tests.crdt.replicas import WORLD, Cluster, commit, photo
from tests.portable_library import export, import_into, introduced
from tests.test_catalog_import import lost

PLACE = {"latitude": 64.147209, "longitude": -21.942409, "altitude_m": None}
OTHER = Position(1.25, 2.5)


def with_keys(size: int = 1) -> Cluster:
    cluster = Cluster(size)
    provide(cluster.catalogs[0], cluster.identities[0].node, WORLD)
    cluster.catalogs[0].flush()
    return cluster


def sealed_library() -> Cluster:
    cluster = with_keys()
    said = [introduced(photo(1), "a.jpg"), introduced(photo(2), "b.jpg", position=OTHER)]
    commit(cluster.catalogs[0], *said, Draft(photo(1), {GPS: PLACE}))
    return cluster


def records(folder: Path, stem: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{stem}-*.jsonl"))
        for line in path.read_text().splitlines()
    ]


def test_an_export_shows_places_where_the_key_is(tmp_path: Path) -> None:
    cluster = sealed_library()
    export(cluster.catalogs[0], tmp_path / "out")
    shown = {record["name"]: record for record in records(tmp_path / "out", "photos")}
    assert shown["a.jpg"]["gps"] == PLACE and shown["a.jpg"]["sealed"] == []
    assert shown["b.jpg"]["gps"]["latitude"] == OTHER.latitude
    sidecars = list((tmp_path / "out").rglob("*.xmp"))
    assert any(b"GPSLatitude" in path.read_bytes() for path in sidecars)
    opened = [line for line in records(tmp_path / "out", "changes") if "opened" in line]
    assert len(opened) == 2


def test_an_export_without_the_key_shows_that_something_is_sealed(tmp_path: Path) -> None:
    cluster = sealed_library()
    blind = cluster.open(0)
    for document, update in cluster.catalogs[0].founding_updates():
        assert blind.receive(256, document, update, b"first")
    blind.flush()
    for number in (1, 2):
        blind.adopt([s.data for s in cluster.catalogs[0].directory.changes(photo(number))], b"x")
    blind.flush()
    blind.sealing = type(blind.sealing)(cluster.library)
    export(blind, tmp_path / "out")
    for record in records(tmp_path / "out", "photos"):
        assert record["gps"] is None and record["sealed"] == ["gps"]
    assert not any("opened" in line for line in records(tmp_path / "out", "changes"))
    assert not list((tmp_path / "out").rglob("*.xmp"))


def test_another_library_seals_what_it_imports_with_its_own_key(tmp_path: Path) -> None:
    ours, theirs = sealed_library(), with_keys()
    export(ours.catalogs[0], tmp_path / "out")
    there = theirs.catalogs[0]
    import_into(there, theirs.identities[0], tmp_path / "out")
    for number, field in ((1, GPS), (2, FACTS)):
        row = project(there.state(photo(number)))
        mine = project(ours.catalogs[0].state(photo(number)))
        assert row is not None and mine is not None and row.position == mine.position is not None
        written = [s.change.sets[field] for s in there.directory.changes(photo(number))
                   if is_sealed(s.change.sets.get(field))]  # fmt: skip
        assert [key_named_by(value) for value in written] == [there.sealing.writes_with]


def test_its_own_library_takes_the_very_bytes_back(tmp_path: Path) -> None:
    cluster = sealed_library()
    export(cluster.catalogs[0], tmp_path / "out")
    after = lost(cluster, 0)
    import_into(after, cluster.identities[0], tmp_path / "out")
    assert after.root_digest() == cluster.catalogs[0].root_digest()
    row = project(after.state(photo(1)))
    assert row is not None and row.position == msgspec.convert(PLACE, Position)


def test_opened_words_of_another_change_are_refused(tmp_path: Path) -> None:
    cluster = sealed_library()
    export(cluster.catalogs[0], tmp_path / "out")
    (found, *_) = [one for one in Bundle(tmp_path / "out").changes() if one.opened]
    signed = admit(cluster.library, found.data)
    for opened in (b"\xc1", msgspec.msgpack.encode({"rating": 5})):
        with pytest.raises(ExportInvalid):
            _as_it_was_read(signed, found._replace(opened=opened))
    read = _as_it_was_read(signed, found)
    assert read.id == signed.id and not any(map(is_sealed, read.change.sets.values()))
