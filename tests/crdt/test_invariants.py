"""I1 to I4 and I7 hold in every history: writes, cut meetings, crashes, old copies, revocations."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.crdt import invariants, membership_histories
from tests.crdt.invariants import HISTORIES, Act

_SETTINGS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip


@_SETTINGS
@given(HISTORIES)
def test_nodes_that_met_show_the_same_byte_for_byte(history: list[Act]) -> None:
    invariants.check_convergence(history)


@_SETTINGS
@given(HISTORIES)
def test_no_edit_that_any_node_has_is_lost_not_even_by_an_old_copy(history: list[Act]) -> None:
    invariants.check_no_lost_edit(history)


@_SETTINGS
@given(HISTORIES)
def test_whoever_goes_on_editing_supersedes_its_own_words(history: list[Act]) -> None:
    invariants.check_one_author_never_contests(history)


@_SETTINGS
@given(HISTORIES)
def test_what_a_node_told_it_still_has_after_a_crash(history: list[Act]) -> None:
    invariants.check_persisted_before_told(history)


@_SETTINGS
@given(HISTORIES)
def test_documents_only_gain_entries_whatever_arrives(history: list[Act]) -> None:
    invariants.check_append_only(history)


@_SETTINGS
@given(HISTORIES, st.lists(st.integers(0, 50), max_size=40))
def test_the_fold_depends_on_nothing_but_the_set_of_changes(
    history: list[Act], order: list[int]
) -> None:
    invariants.check_fold_is_a_function_of_the_set(history, order)


@_SETTINGS
@given(membership_histories.ACTS)
def test_what_a_revoked_member_says_counts_up_to_its_cut_in_whatever_order_it_is_heard(
    acts: list[tuple[object, ...]],
) -> None:
    membership_histories.check_members_only(acts)
