"""Where no hole can be punched nothing is lost by it; through real NATs: tests/system/test_nats."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import PunchFailed
from photonic.p2p.splice import SIGHTING_BYTES_MAX, Sighting
from photonic.p2p.ways import Way
from tests.p2p.relay_cluster import play, running
from tests.p2p.test_relay import connect, three

HOSTS = st.ip_addresses().map(str)
SPOTS = st.tuples(HOSTS, st.integers(1, 65_535))


@given(SPOTS, SPOTS)
def test_a_sighting_is_read_as_it_was_told(own: tuple[str, int], other: tuple[str, int]) -> None:
    told = Sighting(own, other).encode()
    assert Sighting.decode(told) == Sighting(own, other)
    assert len(told) <= SIGHTING_BYTES_MAX


@given(st.binary(max_size=SIGHTING_BYTES_MAX))
def test_what_a_relay_says_that_is_no_sighting_ends_the_attempt(data: bytes) -> None:
    try:
        seen = Sighting.decode(data)
    except ConnectionResetError:
        return
    assert Sighting.decode(seen.encode()) == seen


@pytest.mark.parametrize(
    "data", [b"1.2.3.4 5 host 6", b"1.2.3.4 0 1.2.3.4 1", b"1.2.3.4 1 1.2.3.4 65536", b"", b"a b"]
)
def test_names_and_impossible_ports_are_no_sighting(data: bytes) -> None:
    with pytest.raises(ConnectionResetError):
        Sighting.decode(data)


def test_where_it_leads_nowhere_the_relay_is_used_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two ports of one machine nothing holds up a packet: they never meet halfway."""
    monkeypatch.setattr(limits, "PUNCH_S", 0.5)

    async def story() -> None:
        relay, one, two = three(tmp_path)
        async with running(relay, one, two):
            await connect(relay, one, two)
            await one.reach(two)
            with pytest.raises(PunchFailed, match="no answer through the NATs"):
                await one.punch(two)
            assert one.way(two) is Way.RELAYED
            assert await one.ask(two, b"on") == b"on"
            await relay.wait_for(lambda: relay.ways.relay.pairs == 1)

    play(story)


def test_without_a_relay_between_there_is_no_attempt(tmp_path: Path) -> None:
    async def story() -> None:
        relay, one, two = three(tmp_path, listens=True)
        async with running(relay, one, two):
            await one.dial(two)
            with pytest.raises(PunchFailed, match="no relay"):
                await one.punch(two)

    play(story)
