"""A better way is tried until the best one stands, soon at first, and nothing for nothing."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.p2p.reach import (
    Attempt,
    Outlook,
    Try,
    at_down,
    at_news,
    at_up,
    due_s,
    failed,
    least_better,
    next_attempt,
    promising,
    why_not_better,
)
from photonic.p2p.ways import Way, way_to

NOTHING = frozenset[Attempt]()
OUTLOOKS = st.builds(
    Outlook,
    standing=st.none() | st.sampled_from(Way),
    has_near=st.booleans(),
    has_far=st.booleans(),
    has_relay=st.booleans(),
)
TIMES = st.floats(0, 1e6)
TRIES = st.dictionaries(
    st.sampled_from(Attempt), st.builds(Try, st.integers(0, 40), TIMES, st.text(max_size=5))
)
UNDER_WAY = st.frozensets(st.sampled_from(Attempt))
# What an attempt may bring at best.
BRINGS = {Attempt.DIAL: Way.LAN, Attempt.PUNCH: Way.PUNCHED, Attempt.RELAY: Way.RELAYED}


@given(OUTLOOKS)
def test_only_what_may_bring_a_better_way_is_tried(outlook: Outlook) -> None:
    for attempt in promising(outlook):
        assert outlook.standing is None or BRINGS[attempt] > outlook.standing
    if outlook.standing is Way.LAN:
        assert promising(outlook) == ()


@given(OUTLOOKS, TRIES, UNDER_WAY, TIMES)
def test_what_is_due_is_begun_and_nothing_before_its_time(
    outlook: Outlook, tries: dict[Attempt, Try], under_way: frozenset[Attempt], now_s: float
) -> None:
    attempt, wait_s = next_attempt(outlook, tries, under_way, now_s)
    able = set(promising(outlook)) - under_way
    if attempt is not None:
        assert attempt in able
        assert tries.get(attempt, Try()).due_s <= now_s
        assert wait_s is None
    elif able:
        assert wait_s is not None and wait_s > now_s, "whoever waits is not woken at once again"
        again, _ = next_attempt(outlook, tries, under_way, wait_s)
        assert again in able, "at the time that was told something is due"
    else:
        assert wait_s is None


@given(OUTLOOKS, TRIES, TIMES)
def test_every_promising_attempt_comes_to_its_turn(
    outlook: Outlook, tries: dict[Attempt, Try], now_s: float
) -> None:
    """Whatever fails, all that may help has been tried within the longest wait."""
    tried = set[Attempt]()
    until_s = max([now_s, *(made.due_s for made in tries.values())]) + limits.BETTER_MAX_S
    while now_s <= until_s and tried != set(promising(outlook)):
        attempt, wait_s = next_attempt(outlook, tries, NOTHING, now_s)
        if attempt is None:
            assert wait_s is not None
            now_s = wait_s
            continue
        tried.add(attempt)
        made = tries.get(attempt, Try())
        is_up = outlook.standing is not None
        tries = {**tries, attempt: failed(made, "x", is_up, now_s, 1.0)}
    assert tried == set(promising(outlook))


@given(OUTLOOKS, TRIES)
def test_a_relay_is_not_asked_before_dialling_failed_or_took_its_time(
    outlook: Outlook, tries: dict[Attempt, Try]
) -> None:
    if Attempt.DIAL not in promising(outlook) or tries.get(Attempt.DIAL, Try()).failures:
        return
    for attempt in set(promising(outlook)) - {Attempt.DIAL}:
        dialled_s = tries.get(Attempt.DIAL, Try()).due_s
        assert due_s(attempt, outlook, tries) >= dialled_s + limits.DIAL_HEAD_START_S


@given(st.builds(Try, st.integers(0, 10), TIMES), st.booleans(), TIMES, st.floats(0.5, 1.0))
def test_waits_grow_up_to_a_bound_and_news_ends_them(
    made: Try, is_up: bool, now_s: float, jitter: float
) -> None:
    least_s = limits.BETTER_MIN_S if is_up else limits.RECONNECT_MIN_S
    most_s = limits.BETTER_MAX_S if is_up else limits.RECONNECT_MAX_S
    waits = []
    for _ in range(14):
        made = failed(made, "no answer", is_up, now_s, jitter)
        waits.append(made.due_s - now_s)
    assert waits == sorted(waits)
    assert all(0.49 * least_s <= wait <= most_s + 1e-6 for wait in waits)
    assert at_news(made).due_s == 0.0
    assert at_up(made, now_s).due_s >= now_s + limits.BETTER_FIRST_S
    assert at_down(made, now_s).due_s == now_s + limits.RECONNECT_MIN_S


def test_it_is_said_why_there_is_no_better_way() -> None:
    refused = Try(1, 5.0, "203.0.113.7:4310 refused")
    relayed = Outlook(Way.RELAYED, has_far=True, has_relay=True)
    tries = {Attempt.DIAL: refused, Attempt.PUNCH: Try(1, 5.0, "NAT changes ports")}
    said = why_not_better(relayed, tries)
    assert said == "direct: 203.0.113.7:4310 refused; punching: NAT changes ports"
    assert why_not_better(Outlook(Way.LAN), tries) == ""
    assert "no address on this network" in why_not_better(Outlook(Way.DIRECT), {})
    assert "no member that relays" in why_not_better(Outlook(None, has_far=True), tries)


def test_the_next_better_way_is_one_step_up() -> None:
    assert least_better(None) is Way.RELAYED
    assert least_better(Way.RELAYED) is Way.PUNCHED


def test_an_address_of_our_network_is_near_and_any_other_is_elsewhere() -> None:
    networks = [ipaddress.ip_network("192.168.1.0/24"), ipaddress.ip_network("2001:db8::/64")]
    for near in ("192.168.1.9", "127.0.0.1", "2001:db8::5", "::1", "2001:db8::7%eth0"):
        assert way_to(near, networks) is Way.LAN
    for far in ("192.168.2.9", "203.0.113.7", "2001:db8:1::5", "studio.example", ""):
        assert way_to(far, networks) is Way.DIRECT
