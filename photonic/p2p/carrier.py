"""The process that moves blobs: lanes in and out, verified and landed, without the daemon's lock.

`python -m photonic.p2p.carrier FD`, started by `lanes.Lanes`, takes orders over the socket FD and
reports what came of them. It decides nothing: who is asked for what, and who is a member, its node
says. It holds no identity and no catalog, and ends with its node.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from photonic import limits
from photonic.blobs.chunks import ChunkList
from photonic.blobs.files import FileStore
from photonic.errors import BlobCorrupt, FrameInvalid, PhotonicError, StreamBroken
from photonic.ids import BlobId, NodeId
from photonic.p2p import lane_messages as said
from photonic.p2p.answering import look_at
from photonic.p2p.arrivals import Arrivals, fault_of
from photonic.p2p.exchange import ChunksWanted, ListWanted, Wanted, WholeWanted
from photonic.p2p.gatehouse import Gatehouse, cut
from photonic.p2p.lane_fetching import LaneFetch
from photonic.p2p.lane_keeping import LaneKeeping
from photonic.p2p.lane_serving import Rules, serve
from photonic.p2p.lane_sockets import LaneTls, Socket, round_trip_s
from photonic.p2p.mailbox import Mailbox
from photonic.p2p.rates import Direction
from photonic.p2p.splice import Splicer, come, meet
from photonic.p2p.throttle import Throttle
from photonic.p2p.turnstile import Allowance
from photonic.photos import BlobRef
from photonic.world import World

log = logging.getLogger(__name__)


class _Lane:
    """A lane that is fetched over, or is about to be. Its thread runs `Carrier._fetch`."""

    def __init__(self, number: int, peer: bytes, *, is_direct: bool) -> None:
        self.number, self.peer, self.is_direct = number, peer, is_direct
        self.lock = threading.Lock()
        self.numbers: dict[int, int] = {}  # by the identity of what is wanted
        self.kept: dict[int, Wanted] = {}  # so that identities stay what they are
        self.waiting: list[Wanted] = []  # asked before the lane stood
        self.socket: Socket | None = None
        self.fetch: LaneFetch | None = None
        self.call_off: Callable[[], object] = lambda: None  # waiting for the peer to come
        self.is_over = False

    def ask(self, wanted: Sequence[tuple[int, Wanted]]) -> None:
        with self.lock:
            for number, one in wanted:
                self.numbers[id(one)], self.kept[number] = number, one
            some = [one for _, one in wanted]
            if self.fetch is None:
                self.waiting += some
            else:
                self.fetch.ask(some)

    def begin(self, lane: Socket, fetch: LaneFetch) -> None:
        with self.lock:
            self.socket, self.fetch = lane, fetch
            fetch.ask(self.waiting)
            self.waiting = []
            if self.is_over:
                fetch.stop()

    def number_of(self, wanted: Wanted) -> int:
        with self.lock:
            number = self.numbers.pop(id(wanted))
            del self.kept[number]
            return number

    def stop(self) -> None:
        with self.lock:
            self.is_over = True
            self.call_off()
            if self.fetch is not None:
                self.fetch.stop()
            if self.socket is not None:
                cut(self.socket)


class Carrier:
    """See the module. Orders are carried out on one thread; each lane has its own."""

    def __init__(self, mailbox: Mailbox, world: World) -> None:
        self._mailbox, self._world = mailbox, world
        self._throttle = Throttle(world.clock)
        self._lock = threading.Lock()
        self._lanes: dict[int, _Lane] = {}
        self._lists: dict[bytes, ChunkList] = {}  # of what is being fetched
        self._damaged: queue.Queue[BlobId] = queue.Queue(limits.DAMAGES_WAITING_MAX)

    def run(self) -> None:
        """Do what is ordered until there are no more orders. Raises FrameInvalid, OSError."""
        for order in self._mailbox.orders():
            match order:
                case said.Begin():
                    self._begin(order)
                case said.Expect(peer, ticket, certificate, within_s):
                    self._gate.expect(peer, ticket, certificate, within_s)
                case said.Dial(lane=0, peer=peer, ticket=ticket):
                    self._gate.reach_out(
                        peer, partial(self._dial, order), partial(self._went, ticket)
                    )
                case said.Serve(peer):
                    self._gate.bring_in(peer, _adopted(self._mailbox.adopted()))
                case said.Pair() | said.Meet():
                    self._bring_together(order)
                case said.Echo(number):
                    self._mailbox.tell(said.Echoed(number))
                case said.Limit(bandwidth):
                    self._throttle.replace(bandwidth)
                case said.Shun(peer):
                    self._gate.shun(peer)
                    self._hang(lane for lane in self._lanes.copy().values() if lane.peer == peer)
                case said.Dial() | said.Await() | said.Adopt() | said.Ask() | said.Hang():
                    self._fetch_as(order)

    def _fetch_as(self, order: said.Dial | said.Await | said.Adopt | said.Ask | said.Hang) -> None:
        """Do what concerns a lane that is fetched over."""
        match order:
            case said.Dial():
                self._start(order, partial(self._dial, order))
            case said.Await():
                self._await(order)
            case said.Adopt():
                self._start(order, partial(_adopted, self._mailbox.adopted()))
            case said.Ask(number, questions):
                self._ask(number, questions)
            case said.Hang(number):
                self._hang(filter(None, [self._lanes.get(number)]))

    def _hang(self, lanes: Iterable[_Lane]) -> None:
        for lane in lanes:
            lane.stop()

    def _begin(self, order: said.Begin) -> None:
        self._store = FileStore.attach(Path(order.root), self._world, order.quota_bytes)
        self._tls = LaneTls(order.certificate, order.key)
        self._splicer = Splicer(self._world.clock, self._throttle, self._mailbox.tell)
        self._gate = Gatehouse(
            self._tls,
            self._world.clock,
            self._serve,
            lambda reason: self._mailbox.tell(said.TurnedAway(reason)),
            self._splicer,
        )
        self._arrivals = Arrivals(
            self._store, lambda fates: self._mailbox.tell(said.Settled(tuple(fates)))
        )
        threading.Thread(target=self._arrivals.run, name="landing", daemon=True).start()
        threading.Thread(target=self._look_after, name="looking", daemon=True).start()
        port = 0
        for host in order.hosts:
            try:
                listener = self._gate.listen(host, port or order.port)
            except OSError as error:  # another node perhaps: any other port is as good
                log.warning("lanes cannot come in at %s:%d: %s", host, port or order.port, error)
                listener = self._gate.listen(host, 0)
            port = listener.getsockname()[1]
        self._mailbox.tell(said.Listening(port))

    def _tell(self, lane: int, events: Sequence[said.Event], bytes_in: int = 0) -> None:
        self._mailbox.tell(said.Came(lane, tuple(events), bytes_in))

    def _went(self, ticket: bytes, reason: str) -> None:
        self._mailbox.tell(said.Went(ticket, reason))

    # --- giving ------------------------------------------------------------------------------

    def _serve(self, peer: bytes, lane: Socket) -> None:
        def gave(size_bytes: int, chunks: int) -> None:
            self._mailbox.tell(said.Gave(peer, size_bytes, chunks))

        def take(size_bytes: int) -> int:
            return self._throttle.take_some_blocking(NodeId(peer), Direction.OUT, size_bytes)

        def damaged(blob: BlobId) -> None:
            with suppress(queue.Full):  # it shows again when somebody asks again, or in a scrub
                self._damaged.put_nowait(blob)

        rules = Rules(take, self._throttle.may_give, gave, damaged)
        serve(lane, self._store, rules, self._world.clock)

    def _look_after(self) -> None:
        """Look at what showed damage. On a thread of its own: a large blob would hold up a lane
        for longer than its peer has patience."""
        while True:
            look_at(self._store, self._damaged.get())

    def _bring_together(self, order: said.Pair | said.Meet) -> None:
        if isinstance(order, said.Pair):
            self._splicer.expect(order)
        else:
            threading.Thread(target=self._meet, args=(order,), name="meeting", daemon=True).start()

    def _meet(self, order: said.Meet) -> None:
        """Go to a relay, where a member comes to with a lane."""
        try:
            raw = meet((order.host, order.port), order.ticket)
        except (OSError, PhotonicError) as error:
            log.info("nobody came through a relay: %s", error)
            return
        self._gate.let_in(raw)

    # --- fetching ----------------------------------------------------------------------------

    def _dial(self, order: said.Dial) -> Socket:
        address = (order.host, order.port)
        if not order.relay_ticket:
            return self._tls.connect(address, order.certificate, order.ticket)
        through = partial(come, ticket=order.relay_ticket)
        return self._tls.connect(address, order.certificate, order.ticket, through)

    def _await(self, order: said.Await) -> None:
        came: queue.SimpleQueue[Socket | None] = queue.SimpleQueue()
        self._gate.expect(order.peer, order.ticket, order.certificate, order.within_s, came.put)
        lane = self._start(order, partial(_awaited, came, order.within_s))
        lane.call_off = partial(came.put, None)

    def _start(self, order: said.Dial | said.Await | said.Adopt, connect: partial[Socket]) -> _Lane:
        # Whoever comes here may come through a relay.
        is_direct = isinstance(order, said.Dial) and not order.relay_ticket
        lane = _Lane(order.lane, order.peer, is_direct=is_direct)
        with self._lock:
            self._lanes[order.lane] = lane
        threading.Thread(
            target=self._fetch, args=(lane, connect), name=f"lane {order.lane}", daemon=True
        ).start()
        return lane

    def _fetch(self, lane: _Lane, connect: partial[Socket]) -> None:
        """Fetch over one lane until it ends; tell how it did."""
        reason, is_lie = "", False
        try:
            with connect() as connection:
                connection.settimeout(limits.STREAM_STALL_S)
                way_s = round_trip_s(connection) if lane.is_direct else None
                self._mailbox.tell(said.Opened(lane.number, way_s or 0.0))
                keeping = LaneKeeping(
                    self._arrivals, lane.number_of, partial(self._tell, lane.number),
                    self._world.clock,
                )  # fmt: skip
                fetch = LaneFetch(connection, keeping, self._allowance(lane))
                lane.begin(connection, fetch)
                fetch.run()
        except (BlobCorrupt, FrameInvalid) as error:
            reason, is_lie = error.message, True
        except (PhotonicError, OSError) as error:
            reason = str(error) or type(error).__name__
        with self._lock:
            del self._lanes[lane.number]
        self._mailbox.tell(said.Ended(lane.number, reason, is_lie))

    def _allowance(self, lane: _Lane) -> Allowance:
        peer = NodeId(lane.peer)

        return Allowance(
            partial(self._throttle.take_blocking, peer, Direction.IN),
            partial(self._throttle.settle, peer, Direction.IN),
            partial(self._throttle.rate, Direction.IN, peer),
        )

    def _ask(self, number: int, questions: Sequence[said.Question]) -> None:
        lane = self._lanes.get(number)
        if lane is None:
            return  # it ended meanwhile, and its node hears of it
        wanted: list[tuple[int, Wanted]] = []
        for question in questions:
            one = self._wanted(question)
            if isinstance(one, ListWanted) and self._is_resumed(lane, question, one.ref):
                continue
            wanted.append((question.number, one))
        lane.ask(wanted)

    def _wanted(self, question: said.Question) -> Wanted:
        ref = BlobRef(BlobId(question.blob), question.size_bytes, question.chunks_id)
        if not question.indices:
            is_small = ref.size_bytes <= limits.SMALL_BLOB_BYTES
            return WholeWanted(ref) if is_small else ListWanted(ref)
        if question.chunks:
            self._lists[ref.blob] = ChunkList.decode(question.chunks)
            while len(self._lists) > limits.WANTS_MAX:
                del self._lists[next(iter(self._lists))]
        return ChunksWanted(ref, self._lists[ref.blob], question.indices)

    def _is_resumed(self, lane: _Lane, question: said.Question, ref: BlobRef) -> bool:
        """Whether an earlier run left the list, and perhaps much of the blob."""
        try:
            begun = self._arrivals.resume(ref)
        except (PhotonicError, OSError) as error:
            events: list[said.Event] = [said.Unstored(ref.blob, fault_of(error))]
            self._tell(lane.number, [*events, said.Answered(question.number)])
            return True
        if begun is None:
            return False
        self._tell(lane.number, [begun, said.Answered(question.number)])
        return True


def _adopted(connection: socket.socket) -> Socket:
    connection.setblocking(True)
    return connection


def _awaited(came: queue.SimpleQueue[Socket | None], within_s: float) -> Socket:
    try:
        lane = came.get(timeout=within_s)
    except queue.Empty:
        lane = None
    if lane is None:
        raise StreamBroken("the peer did not come")
    return lane


def main() -> None:
    """Serve the node that started this process."""
    logging.basicConfig(level=logging.WARNING, format="carrier: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to answer
    carrier = Carrier(Mailbox(socket.socket(fileno=int(sys.argv[1]))), World())
    try:
        carrier.run()
    finally:
        # Whatever the threads still do is worth nothing without a node, and nothing is lost: what
        # is not in the ledger was told to nobody.
        os._exit(0)


if __name__ == "__main__":
    main()
