"""What goes through a relay comes out as it went in, and nothing of it stays or runs on."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId, peer_id
from photonic.p2p import lane_messages as said
from photonic.p2p import splice
from photonic.p2p.gatehouse import Gatehouse
from photonic.p2p.lane_certificates import make_credentials
from photonic.p2p.lane_sockets import LaneTls
from photonic.p2p.rates import Bandwidth, PeerBandwidth
from photonic.p2p.splice import BufferMover, KernelMover, Mover, Splicer, come, greeting, meet
from photonic.p2p.throttle import Throttle
from photonic.world import World

WORLD = World()
ONE, TWO, THIRD = (NodeId(name * 32) for name in (b"1", b"2", b"3"))
TICKETS = (b"a" * said.TICKET_BYTES, b"b" * said.TICKET_BYTES)
WAIT_S = 20.0


class House:
    """A relay's gatehouse and splicer, at a port of loopback."""

    def __init__(self, mover: Callable[[], Mover] = KernelMover) -> None:
        self.reports: queue.Queue[said.Report] = queue.Queue()
        self.throttle = Throttle(WORLD.clock)
        self.splicer = Splicer(WORLD.clock, self.throttle, self.reports.put, mover)
        tls = LaneTls(*make_credentials(Identity.generate(WORLD)))
        self.gate = Gatehouse(tls, WORLD.clock, lambda peer, lane: None, splicer=self.splicer)
        self.listener = self.gate.listen("127.0.0.1", 0)
        self.address: tuple[str, int] = self.listener.getsockname()

    def close(self) -> None:
        self.listener.close()

    def expect(self, number: int = 1, within_s: float = WAIT_S) -> None:
        self.splicer.expect(said.Pair(number, (ONE, TWO), TICKETS, within_s))

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Return the two ends of a pair."""
        self.expect()
        found: queue.Queue[socket.socket | Exception] = queue.Queue()

        def second() -> None:
            try:
                found.put(meet(self.address, TICKETS[1]))
            except (OSError, StreamBroken) as error:
                found.put(error)

        threading.Thread(target=second).start()
        one, two = meet(self.address, TICKETS[0]), found.get(timeout=WAIT_S)
        assert isinstance(two, socket.socket), two
        return one, two

    def wait_for(self, kind: type[said.Report]) -> said.Report:
        while not isinstance(report := self.reports.get(timeout=WAIT_S), kind):
            pass
        return report


@pytest.fixture(params=[KernelMover, BufferMover])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    with closing(House(request.param)) as made:
        yield made


def read_all(end: socket.socket) -> bytes:
    data = bytearray()
    while piece := end.recv(1 << 20):
        data += piece
    return bytes(data)


def send_until_held_up(end: socket.socket) -> int:
    """Send until nobody takes anything for a second; return how much went."""
    end.settimeout(1.0)
    sent = 0
    with suppress(TimeoutError):
        while sent < 1 << 30:
            sent += end.send(bytes(1 << 20))
    return sent


def test_bytes_go_both_ways_at_once_and_each_end_ends_for_itself(house: House) -> None:
    there, back = bytes(range(256)) * 20_000, bytes(reversed(range(256))) * 30_000
    one, two = house.pair()
    with one, two:
        answers: queue.Queue[bytes] = queue.Queue()

        def other() -> None:
            sender = threading.Thread(target=two.sendall, args=(back,))
            sender.start()
            answers.put(read_all(two))
            sender.join()
            two.shutdown(socket.SHUT_WR)

        threading.Thread(target=other).start()
        sender = threading.Thread(target=one.sendall, args=(there,))
        sender.start()
        came = bytearray()
        while len(came) < len(back):
            came += one.recv(1 << 20)
        sender.join()
        one.shutdown(socket.SHUT_WR)  # the other still could send
        assert read_all(one) == b""
        assert bytes(came) == back
        assert answers.get(timeout=WAIT_S) == there
        house.wait_for(said.Parted)


def test_what_went_through_is_counted(house: House) -> None:
    one, two = house.pair()
    with one, two:
        one.sendall(bytes(300_000))
        one.shutdown(socket.SHUT_WR)
        two.shutdown(socket.SHUT_WR)
        assert len(read_all(two)) == 300_000
    moved = 0
    while not isinstance(report := house.reports.get(timeout=WAIT_S), said.Parted):
        moved += report.size_bytes if isinstance(report, said.Relayed) else 0
    assert moved == 300_000


def test_both_are_told_before_either_hears_the_other(house: House) -> None:
    """An end that speaks first overtook the word to the other one, before there was one order."""
    for _ in range(100):
        house.expect()
        with ExitStack() as stack:
            hasty = stack.enter_context(socket.create_connection(house.address, WAIT_S))
            hasty.sendall(greeting(TICKETS[0]) + b"hasty")
            late = stack.enter_context(socket.create_connection(house.address, WAIT_S))
            come(late, TICKETS[1])  # else it would read what the other one said
            assert late.recv(5) == b"hasty"


def test_an_end_that_does_not_read_holds_the_other_up(house: House) -> None:
    one, two = house.pair()
    with one, two:
        sent = send_until_held_up(one)
        read = 0
        two.settimeout(WAIT_S)
        while read < sent:
            read += len(two.recv(1 << 20))
        kernel_bytes = 32 << 20  # what four sockets' buffers hold at most, here
        assert sent < kernel_bytes + limits.RELAY_BUFFER_BYTES


@pytest.mark.parametrize("ticket", [b"x" * said.TICKET_BYTES, TICKETS[0]])
def test_a_ticket_that_is_unknown_or_used_gets_nothing(house: House, ticket: bytes) -> None:
    one, two = house.pair()
    with one, two, pytest.raises((StreamBroken, OSError)):
        meet(house.address, ticket)


def test_an_end_that_nobody_comes_for_is_let_go(house: House) -> None:
    house.expect(within_s=0.2)
    with pytest.raises((StreamBroken, OSError)):
        meet(house.address, TICKETS[0])
    assert house.wait_for(said.Parted) == said.Parted(1)
    with pytest.raises((StreamBroken, OSError)):  # it comes too late
        meet(house.address, TICKETS[1])


@pytest.mark.parametrize("whom", [ONE, TWO])
def test_who_is_shunned_is_cut_with_the_other_end_and_nobody_else(
    house: House, whom: NodeId
) -> None:
    one, two = house.pair()
    with one, two:
        house.gate.shun(THIRD)
        one.sendall(b"still")
        assert two.recv(5) == b"still"
        house.gate.shun(whom)
        assert one.recv(1) == two.recv(1) == b""
        house.wait_for(said.Parted)


def test_tickets_of_who_is_shunned_are_worth_nothing(house: House) -> None:
    house.expect()
    house.gate.shun(ONE)
    with pytest.raises((StreamBroken, OSError)):
        meet(house.address, TICKETS[1])


def test_a_pair_that_is_still_is_cut(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RELAY_IDLE_S", 0.3)
    monkeypatch.setattr(splice, "_LOOK_S", 0.1)
    one, two = house.pair()
    with one, two:
        assert one.recv(1) == two.recv(1) == b""


def test_pairs_are_bounded_for_each_end(house: House) -> None:
    for number in range(limits.RELAY_PAIRS_PER_PEER_MAX):
        ticket = bytes([number]) * said.TICKET_BYTES
        house.splicer.expect(said.Pair(number, (ONE, THIRD), (ticket, ticket[:-1] + b"!"), WAIT_S))
    with pytest.raises((StreamBroken, OSError)):
        house.pair()


@pytest.mark.parametrize("whose", ["all in", "all out", "the peer's"])
def test_the_limits_of_transfers_hold_for_what_goes_through(house: House, whose: str) -> None:
    rate = 2_000_000
    house.throttle.replace(
        {
            "all in": Bandwidth(in_bytes_s=rate),
            "all out": Bandwidth(out_bytes_s=rate),
            "the peer's": Bandwidth(peers={peer_id(TWO): PeerBandwidth(out_bytes_s=rate)}),
        }[whose]
    )
    one, two = house.pair()
    with one, two:
        sender = threading.Thread(target=one.sendall, args=(bytes(3_000_000),))
        began_s = WORLD.clock.monotonic_s()
        sender.start()
        came = 0
        while came < 3_000_000:
            came += len(two.recv(1 << 20))
        sender.join()
        assert WORLD.clock.monotonic_s() - began_s > 1.0, "3 MB at 2 MB/s, less the first burst"


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=80), st.booleans())
def test_whatever_a_stranger_says_is_cut_and_the_gate_stands(
    house: House, data: bytes, is_like_a_greeting: bool
) -> None:
    if is_like_a_greeting:
        data = greeting(data)
    with socket.create_connection(house.address, WAIT_S) as stranger:
        answer = b""
        with suppress(OSError):  # it was cut even before
            stranger.sendall(data)
            stranger.shutdown(socket.SHUT_WR)
            answer = read_all(stranger)
        assert answer[:1] in (b"", b"\x15"), "nothing but the end, or what TLS says to it"


def test_the_gate_stands_after_all_that(house: House) -> None:
    for _ in range(3):
        one, two = house.pair()
        with one, two:
            one.sendall(b"x")
            assert two.recv(1) == b"x"
        house.wait_for(said.Parted)
