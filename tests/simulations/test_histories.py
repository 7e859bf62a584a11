"""The simulator runs product code, repeats itself, and finds a bug that is planted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from photonic.crdt.keys import ROOT
from photonic.journal.journal import Entry, Journal, ShardDigest
from simulations.catalog_checkers import Violation
from simulations.run import simulate


@pytest.mark.parametrize("seed", range(40))
def test_a_history_of_partitions_and_crashes_loses_nothing_and_ends_in_agreement(seed: int) -> None:
    simulate(seed)


def test_the_same_seed_is_the_same_history() -> None:
    assert simulate(7) == simulate(7)
    assert simulate(7).trace != simulate(8).trace


def test_a_journal_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Journal.commit

    def forgetful(
        self: Journal,
        entries: Iterable[Entry],
        digests: Mapping[int, ShardDigest],
        facts: Mapping[str, bytes],
    ) -> None:
        some = list(entries)
        kept = [entry for entry in some if entry.shard == ROOT]  # members are not its victims
        honest(self, [*kept, *[e for e in some if e.shard != ROOT][1:]], digests, facts)

    def simulate_some() -> None:
        for seed in range(20):
            simulate(seed)

    monkeypatch.setattr(Journal, "commit", forgetful)
    with pytest.raises(Violation, match="seed"):
        simulate_some()
