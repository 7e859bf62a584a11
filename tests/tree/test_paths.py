"""A photo's path is decided once: injective, the same on all nodes, and it never moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from photonic import limits
from photonic.ids import BlobId, ChangeId, digest
from photonic.tree.paths import (
    TEMPLATE,
    Claim,
    Naming,
    check_template,
    decide,
    is_marked,
    key_of,
    legal,
    marked,
    settled,
    wanted_path,
)

PHOTOS = [BlobId(digest(bytes([number]))) for number in range(8)]
_MARKS = [f"IMG~{photo.hex()[:16]}.jpg" for photo in PHOTOS[:3]]
_names = st.sampled_from(["IMG.jpg", "img.JPG", "IMG.jpg.xmp", *_MARKS, "..", "a/b\0.cr3", ""])
_any_text = st.text(max_size=60) | st.text(st.sampled_from("./~\\\0 aA\u00e9e\u0301:"), max_size=30)


def naming(**said: Any) -> Naming:
    return replace(Naming(PHOTOS[0], "IMG_0001.CR3", "Iceland", "2024-05-17T09:30:12.250"), **said)


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({}, "2024/2024-05-17 Iceland/IMG_0001.CR3"),
        ({"shoot": "Laki"}, "2024/2024-05-17 Laki/IMG_0001.CR3"),
        ({"folder": "Iceland/DCIM/100CANON"}, "2024/2024-05-17 Iceland/IMG_0001.CR3"),
        ({"folder": ""}, "2024/2024-05-17/IMG_0001.CR3"),
        ({"moment": ""}, "undated/undated Iceland/IMG_0001.CR3"),
        ({"shoot": "../../etc"}, "2024/2024-05-17 .._.._etc/IMG_0001.CR3"),
        ({"name": "../x.jpg"}, "2024/2024-05-17 Iceland/_._x.jpg"),
        ({"name": "a\0b.jpg"}, "2024/2024-05-17 Iceland/a_b.jpg"),
        ({"name": "con.jpg"}, "2024/2024-05-17 Iceland/_con.jpg"),
        ({"name": "A.CR3.XMP"}, "2024/2024-05-17 Iceland/A.CR3.XMP_"),
        ({"name": ".hidden"}, "2024/2024-05-17 Iceland/_hidden"),
    ],
)
def test_the_path_of_the_issue_and_of_what_is_no_name(said: dict[str, str], path: str) -> None:
    assert wanted_path(TEMPLATE, naming(**said)) == path


@pytest.mark.parametrize(
    "template",
    [
        "{year}",
        "{name}/x",
        "/{name}",
        "{a}/{name}",
        "../{name}",
        "{year!r}/{name}",
        "{year:4}/{name}",
        "a//{name}",
        "{year}/{name}{name}",
    ],
)
def test_a_template_that_names_no_file_in_folders_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_template(template)


@given(_any_text, _any_text, _any_text)
def test_a_path_leads_down_and_is_the_same_when_it_is_looked_at_again(
    folder: str, name: str, shoot: str
) -> None:
    path = wanted_path(TEMPLATE, naming(folder=folder, name=name, shoot=shoot))
    parts = path.split("/")
    assert legal(path) == path and not path.startswith("/")
    assert all(part not in ("", ".", "..") and "\0" not in part for part in parts)
    assert all(len(part.encode()) <= 255 for part in parts)
    assert not key_of(path).endswith(".xmp")
    mark = marked(path, PHOTOS[0])
    assert is_marked(mark, PHOTOS[0]) and legal(mark) == mark
    assert len(mark.rpartition("/")[2].encode()) <= limits.EXPORT_NAME_BYTES_MAX


@dataclass
class Exporter:
    """A node that publishes what it knows of."""

    claims: set[Claim] = field(default_factory=set)
    clock: int = 0

    def publish(self, photo: BlobId, name: str, change: bytes) -> None:
        if any(claim.photo == photo for claim in self.claims):
            return
        wanted = legal("2024/" + name)

        def is_taken(key: str) -> bool:
            return any(key_of(c.path) == key for c in self.claims if c.photo != photo)

        self.clock += 1
        path = decide(wanted, photo, is_taken)
        self.claims.add(Claim(photo, path, self.clock, ChangeId(digest(change))))

    def meet(self, other: Exporter) -> None:
        self.claims |= other.claims
        other.claims |= self.claims
        self.clock = other.clock = max(self.clock, other.clock)


class Exporters(RuleBasedStateMachine):
    """Nodes publish apart and meet, and others forge claims as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes = [Exporter() for _ in range(3)]
        self.count = 0

    @rule(node=st.integers(0, 2), photo=st.sampled_from(PHOTOS), name=_names)
    def publish(self, node: int, photo: BlobId, name: str) -> None:
        self.count += 1
        before = settled(self.nodes[node].claims)
        self.nodes[node].publish(photo, name, self.count.to_bytes(4, "big"))
        after = settled(self.nodes[node].claims)
        assert {p: after[p] for p in before} == before, "what was published moved"

    @rule(node=st.integers(0, 2), photo=st.sampled_from(PHOTOS), name=_names, at=st.integers(0, 9))
    def forge(self, node: int, photo: BlobId, name: str, at: int) -> None:
        self.count += 1
        change = ChangeId(digest(self.count.to_bytes(4, "big")))
        self.nodes[node].claims.add(Claim(photo, legal(name), at, change))

    @rule(one=st.integers(0, 2), other=st.integers(0, 2))
    def meet(self, one: int, other: int) -> None:
        self.nodes[one].meet(self.nodes[other])

    @invariant()
    def no_two_photos_lie_at_one_path(self) -> None:
        for node in self.nodes:
            keys = [key_of(path) for paths in settled(node.claims).values() for path in paths]
            assert len(keys) == len(set(keys))

    @invariant()
    def every_claimed_photo_lies_somewhere(self) -> None:
        for node in self.nodes:
            assert settled(node.claims).keys() == {claim.photo for claim in node.claims}

    @invariant()
    def nodes_that_know_the_same_show_the_same_in_whatever_order(self) -> None:
        for node in self.nodes:
            some = sorted(node.claims, key=lambda claim: claim.change)
            assert settled(some) == settled(reversed(some)) == settled([*some, *some])

    @invariant()
    def what_follows_for_a_key_follows_from_its_claims(self) -> None:
        for node in self.nodes:
            whole = settled(node.claims)
            for photo, paths in whole.items():
                keys = {key_of(c.path) for c in node.claims if c.photo == photo}
                part = settled(c for c in node.claims if key_of(c.path) in keys)
                assert part[photo] == paths


TestExporters = Exporters.TestCase
TestExporters.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)


@given(st.lists(st.tuples(st.sampled_from(PHOTOS), _names), max_size=20))
def test_nodes_that_meet_before_they_publish_never_move_anything(
    some: list[tuple[BlobId, str]],
) -> None:
    nodes = [Exporter(), Exporter()]
    for number, (photo, name) in enumerate(some):
        nodes[0].meet(nodes[1])
        before = settled(nodes[1].claims)
        nodes[number % 2].publish(photo, name, number.to_bytes(4, "big"))
        nodes[0].meet(nodes[1])
        after = settled(nodes[1].claims)
        assert {p: after[p] for p in before} == before


def test_two_photos_published_apart_at_one_path_the_earlier_claim_has_it() -> None:
    first = Claim(PHOTOS[0], "2024/IMG.jpg", 1, ChangeId(bytes(32)))
    later = Claim(PHOTOS[1], "2024/img.JPG", 2, ChangeId(bytes(32)))
    mark = PHOTOS[1].hex()[:16]
    assert settled([later, first]) == {
        PHOTOS[0]: ("2024/IMG.jpg",),
        PHOTOS[1]: (f"2024/img~{mark}.JPG",),
    }


def test_one_photo_published_apart_at_two_paths_lies_at_both() -> None:
    first = Claim(PHOTOS[0], "2024/a/IMG.jpg", 1, ChangeId(bytes(32)))
    later = Claim(PHOTOS[0], "2024/b/IMG.jpg", 2, ChangeId(bytes(31) + b"1"))
    assert settled([later, first]) == {PHOTOS[0]: ("2024/a/IMG.jpg", "2024/b/IMG.jpg")}
