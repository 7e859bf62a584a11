"""Each protection is taken away once, and the property that it protects must find out.

A property that passes with its protection gone proves nothing. The counter-example that hypothesis
finds is in the failure that each test here expects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from photonic.crdt import catalog as catalog_module
from photonic.crdt import door, fold
from photonic.crdt.author import Author
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import inspect
from photonic.crdt.door import Admission
from photonic.crdt.fold import Field, Version
from photonic.crdt.keys import ROOT
from photonic.crdt.lineage import Lineage
from photonic.crdt.updates import parse
from photonic.errors import ChangeInvalid
from photonic.ids import LibraryId, NodeId, Subject
from photonic.journal.journal import Entry, Journal
from tests.crdt import invariants, membership_histories
from tests.crdt.invariants import HISTORIES, Act

Patch = Callable[[pytest.MonkeyPatch], None]

_SEARCH = settings(
    max_examples=2_000,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # any counter-example will do; the smallest is not looked for
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


def _last_clock_wins(patch: pytest.MonkeyPatch) -> None:
    """I2: what every photo manager does: the later clock throws the other edit away."""

    def latest(_s: Subject, _n: str, versions: Iterable[Version], lineage: Lineage) -> Field:
        return Field((max(versions, key=lambda v: (v.at, v.change)),))

    patch.setattr(fold, "_latest", latest)


def _arrival_decides(patch: pytest.MonkeyPatch) -> None:
    """I1: versions stand in the order in which they came."""
    honest = fold._latest

    def latest(subject: Subject, name: str, versions: Iterable[Version], lineage: Lineage) -> Field:
        some = list(versions)
        there = {version.change for version in honest(subject, name, some, lineage).versions}
        return Field(tuple(version for version in some if version.change in there))

    patch.setattr(fold, "_latest", latest)


def _parents_are_skipped(patch: pytest.MonkeyPatch) -> None:
    """I2: a change does not say what it had seen, so it supersedes nothing."""
    honest = Author.change

    def change(self: Author, *args: Any) -> Any:
        said = honest(self, *args)
        names = said.__struct_fields__
        return type(said)(**{name: getattr(said, name) for name in names} | {"parents": ()})

    patch.setattr(Author, "change", change)


def _told_before_durable(patch: pytest.MonkeyPatch) -> None:
    """I3: what concerns photos is never committed, and everybody is told nevertheless."""
    honest = Journal.commit

    def commit(self: Journal, entries: Iterable[Entry], digests: Any, facts: Any) -> None:
        honest(self, [entry for entry in entries if entry.shard == ROOT], digests, facts)

    patch.setattr(Journal, "commit", commit)


def _client_ids_are_used_again(patch: pytest.MonkeyPatch) -> None:
    """I4: each process writes under the client id that the node always had."""
    patch.setattr(
        Catalog, "new_client_id", lambda self: int.from_bytes(self._identity.node[:6], "big")
    )


def _overwrites_pass(patch: pytest.MonkeyPatch) -> None:
    """I4: the door lets through whatever parses."""

    def admit(library: LibraryId, shard: int, update: bytes, known: Any) -> Admission:
        parsed = parse(update)
        entries = dict(parsed.entries())
        fresh = [inspect(library, entries[key]) for key in entries.keys() - known(entries).keys()]
        return Admission(parsed, tuple(fresh))

    patch.setattr(catalog_module, "admit_changes", admit)
    patch.setattr(door, "admit_changes", admit)


def _nobody_asks_the_roster(patch: pytest.MonkeyPatch) -> None:
    """I7: whatever is signed counts."""
    patch.setattr(Catalog, "is_effective", lambda self, signed: True)


def _rights_are_judged_at_the_door(patch: pytest.MonkeyPatch) -> None:
    """I7: a node that knows of a revocation refuses what others took in before they knew."""
    honest = Catalog._receive_changes

    def receive(self: Catalog, number: int, update: bytes, peer: NodeId) -> None:
        for _, data in parse(update).entries():
            change = inspect(self.library, data).change
            member = self.roster.members.get(NodeId(change.author))
            if member is not None and member.cut is not None and change.seq > member.cut:
                raise ChangeInvalid("its author is revoked")
        honest(self, number, update, peer)

    patch.setattr(Catalog, "_receive_changes", receive)


MUTATIONS: list[tuple[Patch, Callable[[list[Act]], None], str]] = [
    (_last_clock_wins, invariants.check_no_lost_edit, "an edit is gone"),
    (_arrival_decides, invariants.check_convergence, "different states"),
    (_parents_are_skipped, invariants.check_one_author_never_contests, "its own words"),
    (_told_before_durable, invariants.check_persisted_before_told, "forgot what it told"),
    (
        _client_ids_are_used_again,
        invariants.check_convergence,
        "different|did not agree",
    ),
    (_overwrites_pass, invariants.check_append_only, "an entry is gone"),
]


@pytest.mark.parametrize(
    ("take_away", "finding"),
    [
        (_nobody_asks_the_roster, "beyond the cut"),
        (_rights_are_judged_at_the_door, "different changes"),
    ],
)
def test_the_membership_property_fails_when_its_protection_is_gone(
    take_away: Patch, finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_away(monkeypatch)
    with pytest.raises(AssertionError, match=finding):
        _SEARCH(given(membership_histories.ACTS)(membership_histories.check_members_only))()


@pytest.mark.parametrize(
    ("take_away", "check", "finding"),
    MUTATIONS,
    ids=[mutation.__name__ for mutation, *_ in MUTATIONS],
)
def test_a_property_fails_when_its_protection_is_gone(
    take_away: Patch,
    check: Callable[[list[Act]], None],
    finding: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_away(monkeypatch)

    with pytest.raises(AssertionError, match=finding):
        _SEARCH(given(HISTORIES)(check))()
