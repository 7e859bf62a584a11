"""Wrong tokens are counted by address, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from photonic.attempts import Attempts, network_of

KEYS = st.sampled_from("abcdefgh")


def test_many_within_the_window_bar_for_the_rest_of_it() -> None:
    now_s = [100.0]
    attempts = Attempts(lambda: now_s[0], window_s=60, count_max=3)
    for _ in range(2):
        attempts.note("a")
    assert attempts.wait_s("a") == 0
    now_s[0] += 20
    attempts.note("a")
    assert attempts.wait_s("a") == 40
    assert attempts.wait_s("b") == 0
    now_s[0] += 40
    assert attempts.wait_s("a") == 0
    assert attempts.is_first("a")  # a new window
    assert not attempts.is_first("a")


@given(st.lists(st.tuples(KEYS, st.integers(0, 30)), max_size=80))
def test_no_more_is_kept_than_is_allowed_and_no_wait_is_longer(
    steps: list[tuple[str, int]],
) -> None:
    now_s = [0.0]
    attempts = Attempts(lambda: now_s[0], window_s=60, count_max=2, keys_max=3)
    for key, later_s in steps:
        now_s[0] += later_s
        attempts.note(key)
        assert len(attempts) <= 3
        assert all(0 <= attempts.wait_s(one) <= 60 for one in "abcdefgh")


def test_an_ipv6_network_counts_as_one() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")


@given(st.text())
def test_no_address_breaks_it_or_makes_it_grow(text: str) -> None:
    assert len(network_of(text)) <= 64
