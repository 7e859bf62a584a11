"""Every place where bytes of a peer become values: what it may raise, and honest bytes to bend.

A decoder takes any bytes at all. It returns, or raises what it says that it raises; it needs no
more memory and time than its limits say. `test_decoders.py` fails if a module that decodes foreign
bytes is not among these, and neither among those that read only what this node wrote itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import zeroconf

from photonic import limits, wire
from photonic.blobs.chunks import ChunkList, anchors, scan_bytes
from photonic.crdt import changes as change_format
from photonic.crdt.changes import Change, seal
from photonic.crdt.document import DocumentFault, MapDocument
from photonic.crdt.door import admit_changes, admit_holdings, judge_holdings
from photonic.crdt.fields import CERTIFICATE, FACTS, GPS, ORIGINAL, RATING, REVOKED
from photonic.crdt.fold import fold
from photonic.crdt.keys import HELD, change_key, holding_key, parse_change_key, parse_holding
from photonic.crdt.keys import shard_of as shard_of_subject
from photonic.crdt.policy import DISPLAY_POLICY, display_of
from photonic.crdt.projection import project, project_alone
from photonic.crdt.replica import CatalogReplica
from photonic.crdt.retelling import AskHoldings, PlainHoldings, heard
from photonic.crdt.roster import build_roster
from photonic.crdt.sync import (
    Ask,
    AskChanges,
    AskIds,
    Digests,
    Ids,
    PlainChanges,
    Push,
    Reconciler,
    Root,
    Same,
)  # fmt: skip
from photonic.crdt.updates import UpdateInvalid, parse, read_vector
from photonic.errors import (
    AddressInvalid,
    BlobCorrupt,
    ChangeInvalid,
    CodeInvalid,
    FrameInvalid,
    UpdateRefused,
)  # fmt: skip
from photonic.ids import BlobId, member_subject, parse_peer_id, peer_id
from photonic.journal.journal import CHANGES, HOLDINGS
from photonic.p2p import blob_messages, enrol, lane_messages, relay_messages
from photonic.p2p.addresses import parse_endpoint
from photonic.p2p.answering import pieces
from photonic.p2p.compression import decompressed
from photonic.p2p.discovery import read_hint
from photonic.p2p.exchange import Asker, ChunksWanted, Giver, ListWanted, WholeWanted
from photonic.p2p.invitations import TOKEN_BYTES, Code, parse_code
from photonic.p2p.lane_certificates import check_certificate, make_credentials
from photonic.p2p.messages import Hello, Message, Neighbours
from photonic.p2p.peers import PeerBook
from photonic.p2p.splice import Sighting
from tests.crdt.replicas import Cluster, commit, import_draft, photo
from tests.hostile import promised
from tests.hostile.sealed import KEY_SEEDS, SEALED_SEEDS, open_sealed, read_gift

SUBJECT = photo(0)
SHARD = shard_of_subject(SUBJECT)


@dataclass(frozen=True)
class Decoder:
    """One way of foreign bytes into the program."""

    name: str
    modules: tuple[str, ...]  # of the product, that decode on this way
    run: Callable[[bytes], object]
    raises: tuple[type[BaseException], ...]
    seeds: Sequence[bytes]


_CLUSTER = Cluster(2)
_ME = _CLUSTER.identities[0]
_LIBRARY = _CLUSTER.library
commit(_CLUSTER.catalogs[0], *(import_draft(n) for n in range(3)))
_CLUSTER.catalogs[0].hold({BlobId(SUBJECT.key): True})
_CLUSTER.catalogs[0].flush()
_SIGNED = seal(_ME, _LIBRARY, Change(*SUBJECT, (), _ME.node, 1, 1, {RATING: 3, "x": [1, {"a": 2}]}))
_ENTRIES = {change_key(_SIGNED.id): _SIGNED.data}
_UPDATE = MapDocument((), 7).insert(_ENTRIES)
_HOLDING = {holding_key(BlobId(SUBJECT.key), _ME.node): HELD}
_HELD = MapDocument((), 9).insert(_HOLDING)
_BLOB = bytes(range(256)) * 300
_SCAN = scan_bytes(_BLOB)
_HELLO = Hello(
    name="n", host="h", role="central", state="s", mode="m", version="1",
    addresses=("/ip4/10.0.0.1/tcp/4001",), capabilities=("a",),
)  # fmt: skip


def _enc(*some: object) -> list[bytes]:
    return [wire.encode(one) for one in some]


# --- frames and messages -----------------------------------------------------------------------


def _frames(data: bytes) -> None:
    reader = wire.FrameReader()
    for start in range(0, len(data), 7):
        for body in reader.feed(data[start : start + 7]):
            assert len(body) <= limits.FRAME_BYTES_MAX


_KINDS: Sequence[Any] = (
    Message, blob_messages.Question, blob_messages.Answer, enrol.Request, enrol.Answer,
    enrol.Signed,
    lane_messages.LaneQuestion, lane_messages.OfferLane | lane_messages.NoLane,
    lane_messages.Visiting, relay_messages.Introduce, relay_messages.Introduction,
    relay_messages.Invite, relay_messages.Reply,
)  # fmt: skip


def _messages(data: bytes) -> None:
    for kind in _KINDS:
        try:
            wire.decode(data, kind)
        except FrameInvalid:
            continue


_CONVERSATION = [
    Root(bytes(32)), Same(), Digests(bytes(8 * 514)), Ask(SHARD, CHANGES, b"\0"),
    Ask(SHARD, HOLDINGS, b"\0", True), Push(SHARD, CHANGES, _UPDATE), Push(SHARD, HOLDINGS, _HELD),
    AskIds(SHARD), Ids(SHARD, _SIGNED.id, True), AskChanges(SHARD, _SIGNED.id),
    PlainChanges(SHARD, (_SIGNED.data,)), AskHoldings(SHARD),
    PlainHoldings(SHARD, SUBJECT.key + _ME.node + b"\1", True), _HELLO,
    Neighbours({peer_id(_ME.node): ("/ip4/10.0.0.1/tcp/1",)}),
]  # fmt: skip


def _conversation(data: bytes) -> None:
    """A whole session's worth: what a connected member says on the catalog stream."""
    message: Message = wire.decode(data, Message)  # type: ignore[arg-type]
    catalog = _CLUSTER.catalogs[1]
    if isinstance(message, Hello):
        book = PeerBook(_CLUSTER.identities[1].node)
        book.note_hello(_ME.node, message)
        kept = wire.encode(book.get(_ME.node).hello)
        assert len(kept) < 40 * limits.KIB
    elif isinstance(message, Neighbours):
        PeerBook(_CLUSTER.identities[1].node).learn_neighbours(message.addresses)
    else:
        reconciler = Reconciler(CatalogReplica(catalog), _ME.node)
        reconciler.begin()
        for answer in reconciler.handle(message):
            wire.encode(answer)
        catalog.flush()


# --- the catalog -------------------------------------------------------------------------------


def _change(data: bytes) -> None:
    change_format.admit(_LIBRARY, data)


def _parse(data: bytes) -> None:
    parsed = parse(data)
    list(parsed.blocks())
    parsed.without_deletes()


def _vector(data: bytes) -> None:
    MapDocument([_UPDATE]).missing_for(data)
    read_vector(data)


def _door(data: bytes) -> None:
    MapDocument().apply(admit_changes(_LIBRARY, SHARD, data, lambda _: _ENTRIES).update)


def _holdings_door(data: bytes) -> None:
    judge_holdings(SHARD, MapDocument().apply(admit_holdings(SHARD, data).update))


def _keys(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for parse_it in (parse_change_key, lambda key: parse_holding(key, HELD)):
        try:
            parse_it(text)
        except ValueError:
            continue


def _retelling(data: bytes) -> None:
    for holding in heard(PlainHoldings(SHARD, data, True)):
        assert len(holding.node) == 32


def _values(data: bytes) -> None:
    """What a member signs is well-formed, and its values are anything at all."""
    try:
        value = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError):
        return
    names = (ORIGINAL, FACTS, GPS, RATING, "trashed", "preview/256", "sidecar/xmp", "imported_ms")
    for sets in ({ORIGINAL: [SUBJECT.key, 9, bytes(32)], **dict.fromkeys(names[1:], value)},
                 dict.fromkeys(names, value)):  # fmt: skip
        try:
            body = Change(*SUBJECT, (), _ME.node, 1, 1, sets)
            signed = seal(_ME, _LIBRARY, body)
            read = change_format.admit(_LIBRARY, signed.data)
        except (ChangeInvalid, TypeError, ValueError, OverflowError, RecursionError):
            continue
        assert project(fold(SUBJECT, [read])) == project_alone(read)
        fold(SUBJECT, [read, _SIGNED]).contested()
    try:
        for subject, field in (
            (member_subject(_ME.node), CERTIFICATE), (member_subject(_ME.node), REVOKED),
            (DISPLAY_POLICY, "*"),
        ):  # fmt: skip
            said = seal(_ME, _LIBRARY, Change(*subject, (), _ME.node, 1, 1, {field: value}))
            build_roster(_LIBRARY, [*_MEMBERS, said])
            display_of(fold(subject, [said]), {})
    except (ChangeInvalid, TypeError, ValueError, OverflowError, RecursionError):
        return  # nobody can say it


_MEMBERS = [
    signed
    for subject in _CLUSTER.catalogs[0].subjects(limits.SHARDS)
    for signed in _CLUSTER.catalogs[0].changes(subject)
]

# --- blobs -------------------------------------------------------------------------------------


def _chunk_list(data: bytes) -> None:
    assert ChunkList.decode(data).encoded == data
    anchors(data)


def _lz4(data: bytes) -> None:
    size = int.from_bytes(data[:3], "big") % limits.BIG_CHUNK_BYTES_MAX
    assert len(decompressed(data[3:], size)) == size


def _answers(data: bytes) -> None:
    kind: Any = blob_messages.Answer
    answer: blob_messages.Answer = wire.decode(data, kind)
    for wanted in (
        WholeWanted(_SCAN.ref), ListWanted(_SCAN.ref),
        ChunksWanted(_SCAN.ref, _SCAN.chunks, (0,)),
    ):  # fmt: skip
        asker = Asker()
        asker.ask(wanted)
        try:
            asker.handle(answer)
        except (FrameInvalid, BlobCorrupt):
            continue


def _questions(data: bytes) -> None:
    kind: Any = blob_messages.Question
    question: blob_messages.Question = wire.decode(data, kind)
    assert len(pieces(Giver().handle(question))) <= limits.CHUNKS_PER_REQUEST_MAX


# --- names, addresses, codes -------------------------------------------------------------------


def _addresses(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    assert len(str(parse_endpoint(text))) <= len(text) + 40


def _peer_ids(data: bytes) -> None:
    assert len(parse_peer_id(data.decode("utf-8", "replace"))) == 32


def _codes(data: bytes) -> None:
    parse_code(data.decode("utf-8", "replace"))


def _certificates(data: bytes) -> None:
    check_certificate(data.decode("utf-8", "replace"), _ME.node)


def _hints(data: bytes) -> None:
    cut = min(200, len(data) // 2)
    info = zeroconf.ServiceInfo(
        "_p._udp.local.", "x._p._udp.local.", port=int.from_bytes(data[:2], "big"),
        properties={"v": "1", "id": data[:cut]}, addresses=[data[cut : cut + 4].ljust(4, b"\0")],
    )  # fmt: skip
    read_hint(info)


def _sightings(data: bytes) -> None:
    Sighting.decode(data)


_CODE = Code(bytes(_LIBRARY), bytes(_ME.node), bytes(TOKEN_BYTES), 1, ("/ip4/10.0.0.1/tcp/1",))
_BLOB_MESSAGES: list[object] = [
    blob_messages.AskBlob(1, _SCAN.ref.blob, _SCAN.ref.chunks, True),
    blob_messages.AskList(1, _SCAN.ref.blob, _SCAN.ref.chunks),
    blob_messages.AskChunks(1, _SCAN.ref.blob, _SCAN.ref.chunks, (0,), True, 5),
    blob_messages.GiveBlob(1, _SCAN.chunks.encoded, _BLOB),
    blob_messages.GiveList(1, _SCAN.chunks.encoded),
    blob_messages.GiveChunk(1, 0, _BLOB[: _SCAN.chunks.chunks[0].size_bytes]),
    blob_messages.GiveChunkLz4(1, 0, 100, b"\x10a"),
    blob_messages.GiveBlobLz4(1, _SCAN.chunks.encoded, len(_BLOB), b"\x10a"),
    blob_messages.Missing(1),
    blob_messages.Busy(1),
]
_VALUE_SEEDS: list[object] = [
    None, 0, -1, 1 << 63, 1.5, float("nan"), "x" * 20, b"x" * 32, [1, 2, 3], {"a": {"b": [None]}},
    [SUBJECT.key, 9, bytes(32)], {"media_type": "image/jpeg", "width": 3, "taken": "2024-05-17T09"},
    [320, 200, [SUBJECT.key, 9, bytes(32)]], {"latitude": 1.0, "longitude": 2.0}, True,
    {"name": "n", "role": "central", "scopes": ["catalog.write"], "expires_ms": 5},
]  # fmt: skip

DECODERS: list[Decoder] = [
    Decoder("promises, asked", ("p2p.promising",), promised.read_ask, (FrameInvalid,),
            [promised.ASKED]),
    Decoder("promises, answered", ("p2p.promising", "p2p.attestations"), promised.judge_answer,
            (FrameInvalid,), [promised.ANSWERED]),
    Decoder("attestations", ("p2p.attestations",), promised.judge_signed, (FrameInvalid,),
            [promised.ATTESTED]),
    Decoder("frames", ("wire",), _frames, (FrameInvalid,),
            [wire.frame(b"x" * 20), wire.frame(b"x" * 2_000, compress=True)]),
    Decoder("messages",
            ("wire", "p2p.frames", "p2p.enrol", "p2p.lanes", "p2p.circuits", "p2p.relay",
             "p2p.fetching", "p2p.serving", "p2p.lane_serving", "p2p.lane_fetching",
             "p2p.messages", "p2p.blob_messages", "p2p.lane_messages", "p2p.relay_messages"),
            _messages, (),
            [*_enc(*_CONVERSATION, *_BLOB_MESSAGES),
             *_enc(enrol.EnrolRequest(bytes(16), bytes(16), "n"), enrol.Refused("a", "b"),
                   enrol.Granted("n", "central", ((0, _UPDATE),), ("/ip4/1.2.3.4/tcp/1",)),
                   relay_messages.Introduce(bytes(32), relay_messages.Purpose.LANE),
                   relay_messages.Introduced(bytes(32), 5), relay_messages.NotIntroduced("x"),
                   relay_messages.Coming(), relay_messages.NotComing("x"))]),
    Decoder("conversation", ("p2p.sessions", "crdt.sync", "p2p.peers", "crdt.catalog"),
            _conversation, (FrameInvalid,), _enc(*_CONVERSATION)),
    Decoder("change", ("crdt.changes",), _change, (ChangeInvalid,), [_SIGNED.data]),
    Decoder("update", ("crdt.updates", "crdt.blocks"), _parse, (UpdateInvalid,), [_UPDATE, _HELD]),
    Decoder("vector", ("crdt.updates", "crdt.document"), _vector, (DocumentFault, UpdateInvalid),
            [MapDocument([_UPDATE]).vector(), b"\0"]),
    Decoder("door", ("crdt.door", "crdt.document"), _door,
            (UpdateRefused, ChangeInvalid, DocumentFault), [_UPDATE]),
    Decoder("holdings door", ("crdt.door", "crdt.documents"), _holdings_door,
            (UpdateRefused, DocumentFault), [_HELD]),
    Decoder("entry keys", ("crdt.keys",), _keys, (),
            [next(iter(_ENTRIES)).encode(), next(iter(_HOLDING)).encode()]),
    Decoder("holdings told plainly", ("crdt.retelling",), _retelling, (),
            [SUBJECT.key + _ME.node + b"\1", SUBJECT.key + _ME.node + b"\0"]),
    Decoder("values",
            ("crdt.projection", "crdt.originals", "crdt.roster", "crdt.policy", "crdt.timeline"),
            _values, (), [msgspec.msgpack.encode(value) for value in _VALUE_SEEDS]),
    Decoder("sealed values", ("crdt.sealing",), open_sealed, (), SEALED_SEEDS),
    Decoder("library keys", ("crdt.library_keys",), read_gift, (), KEY_SEEDS),
    Decoder("chunk list", ("blobs.chunks",), _chunk_list, (FrameInvalid,), [_SCAN.chunks.encoded]),
    Decoder("lz4", ("p2p.compression",), _lz4, (FrameInvalid,), [b"\0\0\1\x10a", b"\0\0\x40" * 9]),
    Decoder("answers", ("p2p.exchange",), _answers, (FrameInvalid,), _enc(*_BLOB_MESSAGES)),
    Decoder("questions", ("p2p.exchange", "p2p.answering"), _questions, (FrameInvalid,),
            _enc(*_BLOB_MESSAGES[:3])),
    Decoder("addresses", ("p2p.addresses",), _addresses, (AddressInvalid,),
            [b"/ip4/10.0.0.1/tcp/4001", f"/dns/a.b/tcp/1/p2p/{peer_id(_ME.node)}".encode(),
             b"/ip6/fe80::1/tcp/65535"]),
    Decoder("peer IDs", ("ids",), _peer_ids, (ValueError,), [peer_id(_ME.node).encode()]),
    Decoder("invitation codes", ("p2p.invitations",), _codes, (CodeInvalid,),
            [_CODE.text().encode()]),
    Decoder("lane certificates", ("p2p.lane_certificates",), _certificates, (FrameInvalid,),
            [make_credentials(_ME).certificate.encode()]),
    Decoder("announcements", ("p2p.discovery",), _hints, (),
            [b"\x10\x00" + peer_id(_ME.node).encode() * 2]),
    Decoder("sightings", ("p2p.splice", "p2p.punch"), _sightings, (ConnectionResetError,),
            [b"10.0.0.1 5 10.0.0.2 6"]),
]  # fmt: skip
