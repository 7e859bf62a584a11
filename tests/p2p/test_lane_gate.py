"""Who gets a lane: members with a ticket of their own, once, in time. Nobody else gets a byte."""

from __future__ import annotations

import errno
import queue
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import FrameInvalid, StreamBroken
from photonic.identity import Identity
from photonic.ids import NodeId
from photonic.p2p.gatehouse import Gatehouse, cut
from photonic.p2p.lane_certificates import Credentials, check_certificate, make_credentials
from photonic.p2p.lane_sockets import FrameSource, LaneTls, Socket, is_readable, round_trip_s, tuned
from tests.p2p.clock import Clock

HOST, FETCHER, OTHER = (Identity(bytes([n]) * 32) for n in (1, 2, 3))
SHOWN = {identity.node: make_credentials(identity) for identity in (HOST, FETCHER, OTHER)}
TICKET = b"t" * 32
SECRET = b"bytes of a photo"


class Gate:
    """A gatehouse that listens, and gives whoever is let in some bytes until it is cut."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.let_in: queue.Queue[bytes] = queue.Queue()
        self.cut: queue.Queue[str] = queue.Queue()
        self.house = Gatehouse(LaneTls(*SHOWN[HOST.node]), self.clock, self.serve)
        self.listener = self.house.listen("127.0.0.1", 0)
        self.address = ("127.0.0.1", self.listener.getsockname()[1])

    def serve(self, peer: bytes, lane: Socket) -> None:
        self.let_in.put(peer)  # before a byte: whoever has read one may count on it
        try:  # it may be cut before all of it is sent
            lane.sendall(SECRET)
            data = lane.recv(1)
            self.cut.put("the end" if not data else "bytes")
        except OSError as error:
            self.cut.put(str(error))

    def expect(self, identity: Identity, ticket: bytes = TICKET, within_s: float = 30.0) -> None:
        self.house.expect(identity.node, ticket, SHOWN[identity.node].certificate, within_s)

    def connect(
        self, identity: Identity, ticket: bytes = TICKET, expecting: Identity = HOST
    ) -> ssl.SSLSocket:
        tls = LaneTls(*SHOWN[identity.node])
        return tls.connect(self.address, SHOWN[expecting.node].certificate, ticket)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    with closing(gate.listener):
        yield gate
        gate.listener.shutdown(socket.SHUT_RDWR)


def assert_refused(gate: Gate, identity: Identity, ticket: bytes = TICKET) -> None:
    with pytest.raises((StreamBroken, OSError)):
        gate.connect(identity, ticket)
    assert gate.let_in.empty()


def test_a_member_with_its_ticket_gets_a_lane(gate: Gate) -> None:
    gate.expect(FETCHER)
    with gate.connect(FETCHER) as lane:
        assert lane.recv(100) == SECRET
        assert lane.version() == "TLSv1.3"
        assert gate.let_in.get(timeout=5) == FETCHER.node


def test_a_lane_that_is_cut_is_never_read_or_written_without_tls(gate: Gate) -> None:
    gate.expect(FETCHER)
    with gate.connect(FETCHER) as lane:
        gate.let_in.get(timeout=5)
        assert is_readable(lane, 5.0)[0]  # what was sent is here, and still encrypted
        cut(lane)
        assert lane.recv(100) in (SECRET, b"")
        with pytest.raises(OSError):
            lane.sendall(SECRET)
        assert isinstance(lane.version(), str), "TLS is gone while the socket is in use"


def test_the_gate_stays_open_when_descriptors_run_out_for_a_while(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LANE_ACCEPT_PAUSE_S", 0.0)
    refused = [errno.EMFILE, errno.ECONNABORTED]
    accept = socket.socket.accept

    def short(listener: socket.socket) -> object:
        connection = accept(listener)
        if refused:
            connection[0].close()
            raise OSError(refused.pop(), "not now")
        return connection

    monkeypatch.setattr(socket.socket, "accept", short)
    for _ in range(3):  # the first is taken by an accept that began before
        gate.expect(FETCHER)
        with suppress(OSError, StreamBroken):
            gate.connect(FETCHER).close()
    assert not refused
    gate.expect(FETCHER)
    gate.connect(FETCHER).close()


def test_a_lane_on_this_machine_is_near_and_its_buffers_are_the_kernels() -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        giver = stack.enter_context(socket.create_connection(listener.getsockname()))
        fetcher = stack.enter_context(listener.accept()[0])
        buffered = fetcher.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        tuned(giver)
        tuned(fetcher)
        for one in (giver, fetcher):
            way_s = round_trip_s(one)
            assert way_s is not None and way_s < limits.LANE_NEAR_S
        # A full buffer would drop what came, and stop the sender for some time.
        assert fetcher.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= buffered
        unsent_bytes = giver.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
        assert unsent_bytes == limits.LANE_UNSENT_BYTES
        for one in socket.socketpair():
            assert round_trip_s(stack.enter_context(one)) is None


def test_a_ticket_is_good_once(gate: Gate) -> None:
    gate.expect(FETCHER)
    gate.connect(FETCHER).close()
    gate.let_in.get(timeout=5)
    assert_refused(gate, FETCHER)


def test_a_ticket_is_good_for_its_peer_only(gate: Gate) -> None:
    gate.expect(FETCHER)
    gate.expect(OTHER, b"o" * 32)  # a member, too: its certificate is known
    assert_refused(gate, OTHER)
    assert_refused(gate, FETCHER)  # whoever stole it has used it up
    gate.connect(OTHER, b"o" * 32).close()


def test_a_ticket_is_good_for_a_while(gate: Gate) -> None:
    gate.expect(FETCHER, within_s=30.0)
    gate.clock.now_s += 30.0
    assert_refused(gate, FETCHER)


def test_nobody_else_gets_in(gate: Gate) -> None:
    gate.expect(FETCHER)
    assert_refused(gate, OTHER)  # OpenSSL has never heard of its certificate
    assert_refused(gate, FETCHER, b"x" * 32)
    for words in (b"GET / HTTP/1.1\r\n\r\n", b"", bytes(1_000)):
        with socket.create_connection(gate.address, 5) as stranger:
            stranger.settimeout(5)
            stranger.sendall(words)
            with suppress(OSError):  # it may have hung up by now
                stranger.shutdown(socket.SHUT_WR)
            heard = b""
            with suppress(ConnectionResetError):
                while data := stranger.recv(4_096):
                    heard += data
            assert SECRET not in heard
    with pytest.raises(OSError):
        knock_without_certificate(gate)
    assert gate.let_in.empty()


def knock_without_certificate(gate: Gate) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(gate.address, 5) as raw, context.wrap_socket(raw) as lane:
        lane.sendall(TICKET)
        assert lane.recv(1)
        pytest.fail("it got an answer")


def test_whoever_answers_in_a_peers_place_gets_no_ticket(gate: Gate) -> None:
    gate.expect(FETCHER)
    with pytest.raises(OSError):
        gate.connect(FETCHER, expecting=OTHER)
    assert gate.let_in.empty()
    gate.connect(FETCHER).close()  # it is as good as before


def test_who_is_no_member_any_more_is_cut_at_once(gate: Gate) -> None:
    gate.expect(FETCHER)
    gate.expect(FETCHER, b"n" * 32)
    with gate.connect(FETCHER) as lane:
        gate.let_in.get(timeout=5)
        gate.house.shun(FETCHER.node)
        assert gate.cut.get(timeout=5)
        assert lane.recv(100) in (SECRET, b"")
    assert_refused(gate, FETCHER, b"n" * 32)


def test_a_peer_has_a_few_lanes(gate: Gate) -> None:
    lanes = []
    for number in range(limits.LANES_SERVED_PER_PEER_MAX):
        gate.expect(FETCHER, bytes([number]) * 32)
        lanes.append(gate.connect(FETCHER, bytes([number]) * 32))
        gate.let_in.get(timeout=5)
    gate.expect(FETCHER)
    assert_refused(gate, FETCHER)
    for lane in lanes:
        lane.close()


# --- certificates --------------------------------------------------------------------------------


def test_a_certificate_is_good_whatever_the_clocks_say() -> None:
    """One that began when it was made shut out all whose clock is behind its maker's."""
    (shown,) = x509.load_pem_x509_certificates(SHOWN[HOST.node].certificate.encode())
    assert shown.not_valid_before_utc.year == 1970 and shown.not_valid_after_utc.year == 9999


def test_a_certificate_proves_its_own_peer_and_no_other() -> None:
    check_certificate(SHOWN[HOST.node].certificate, HOST.node)
    with pytest.raises(FrameInvalid, match="another"):
        check_certificate(SHOWN[HOST.node].certificate, OTHER.node)


@given(st.text(max_size=400))
def test_what_is_no_certificate_is_refused(text: str) -> None:
    for pem in (text, f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"):
        with pytest.raises(FrameInvalid):
            check_certificate(pem, HOST.node)


def test_a_certificate_without_an_identity_is_refused(tmp_path: Path) -> None:
    good = SHOWN[HOST.node]
    for pem in (
        good.certificate * 2,
        good.certificate + "x" * limits.CERTIFICATE_CHARS_MAX,
        Credentials(good.key, good.key).certificate,
    ):
        with pytest.raises(FrameInvalid):
            check_certificate(pem, NodeId(HOST.node))


# --- frames --------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=700_000), max_size=6), st.integers(1, 100_000))
def test_frames_are_read_as_they_were_sent(bodies: list[bytes], step: int) -> None:
    stream = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)

    class Pipe:
        """Gives the stream in pieces of any length, as a socket does."""

        at = 0

        def recv_into(self, window: memoryview) -> int:
            piece = stream[self.at : self.at + min(step, len(window))]
            window[: len(piece)] = piece
            self.at += len(piece)
            return len(piece)

    source = FrameSource(Pipe())  # type: ignore[arg-type]
    found: list[bytes] = []
    while len(found) < len(bodies):
        if not source.has_frame():
            source.read()
        while source.has_frame():
            found.append(bytes(source.take()))
    assert found == bodies
    with pytest.raises(StreamBroken):
        source.read()


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff", b"\x80\0\0\x01", b"\x7f\0\0\0"])
def test_a_frame_that_is_too_long_is_refused(head: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(head + b"more")
        with pytest.raises(FrameInvalid):
            FrameSource(ours).read()


def test_a_stream_that_comes_another_way_counts_and_is_cut_like_a_lane(gate: Gate) -> None:
    pairs = [socket.socketpair() for _ in range(limits.LANES_SERVED_PER_PEER_MAX + 1)]
    for ours, theirs in pairs:
        ours.settimeout(5)
        gate.house.bring_in(FETCHER.node, theirs)
    assert [ours.recv(100) for ours, _ in pairs] == [SECRET] * (len(pairs) - 1) + [b""]
    gate.expect(FETCHER)
    assert_refused_when_full(gate)
    gate.house.shun(FETCHER.node)
    for ours, _ in pairs:
        assert ours.recv(100) == b""
        ours.close()
    for _ in pairs[1:]:
        gate.cut.get(timeout=5)


def assert_refused_when_full(gate: Gate) -> None:
    served = gate.let_in.qsize()
    with pytest.raises((StreamBroken, OSError)):
        gate.connect(FETCHER)
    assert gate.let_in.qsize() == served


def test_a_lane_that_a_peer_was_asked_to_open_is_handed_over_once(gate: Gate) -> None:
    came: queue.Queue[Socket] = queue.Queue()
    certificate = SHOWN[FETCHER.node].certificate
    gate.house.expect(FETCHER.node, TICKET, certificate, 30.0, came.put)
    assert_refused(gate, OTHER)
    with gate.connect(FETCHER) as lane, came.get(timeout=5) as handed:
        handed.sendall(b"a question")
        assert lane.recv(100) == b"a question", "it is the one who let it in that asks"
        assert_refused(gate, FETCHER)
    assert gate.let_in.empty() and came.empty()


def test_a_peer_that_asks_for_it_is_reached_and_answered(gate: Gate) -> None:
    ours, theirs = socket.socketpair()
    went: queue.Queue[str] = queue.Queue()
    gate.house.reach_out(FETCHER.node, lambda: theirs, went.put)
    with ours:
        assert ours.recv(100) == SECRET
        assert went.get(timeout=5) == ""
        gate.house.shun(FETCHER.node)
        assert ours.recv(100) == b""
    gate.cut.get(timeout=5)


def test_a_peer_that_is_shunned_while_it_is_reached_gets_nothing(gate: Gate) -> None:
    ours, theirs = socket.socketpair()

    def connect() -> Socket:
        gate.house.shun(FETCHER.node)
        return theirs

    went: queue.Queue[str] = queue.Queue()
    gate.house.reach_out(FETCHER.node, connect, went.put)
    with ours:
        assert ours.recv(100) == b""
    assert gate.let_in.empty()
    assert went.get(timeout=5)


def test_a_peer_that_cannot_be_reached_costs_nothing_and_that_is_told(gate: Gate) -> None:
    def connect() -> Socket:
        raise ConnectionRefusedError("nobody there")

    for _ in range(limits.HANDSHAKES_PENDING_MAX + 1):
        went: queue.Queue[str] = queue.Queue()
        gate.house.reach_out(FETCHER.node, connect, went.put)
        assert went.get(timeout=5) == "nobody there"
    assert not gate.house._lanes
