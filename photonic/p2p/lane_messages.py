"""What is said about lanes: between two members, and between a node and its carrier.

A lane is a TLS connection that carries one blob stream (`blob_messages.py`). Before one is opened,
the two members agree on it over the control plane (protocol "/photonic/lanes/1"): the one who will
fetch shows its certificate and gets a ticket, which is good for one lane, for a short time, for it.
If it cannot get there (the other one is behind a NAT), it gives out a ticket itself, and the other
one comes and answers over the lane that it opened: a reversed lane.

The carrier is the process that moves the bytes. Its node tells it what to do (`Order`), and it
tells what came of it (`Report`); both go as frames over a socket that nobody else has. A blob
stream for which there is no lane is handed to it as a socket, with `Adopt` where it is to fetch and
with `Serve` where it is to answer.
"""

from __future__ import annotations

import msgspec

from photonic.p2p.rates import Bandwidth

LANE_PROTOCOL = "/photonic/lanes/1"
TICKET_BYTES = 32


class AskLane(msgspec.Struct, tag="lane?", frozen=True, array_like=True):
    """Give me a lane; I will show this certificate (PEM)."""

    certificate: str


class OfferLane(msgspec.Struct, tag="lane", frozen=True, array_like=True):
    """Connect to this port of the machine that you reach me at, and say the ticket first."""

    ticket: bytes
    port: int
    certificate: str  # that you will be shown


class NoLane(msgspec.Struct, tag="no-lane", frozen=True, array_like=True):
    """I have none: use a stream, or let me come."""

    reason: str
    certificate: str = ""  # that I would come with


class AskCome(msgspec.Struct, tag="come?", frozen=True, array_like=True):
    """I cannot get to you: connect to this port of the machine that you reach me at, say the
    ticket first, and answer me there. You know me by this certificate, and I know yours."""

    certificate: str
    ticket: bytes
    port: int


class Visiting(msgspec.Struct, tag="visiting", frozen=True, array_like=True):
    """I am there."""


LaneQuestion = AskLane | AskCome
LaneAnswer = OfferLane | NoLane | Visiting


# --- a node to its carrier -----------------------------------------------------------------------


class Begin(msgspec.Struct, tag="begin", frozen=True):
    """First of all: which store, who one is, where to listen."""

    root: str
    certificate: str
    key: str  # of the certificate (PEM); it is no member's identity
    hosts: tuple[str, ...]
    port: int
    quota_bytes: int | None = None  # of the store


class Expect(msgspec.Struct, tag="expect", frozen=True):
    """A member will come with this ticket and this certificate, soon."""

    peer: bytes
    ticket: bytes
    certificate: str
    within_s: float


class Await(msgspec.Struct, tag="await", frozen=True):
    """A member will come with this ticket, to be fetched from: call that lane by this number."""

    lane: int
    peer: bytes
    ticket: bytes
    certificate: str
    within_s: float


class Dial(msgspec.Struct, tag="dial", frozen=True):
    """Open a lane to fetch over, and call it by this number; 0: to answer over."""

    lane: int
    peer: bytes
    host: str
    port: int
    ticket: bytes
    certificate: str
    relay_ticket: bytes = b""  # then a relay is there, and the peer behind it


class Pair(msgspec.Struct, tag="pair", frozen=True):
    """Two members will come, soon, each with its ticket: join them."""

    pair: int
    peers: tuple[bytes, bytes]
    tickets: tuple[bytes, bytes]
    within_s: float
    shows: bool = False  # tell each from where both come


class Meet(msgspec.Struct, tag="meet", frozen=True):
    """Go to a relay with this ticket: behind it is a member that comes with a lane."""

    host: str
    port: int
    ticket: bytes


class Adopt(msgspec.Struct, tag="adopt", frozen=True):
    """Fetch over the socket that comes with this, and call it by this number."""

    lane: int
    peer: bytes


class Serve(msgspec.Struct, tag="serve", frozen=True):
    """Answer over the socket that comes with this: a member asks over a libp2p stream."""

    peer: bytes


class Question(msgspec.Struct, frozen=True, array_like=True):
    """What to fetch over a lane. Without `indices` a small blob whole, or a big one's list.

    `chunks` is the encoded chunk list, sent with the first question that needs it.
    """

    number: int
    blob: bytes
    size_bytes: int
    chunks_id: bytes
    chunks: bytes = b""
    indices: tuple[int, ...] = ()


class Ask(msgspec.Struct, tag="ask", frozen=True):
    """Fetch these, in this order."""

    lane: int
    questions: tuple[Question, ...]


class Hang(msgspec.Struct, tag="hang", frozen=True):
    """End a lane."""

    lane: int


class Shun(msgspec.Struct, tag="shun", frozen=True):
    """End every lane with this peer, and forget its tickets: it is no member any more."""

    peer: bytes


class Limit(msgspec.Struct, tag="limit", frozen=True):
    """Go by these limits from now on."""

    bandwidth: Bandwidth


class Echo(msgspec.Struct, tag="echo", frozen=True):
    """Say so when everything that was ordered before this is done."""

    number: int


Order = (
    Begin | Expect | Await | Dial | Pair | Meet | Adopt | Serve | Ask | Hang | Shun | Limit | Echo
)


# --- a carrier to its node -----------------------------------------------------------------------


class Listening(msgspec.Struct, tag="listening", frozen=True):
    """The carrier is ready."""

    port: int


class Opened(msgspec.Struct, tag="opened", frozen=True):
    """A lane stands. `round_trip_s` is what the kernel measured of it; 0: nobody knows."""

    lane: int
    round_trip_s: float = 0.0


class Ended(msgspec.Struct, tag="ended", frozen=True):
    """A lane is gone, or never came to be. What it was asked and did not answer is to be asked
    again; `is_lie` if the peer sent what was not asked or is not what its name says."""

    lane: int
    reason: str
    is_lie: bool = False


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """A problem of this machine: a disk that is full (with what it needs and has), or broken."""

    message: str  # of a full disk, its path
    need_bytes: int | None = None
    free_bytes: int = 0


class Begun(msgspec.Struct, tag="begun", frozen=True, array_like=True):
    """A big blob's chunk list is here, and so much of the blob."""

    blob: bytes
    chunks: bytes
    missing: tuple[int, ...]


class Stored(msgspec.Struct, tag="stored", frozen=True, array_like=True):
    """Chunks of a big blob are verified and written."""

    blob: bytes
    indices: tuple[int, ...]


class Answered(msgspec.Struct, tag="answered", frozen=True, array_like=True):
    """A question is done with."""

    number: int


class Refused(msgspec.Struct, tag="refused", frozen=True, array_like=True):
    """The peer does not hold it, or not for us now."""

    number: int
    is_busy: bool


class Unstored(msgspec.Struct, tag="unstored", frozen=True, array_like=True):
    """What came could not be written."""

    blob: bytes
    fault: Fault


class Landed(msgspec.Struct, tag="landed", frozen=True, array_like=True):
    """A blob is whole, verified, durable, and under its final name."""

    blob: bytes


class Botched(msgspec.Struct, tag="botched", frozen=True, array_like=True):
    """Every chunk was right, and the whole is not: whoever named them lied."""

    blob: bytes


Event = Begun | Stored | Answered | Refused | Unstored
Fate = Landed | Botched | Unstored


class Came(msgspec.Struct, tag="came", frozen=True):
    """What happened on a lane, in order."""

    lane: int
    events: tuple[Event, ...]
    bytes_in: int = 0


class Settled(msgspec.Struct, tag="settled", frozen=True):
    """What became of blobs that were complete."""

    fates: tuple[Fate, ...]


class Went(msgspec.Struct, tag="went", frozen=True):
    """How it went to open a lane to answer over; no reason: it stands."""

    ticket: bytes
    reason: str = ""


class Gave(msgspec.Struct, tag="gave", frozen=True):
    """What was served to a peer since the last time."""

    peer: bytes
    bytes_out: int
    chunks: int


class TurnedAway(msgspec.Struct, tag="turned-away", frozen=True):
    """Somebody came to the gate who may not come in, and why."""

    reason: str


class Echoed(msgspec.Struct, tag="echoed", frozen=True):
    """Everything that was ordered before this `Echo` is done."""

    number: int


class Awaited(msgspec.Struct, tag="awaited", frozen=True):
    """Both ends of a pair may come; or they may not, for there are too many."""

    pair: int
    is_full: bool = False


class Joined(msgspec.Struct, tag="joined", frozen=True):
    """Both ends of a pair are here."""

    pair: int


class Relayed(msgspec.Struct, tag="relayed", frozen=True):
    """So much more went through, one way or the other."""

    pair: int
    size_bytes: int


class Parted(msgspec.Struct, tag="parted", frozen=True):
    """A pair is over."""

    pair: int


Report = (
    Listening | Opened | Ended | Came | Settled | Went | Gave | TurnedAway | Echoed
    | Awaited | Joined | Relayed | Parted
)  # fmt: skip
