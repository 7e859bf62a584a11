"""Whatever two processes do to a store, and wherever they are stopped: nothing told is untrue."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.blobs.story import BLOBS, Act, Deed, Life, Stop, tell

DEEDS = st.builds(
    Deed,
    st.sampled_from([Act.RECEIVE, Act.RECEIVE, *Act]),
    st.integers(0, len(BLOBS) - 1),
    st.booleans(),
)
LIVES = st.builds(
    Life,
    st.lists(DEEDS, min_size=1, max_size=8).map(tuple),
    st.integers(0, 120),
    st.sampled_from(Stop),
)


def _by_the_carrier(*acts: Act, blob: int = 0) -> tuple[Deed, ...]:
    return tuple(Deed(act, blob, by_owner=False) for act in acts)


# Whoever put a damaged file aside was killed before that was durable; then the power failed.
KILLED_THEN_DARK = [
    Life(_by_the_carrier(Act.ROT), 5, Stop.OWNER),
    Life(_by_the_carrier(Act.RECEIVE), 0, Stop.POWER),
]
# The list from which a small blob would have been repaired came back after it was discarded.
LISTED_FOR_NOTHING = [Life(_by_the_carrier(Act.ROT, Act.DISCARD, blob=3), 18, Stop.POWER)]


@settings(deadline=None, max_examples=80)
@example(KILLED_THEN_DARK, 4)
@example(LISTED_FOR_NOTHING, 0)
@given(st.lists(LIVES, min_size=1, max_size=4), st.integers(0, 1 << 16))
def test_nothing_that_was_told_is_lost_and_nothing_unverified_is_named(
    lives: list[Life], seed: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tell(Path(folder), lives, seed)
