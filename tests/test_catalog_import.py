"""An import gives the catalog back: verbatim in its library, as people see it in another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import blake3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.bundle import Bundle
from photonic.catalog_import import ImportCounts, import_catalog
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import RATING, TAGS, TITLE, TRASHED
from photonic.errors import (
    ExportInvalid,
    ExportNewer,
    ExportOfOther,
    FolderUnknown,
    NotAllowed,
    PhotonicError,
)
from photonic.ids import peer_id
from photonic.journal.journal import Journal
from photonic.replay import origin_of
from tests.crdt.replicas import Cluster, certificate, commit, meet, photo
from tests.portable_library import (
    HARBOUR,
    ask_of,
    export,
    full_library,
    import_into,
    introduced,
    revoke,
    visible,
)


def lost(cluster: Cluster, position: int) -> Catalog:
    """A member that lost its journal, and has nothing but its key."""
    return cluster.open(position, Journal(None))


# --- its own library -----------------------------------------------------------------------------


def test_a_node_that_lost_its_journal_has_everything_again(tmp_path: Path) -> None:
    cluster = full_library()
    before = cluster.catalogs[1]
    export(cluster.catalogs[0], tmp_path / "out")
    after = lost(cluster, 1)
    counts = import_into(after, cluster.identities[1], tmp_path / "out")
    assert counts.fresh == counts.read == counts.total > 0
    assert after.root_digest() == before.root_digest()
    assert visible(after) == visible(before)
    assert after.roster == before.roster
    # It goes on above the numbers that the others know, and they understand it.
    meet(after, cluster.catalogs[0])
    (edit,) = after.write([Draft(HARBOUR, {RATING: 3})])
    numbers = [
        signed.change.seq
        for signed in before.changes(HARBOUR)
        if signed.change.author == cluster.identities[1].node
    ]
    assert edit.change.seq > max(numbers)


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    cluster = full_library()
    export(cluster.catalogs[0], tmp_path / "out")
    for catalog in (cluster.catalogs[0], lost(cluster, 1)):
        import_into(catalog, cluster.identities[1], tmp_path / "out")
        digest = catalog.root_digest()
        assert import_into(catalog, cluster.identities[1], tmp_path / "out").fresh == 0
        assert catalog.root_digest() == digest


def test_nodes_that_import_the_same_apart_converge(tmp_path: Path) -> None:
    cluster = full_library()
    export(cluster.catalogs[0], tmp_path / "out")
    left, right = lost(cluster, 0), lost(cluster, 1)
    import_into(left, cluster.identities[0], tmp_path / "out")
    import_into(right, cluster.identities[1], tmp_path / "out")
    assert left.root_digest() == right.root_digest()
    meet(left, right)
    commit(left, Draft(HARBOUR, {TITLE: "Left"}))
    commit(right, Draft(HARBOUR, {RATING: 2}))
    meet(left, right)
    assert left.root_digest() == right.root_digest()
    assert visible(left) == visible(right)


# --- another library -----------------------------------------------------------------------------


def test_a_new_library_shows_what_the_old_one_showed(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(1)
    export(old.catalogs[0], tmp_path / "out")
    (catalog,) = new.catalogs
    import_into(catalog, new.identities[0], tmp_path / "out")
    assert visible(catalog) == visible(old.catalogs[0])
    digest = catalog.root_digest()
    assert import_into(catalog, new.identities[0], tmp_path / "out").fresh == 0
    assert catalog.root_digest() == digest


def test_history_keeps_the_names_and_times_of_those_who_said_it_first(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(1)
    export(old.catalogs[0], tmp_path / "out")
    (catalog,) = new.catalogs
    import_into(catalog, new.identities[0], tmp_path / "out")
    before = {signed.id: signed.change for signed in old.catalogs[0].changes(HARBOUR)}
    after = [signed.change for signed in catalog.changes(HARBOUR)]
    assert len(after) == len(before)
    for change in after:
        origin = origin_of(change)
        assert origin is not None
        assert origin.name == "node"
        first = before[origin.change]
        assert (change.at, change.act, change.sets) == (first.at, first.act, first.sets)
        assert change.author == new.identities[0].node


def test_an_author_without_a_name_is_told_by_its_id(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(1)
    export(old.catalogs[0], tmp_path / "out")
    rewrite(tmp_path / "out", "members-0001.jsonl", lambda data: b"")
    import_into(new.catalogs[0], new.identities[0], tmp_path / "out")
    names = {
        origin.name
        for signed in new.catalogs[0].changes(HARBOUR)
        if (origin := origin_of(signed.change))
    }
    assert names == {peer_id(one.node) for one in old.identities}


def test_what_had_no_effect_there_has_none_here(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(1)
    revoke(old, old.identities[1].node, 1)
    export(old.catalogs[0], tmp_path / "out")
    counts = import_into(new.catalogs[0], new.identities[0], tmp_path / "out")
    assert visible(new.catalogs[0]) == visible(old.catalogs[0])
    assert counts.left_out > 0
    assert new.catalogs[0].roster.members.keys() == {new.identities[0].node}


def test_a_library_with_photos_of_its_own_takes_another_in_only_if_told_to(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(1)
    export(old.catalogs[0], tmp_path / "out")
    (catalog,) = new.catalogs
    commit(catalog, introduced(photo(9), "mine.jpg"), introduced(HARBOUR, "IMG_1.JPG"))
    commit(catalog, Draft(HARBOUR, {TITLE: "Mine"}))
    with pytest.raises(ExportOfOther, match="Test"):
        import_into(catalog, new.identities[0], tmp_path / "out")
    import_into(catalog, new.identities[0], tmp_path / "out", merges=True)
    titles = catalog.state(HARBOUR).fields[TITLE]
    assert {version.value for version in titles.versions} == {"Mine", "Ship"}, "nothing is lost"
    import_into(catalog, new.identities[0], tmp_path / "out")  # it was begun: it may go on


def test_members_that_import_the_same_apart_see_the_same(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(2)
    export(old.catalogs[0], tmp_path / "out")
    for catalog, identity in zip(new.catalogs, new.identities, strict=True):
        import_into(catalog, identity, tmp_path / "out")
    meet(*new.catalogs)
    assert new.catalogs[0].root_digest() == new.catalogs[1].root_digest()
    for catalog, identity in zip(new.catalogs, new.identities, strict=True):
        assert visible(catalog) == visible(old.catalogs[0])
        assert import_into(catalog, identity, tmp_path / "out").fresh == 0


def test_an_import_that_was_cut_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CATALOG_IMPORT_CHANGES_AT_ONCE", 2)
    old, new = full_library(), Cluster(1)
    export(old.catalogs[0], tmp_path / "out")
    (catalog,) = new.catalogs
    ask, calls = ask_of(catalog), 0

    def ask_a_while(work: Callable[[Catalog], int]) -> int:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise ExportInvalid("the power went")
        return ask(work)

    counts = ImportCounts()
    with pytest.raises(ExportInvalid):
        import_catalog(tmp_path / "out", ask_a_while, new.identities[0], counts, merges=False)
    assert 0 < counts.read < counts.total
    import_into(catalog, new.identities[0], tmp_path / "out")
    assert visible(catalog) == visible(old.catalogs[0])


def test_a_library_that_went_through_another_one_keeps_the_first_names(tmp_path: Path) -> None:
    first, second, third = full_library(), Cluster(1), Cluster(1)
    export(first.catalogs[0], tmp_path / "a")
    import_into(second.catalogs[0], second.identities[0], tmp_path / "a")
    export(second.catalogs[0], tmp_path / "b")
    rewrite(tmp_path / "b", "members-0001.jsonl", lambda data: data.replace(b'"node"', b'"other"'))
    import_into(third.catalogs[0], third.identities[0], tmp_path / "b")
    assert visible(third.catalogs[0]) == visible(first.catalogs[0])
    origins = [origin_of(signed.change) for signed in third.catalogs[0].changes(HARBOUR)]
    assert {origin.name for origin in origins if origin} == {"node"}


def test_a_member_that_may_not_write_imports_nothing(tmp_path: Path) -> None:
    old, new = full_library(), Cluster(2)
    export(old.catalogs[0], tmp_path / "out")
    commit(new.catalogs[0], certificate(new.identities[1].node, ("catalog.read",)))
    meet(*new.catalogs)
    with pytest.raises(NotAllowed, match=r"catalog\.write"):
        import_into(new.catalogs[1], new.identities[1], tmp_path / "out")
    assert visible(new.catalogs[1]) == {}


steps = st.lists(
    st.tuples(
        st.integers(0, 1),  # who
        st.sampled_from(["rating", "title", "tag", "untag", "trash", "meet"]),
        st.integers(1, 2),  # photo
        st.integers(0, 2),  # value
    ),
    max_size=14,
)


@settings(max_examples=40)
@given(steps)
def test_any_history_is_shown_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, str, int, int]]
) -> None:
    old, new = Cluster(2), Cluster(1)
    commit(old.catalogs[0], introduced(photo(1), "a.jpg"), introduced(photo(2), "b.jpg"))
    meet(*old.catalogs)
    for who, what, number, value in history:
        subject, tag = photo(number), f"tag {value}"
        drafts = {
            "rating": Draft(subject, {RATING: value}),
            "title": Draft(subject, {TITLE: str(value)}),
            "tag": Draft(subject, {}, {TAGS: (tag,)}),
            "untag": Draft(subject, {}, {}, {TAGS: (tag,)}),
            "trash": Draft(subject, {TRASHED: True if value else None}),
        }
        if what == "meet":
            meet(*old.catalogs)
        else:
            commit(old.catalogs[who], drafts[what])
    meet(*old.catalogs)
    folder = tmp_path_factory.mktemp("history") / "out"
    export(old.catalogs[0], folder)
    import_into(new.catalogs[0], new.identities[0], folder)
    assert visible(new.catalogs[0]) == visible(old.catalogs[0])
    again = lost(old, 1)
    import_into(again, old.identities[1], folder)
    assert again.root_digest() == old.catalogs[0].root_digest()


# --- what is wrong with an export ----------------------------------------------------------------


def rewrite(
    folder: Path, name: str, change: Callable[[bytes], bytes], *, sums: bool = True
) -> None:
    """Alter a file of an export; with `sums`, as somebody would who knows the format."""
    path = folder / name
    before = blake3.blake3(path.read_bytes()).hexdigest()
    path.write_bytes(change(path.read_bytes()))
    if sums:
        after = blake3.blake3(path.read_bytes()).hexdigest()
        listed = folder / "checksums.b3"
        listed.write_text(listed.read_text().replace(before, after))


def check_refused(
    tmp_path: Path, kind: type[PhotonicError], message: str, *, imports_nothing: bool = True
) -> None:
    cluster = Cluster(1)
    with pytest.raises(kind, match=message):
        import_into(cluster.catalogs[0], cluster.identities[0], tmp_path / "out")
    if imports_nothing:
        assert visible(cluster.catalogs[0]) == {}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("changes-0001.jsonl", lambda data: data[:-20], r"changes-0001\.jsonl, line \d+ is torn"),
        ("changes-0001.jsonl", lambda data: data.replace(b"{", b"<", 1), r"jsonl, line 1: "),
        ("changes-0001.jsonl", lambda data: data.replace(b"at", b"up", 1), "is not what it was"),
        ("photos-0001.jsonl", lambda data: data[:100], r"photos-0001\.jsonl, line 1 is torn"),
        ("library.json", lambda data: data.replace(b"Test", b"Mine"), "library.json is not what"),
        ("checksums.b3", lambda data: data[:40], r"checksums\.b3, line 1 is torn"),
        ("checksums.b3", lambda data: data[: data.index(b"\n") + 1], "does not name"),
    ],
)
def test_a_torn_export_is_refused_with_its_place(
    tmp_path: Path, name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    export(full_library().catalogs[0], tmp_path / "out")
    rewrite(tmp_path / "out", name, change, sums=False)
    check_refused(tmp_path, ExportInvalid, message)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    export(full_library().catalogs[0], tmp_path / "out")
    (tmp_path / "out" / "changes-0001.jsonl").unlink()
    check_refused(tmp_path, ExportInvalid, r"changes-0001\.jsonl is not there")


def test_an_export_of_the_future_is_refused(tmp_path: Path) -> None:
    export(full_library().catalogs[0], tmp_path / "out")
    rewrite(
        tmp_path / "out", "library.json", lambda data: data.replace(b'"format": 1', b'"format": 2')
    )
    check_refused(tmp_path, ExportNewer, "format 2")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"files": ["../../etc/passwd"]}, "is no file of an export"),
        ({"library": "xyz"}, "is no library"),
        ({"counts": {"changes": 1}}, "names 1 changes"),
        ({"files": 7}, "library.json: "),
    ],
)
def test_a_header_that_was_altered_is_refused(
    tmp_path: Path, header: dict[str, object], message: str
) -> None:
    export(full_library().catalogs[0], tmp_path / "out")
    rewrite(
        tmp_path / "out",
        "library.json",
        lambda data: json.dumps(json.loads(data) | header).encode(),
    )
    check_refused(tmp_path, ExportInvalid, message)


@pytest.mark.parametrize("is_own", [True, False])
def test_a_change_that_nobody_signed_is_named_by_file_and_line(
    tmp_path: Path, is_own: bool
) -> None:
    old = full_library()
    export(old.catalogs[0], tmp_path / "out")

    def forge(data: bytes) -> bytes:
        lines = [json.loads(line) for line in data.splitlines()]
        lines[6]["data"] = "AAAA" + lines[6]["data"][4:]  # in the signature
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    rewrite(tmp_path / "out", "changes-0001.jsonl", forge)
    message = r"changes-0001\.jsonl, line 7: "
    if is_own:
        with pytest.raises(ExportInvalid, match=message):
            import_into(lost(old, 1), old.identities[1], tmp_path / "out")
    else:
        check_refused(tmp_path, ExportInvalid, message)


def test_a_folder_that_is_no_export_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_refused(tmp_path, ExportInvalid, "is no export")
    with pytest.raises(FolderUnknown):
        Bundle(tmp_path / "none")
