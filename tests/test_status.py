"""State and mode follow from facts alone: every row of the table, and whatever else may be so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.roles.presets import ROLES
from photonic.status import Facts, Mode, State, mode, state

CALM = Facts(
    role="mobile",
    cannot_write=False,
    conflicts=0,
    members=2,
    connected=1,
    dialling=0,
    rounds_under_way=0,
    transfers=0,
    central_near=False,
    metered=False,
)
few = st.integers(0, 3)
facts = st.builds(
    Facts,
    role=st.sampled_from(sorted(ROLES)),
    cannot_write=st.booleans(),
    conflicts=few,
    members=few,
    connected=few,
    dialling=few,
    rounds_under_way=few,
    transfers=few,
    central_near=st.booleans(),
    metered=st.booleans(),
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, State.MONITORING),
        ({"members": 0, "connected": 0}, State.MONITORING),
        ({"connected": 0}, State.OFFLINE),
        ({"connected": 0, "dialling": 1}, State.CONNECTING),
        ({"conflicts": 1}, State.CONFLICT),
        ({"conflicts": 1, "connected": 0}, State.CONFLICT),
        ({"transfers": 1, "conflicts": 1}, State.SYNCING),
        ({"rounds_under_way": 1}, State.SYNCING),
        ({"cannot_write": True, "transfers": 1}, State.ERROR),
    ],
)
def test_the_state_is_the_most_urgent_of_what_is_true(
    said: dict[str, int], expected: State
) -> None:
    assert state(replace(CALM, **said)) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("role", "central_near", "metered", "moves", "expected"),
    [
        ("mobile", True, False, False, Mode.HOME),
        ("mobile", True, False, True, Mode.SYNC),
        ("mobile", False, False, False, Mode.ROAMING),
        ("mobile", False, False, True, Mode.SYNC),
        ("mobile", True, True, False, Mode.ROAMING),
        ("mobile", False, True, False, Mode.ROAMING),
        ("central", False, False, False, Mode.HOME),
        ("central", False, True, False, Mode.HOME),
        ("central", False, False, True, Mode.SYNC),
        ("archive", True, False, True, Mode.ARCHIVE),
        ("archive", False, True, False, Mode.ARCHIVE),
    ],
)
def test_the_mode_follows_from_role_and_surroundings(
    role: str, central_near: bool, metered: bool, moves: bool, expected: Mode
) -> None:
    said = replace(
        CALM, role=role, central_near=central_near, metered=metered, transfers=int(moves)
    )
    assert mode(said) is expected


@given(facts)
def test_whatever_is_so_there_is_one_mode_and_it_says_what_is_true(said: Facts) -> None:
    found = mode(said)
    assert (found is Mode.ARCHIVE) == (said.role == "archive")
    if found is Mode.SYNC:
        assert said.transfers or said.rounds_under_way
    if found is Mode.ROAMING:
        assert said.role == "mobile" and (said.metered or not said.central_near)
    if found is Mode.HOME and said.role == "mobile":
        assert said.central_near and not said.metered
    if said.cannot_write:
        assert state(said) is State.ERROR
    else:
        assert state(said) is not State.ERROR
    if state(said) is State.OFFLINE:
        assert said.members and not said.connected and not said.dialling


@given(facts, few, few)
def test_the_mode_knows_nothing_of_conflicts_and_of_how_many_others_there_are(
    said: Facts, conflicts: int, members: int
) -> None:
    assert mode(said) is mode(replace(said, conflicts=conflicts, members=members))
