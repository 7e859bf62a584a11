"""An export has everything, in an order of its own, is there whole or not at all."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from typing import Any

import blake3
import msgspec
import pytest

from photonic.catalog_export import Place, export_catalog
from photonic.crdt.changes import Draft, admit
from photonic.crdt.fields import CERTIFICATE, ORIGINAL
from photonic.crdt.policy import DISPLAY_POLICY
from photonic.crdt.roster import ADMIN_SCOPES, Certificate
from photonic.errors import ExportUnwritable
from photonic.ids import BlobId, NodeId, member_subject, photo_subject
from photonic.ingest.sidecar import read_marks
from tests.crdt.replicas import Cluster, commit, meet, photo
from tests.portable_library import (
    BEST,
    FOREST,
    HARBOUR,
    OWN,
    SAILING,
    ask_of,
    export,
    full_library,
    introduced,
    revoke,
)


def lines(folder: Path, stem: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob(f"{stem}-*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_photo_is_told_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    cluster = full_library()
    header = export(cluster.catalogs[0], tmp_path / "out")
    photos = {line["id"]: line for line in lines(tmp_path / "out", "photos")}
    assert len(photos) == header.counts["photos"] == 3
    told = photos[HARBOUR.key.hex()]
    assert (told["name"], told["folder"], told["taken"]) == (
        "IMG_1.JPG", "2024/05", "2024-05-17T09:30:12",
    )  # fmt: skip
    assert (told["rating"], told["title"], told["caption"]) == (5, "Ship", "in bulk")
    assert told["tags"] == ["boat", "night", "sea", "travel/iceland"]
    assert told["albums"] == [SAILING.key.hex()]
    assert told["conflicts"] == ["rating"]
    versions = told["fields"]["rating"]["versions"]
    assert [version["value"] for version in versions] == [5, 4]
    assert {version["author_name"] for version in versions} == {"node"}
    assert told["original"] == {"blob": HARBOUR.key.hex(), "bytes": 100, "chunks": "00" * 32}
    assert photos[OWN.key.hex()]["trashed"] is True
    assert photos[FOREST.key.hex()]["trashed"] is False


def test_the_original_that_is_told_is_the_one_that_the_display_policy_shows(
    tmp_path: Path,
) -> None:
    cluster = full_library()
    studio, field = cluster.catalogs
    archive = msgspec.to_builtins(Certificate("node", "archive", ADMIN_SCOPES))
    node = cluster.identities[0].node
    commit(studio, Draft(member_subject(node), {CERTIFICATE: archive}))
    beach = photo_subject(BlobId(b"n" * 32))  # nobody has the one that it is named by
    commit(studio, Draft(beach, {ORIGINAL: [b"s" * 32, 7, bytes(32)]}))
    commit(field, Draft(beach, {ORIGINAL: [b"f" * 32, 9, bytes(32)]}))
    meet(studio, field)
    for rule, size in (("auto", 9), ("prefer:archive", 7), ("manual", 9)):
        commit(studio, Draft(DISPLAY_POLICY, {ORIGINAL: rule}))
        export(studio, tmp_path / rule)
        (told,) = (
            line for line in lines(tmp_path / rule, "photos") if line["id"] == beach.key.hex()
        )
        assert told["original"]["bytes"] == size
        assert len(told["other_originals"]) == 1 and "original" in told["conflicts"]


def test_albums_members_and_the_library_are_told(tmp_path: Path) -> None:
    cluster = full_library()
    header = export(cluster.catalogs[0], tmp_path / "out")
    albums = {line["id"]: line for line in lines(tmp_path / "out", "albums")}
    assert albums[BEST.key.hex()]["query"] == "rating>=4"
    assert albums[SAILING.key.hex()]["name"] == "Sailing"
    members = lines(tmp_path / "out", "members")
    assert {line["key"] for line in members} == {one.node.hex() for one in cluster.identities}
    assert (header.library, header.library_name) == (cluster.library.hex(), "Test")
    assert json.loads((tmp_path / "out" / "library.json").read_text())["counts"] == header.counts


def test_every_change_is_there_as_it_was_signed_and_after_its_parents(tmp_path: Path) -> None:
    cluster = full_library()
    revoke(cluster, cluster.identities[1].node, 1)
    export(cluster.catalogs[0], tmp_path / "out")
    seen: set[str] = set()
    silent = 0
    told = lines(tmp_path / "out", "changes")
    for line in told:
        signed = admit(cluster.library, b64decode(line["data"]))
        assert signed.id.hex() == line["id"]
        assert set(line["parents"]) <= seen
        seen.add(line["id"])
        silent += not line["effective"]
    assert len(seen) == len(told)
    assert silent == 2, "what the revoked member said beyond its cut has no effect"
    assert {line["act"] for line in told if line["sets"].get("caption")} == {
        b"one act of bulk ".hex()
    }
    groups = [(line["kind"], line["key"]) for line in told]
    assert len({*groups}) == 1 + sum(a != b for a, b in pairwise(groups))


def test_two_exports_of_one_state_differ_in_the_time_alone(tmp_path: Path) -> None:
    studio, field = full_library().catalogs
    export(studio, tmp_path / "a", now_ms=1)
    export(field, tmp_path / "b", now_ms=2)
    first, second = files(tmp_path / "a"), files(tmp_path / "b")
    assert first.keys() == second.keys()
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"library.json", "checksums.b3"}


def test_the_checksums_are_those_of_all_files(tmp_path: Path) -> None:
    export(full_library().catalogs[0], tmp_path / "out")
    there = files(tmp_path / "out")
    text = there.pop("checksums.b3").decode()
    sums = {name: value for value, _, name in (line.partition("  ") for line in text.splitlines())}
    assert sums == {name: blake3.blake3(data).hexdigest() for name, data in there.items()}
    assert any(name.startswith("sidecars/") for name in sums)


def test_a_sidecar_stands_for_each_photo_of_which_people_said_something(tmp_path: Path) -> None:
    export(full_library().catalogs[0], tmp_path / "out")
    told = {line["id"]: line["sidecar"] for line in lines(tmp_path / "out", "photos")}
    path = tmp_path / "out" / told[HARBOUR.key.hex()]
    marks = read_marks(path.read_bytes(), path.name)
    assert (marks.rating, marks.title) == (5, "Ship")
    assert set(marks.keywords) == {"boat", "night", "sea", "travel|iceland"}
    assert told[OWN.key.hex()] is None, "nobody said more of it than that it is in the trash"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("../../etc", "passwd"), ("/etc", "passwd"), ("a\0b\n", "\x1b[31m"), ("x" * 400, "y" * 400),
        ("..", ".."), ("", ""), ("a.xmp", "b"), ("a\\b", "c:d"), ("\u202e", "\ud7ff\uffff"),
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_export(tmp_path: Path, folder: str, name: str) -> None:
    (catalog,) = Cluster(1).catalogs
    for number in range(3):  # and photos of one name do not overwrite each other's sidecars
        draft = introduced(photo(number), name, folder)
        commit(catalog, draft)
        edit = introduced(photo(number), name, folder)
        commit(catalog, type(edit)(edit.subject, {"rating": number}))
    out = tmp_path / "deep" / "down" / "out"
    export(catalog, out)
    told = [line["sidecar"] for line in lines(out, "photos")]
    assert len({*told}) == 3
    for sidecar in told:
        path = (out / sidecar).resolve()
        assert path.is_relative_to(out / "sidecars")
        assert path.is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert {path.name for path in out.parent.iterdir()} == {"out"}


def test_what_is_at_the_place_already_is_left_alone(tmp_path: Path) -> None:
    (catalog,) = Cluster(1).catalogs
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("dear")
    (tmp_path / "file").write_text("dear")
    for name in ("mine", "file"):
        with pytest.raises(ExportUnwritable, match=name):
            export(catalog, tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine"]
    (tmp_path / "empty").mkdir()
    export(catalog, tmp_path / "empty")
    assert (tmp_path / "empty" / "library.json").exists()


def test_an_export_that_is_ended_early_leaves_nothing(tmp_path: Path) -> None:
    (catalog,) = Cluster(1).catalogs

    class EndedError(Exception):
        pass

    def progress(done: int, total: int) -> None:
        if done == total // 2:
            raise EndedError

    place = Place(NodeId(bytes(32)), "studio", "Photos", 0)
    with pytest.raises(EndedError):
        export_catalog(tmp_path / "out", ask_of(catalog), place, progress)
    assert list(tmp_path.iterdir()) == []


def test_what_a_crash_left_is_cleared_by_the_next_export(tmp_path: Path) -> None:
    (catalog,) = Cluster(1).catalogs
    (tmp_path / ".out.abc.part" / "sidecars").mkdir(parents=True)
    export(catalog, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_knows_nothing_of_what_a_node_has_not_seen(tmp_path: Path) -> None:
    cluster = Cluster(2)
    commit(cluster.catalogs[0], introduced(photo(1), "a.jpg"))
    assert export(cluster.catalogs[1], tmp_path / "before").counts["photos"] == 0
    meet(*cluster.catalogs)
    assert export(cluster.catalogs[1], tmp_path / "after").counts["photos"] == 1
