"""Every frame from a peer: bounded in size, in depth, and in whatever of it is kept.

`READERS` is the table of what peers may say and how long a frame of it may be. A message that is
not in it, or a part of one that has no bound although its frame may be long, fails here.
"""

from __future__ import annotations

import inspect
import random
import types
import typing
import zlib
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits, wire
from photonic.blobs.chunks import ChunkList
from photonic.crdt import changes, sync, updates
from photonic.crdt.blocks import UpdateInvalid
from photonic.crdt.changes import Change
from photonic.errors import (
    AddressInvalid,
    ChangeInvalid,
    CodeInvalid,
    FrameInvalid,
)
from photonic.identity import Identity
from photonic.ids import LibraryId, parse_peer_id
from photonic.p2p import (
    attestations,
    blob_messages,
    enrol,
    gateway_messages,
    lane_messages,
    messages,
    relay_messages,
)
from photonic.p2p.addresses import parse_endpoint
from photonic.p2p.invitations import Code, parse_code
from photonic.p2p.splice import Sighting

KIB, MIB = limits.KIB, limits.MIB
SHORT = 64 * KIB  # a frame of this length needs no other bound
READERS: dict[str, tuple[Any, int]] = {
    "catalog": (messages.Message, limits.FRAME_BYTES_MAX),
    "blob questions": (blob_messages.Question, limits.QUESTION_BYTES_MAX),
    "blob answers": (blob_messages.Answer, limits.FRAME_BYTES_MAX),
    "enrolment, asked": (enrol.Request, limits.GUEST_FRAME_BYTES_MAX),
    "recovery, signed": (enrol.Signed, limits.FRAME_BYTES_MAX),
    "enrolment, answered": (enrol.Answer, limits.FRAME_BYTES_MAX),
    "lane questions": (lane_messages.LaneQuestion, limits.LANE_FRAME_BYTES_MAX),
    "lane answers": (lane_messages.LaneAnswer, limits.LANE_FRAME_BYTES_MAX),
    "introductions": (relay_messages.Introduce, limits.LANE_FRAME_BYTES_MAX),
    "introductions, answered": (relay_messages.Introduction, limits.LANE_FRAME_BYTES_MAX),
    "promises, asked": (attestations.AskPromises, limits.PROMISE_FRAME_BYTES_MAX),
    "promises, answered": (attestations.Promises, limits.PROMISE_FRAME_BYTES_MAX),
    "invitations to meet": (relay_messages.Invite, limits.LANE_FRAME_BYTES_MAX),
    "invitations, answered": (relay_messages.Reply, limits.LANE_FRAME_BYTES_MAX),
}
OURS = {  # said between a node and processes of its own
    *(
        kind
        for union in (lane_messages.Order, lane_messages.Report)
        for kind in typing.get_args(union)
    ),
    lane_messages.Question,
    lane_messages.Fault,
    lane_messages.Begun, lane_messages.Stored, lane_messages.Answered, lane_messages.Refused,
    lane_messages.Unstored, lane_messages.Landed, lane_messages.Botched,
    gateway_messages.Question, gateway_messages.Answer,
    # parts of what is said: of a promise's answer, and of what is signed in it
    attestations.Attestation, attestations.SignedAttestation, attestations.NotPromised,
}  # fmt: skip
MODULES = (
    messages, sync, blob_messages, enrol, lane_messages, relay_messages, gateway_messages,
    attestations,
)  # fmt: skip


def kinds_of(union: Any) -> set[type]:
    return set(typing.get_args(union)) or {union}


def test_every_message_that_is_made_for_peers_has_a_row() -> None:
    known = {kind for union, _ in READERS.values() for kind in kinds_of(union)} | OURS
    made = {
        kind
        for module in MODULES
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, msgspec.Struct) and kind.__module__ == module.__name__
    }
    assert made <= known, made - known


def is_bounded(kind: Any) -> bool:
    """Whether a part's own type says how much of it there may be; bytes are what frames are for."""
    if typing.get_origin(kind) is typing.Annotated:
        inner, *marks = typing.get_args(kind)
        if any(getattr(mark, "max_length", None) for mark in marks):
            return all(is_bounded(one) for one in typing.get_args(inner) if one is not ...)
        return is_bounded(inner)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return all(is_bounded(one) for one in typing.get_args(kind))
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        return ... not in inner and all(map(is_bounded, inner))
    return kind in (bytes, int, float, bool, type(None))


@pytest.mark.parametrize("name", [name for name, (_, most) in READERS.items() if most > SHORT])
def test_what_comes_in_long_frames_has_bounds_of_its_own(name: str) -> None:
    loose = [
        f"{kind.__name__}.{part}: {hint}"
        for kind in kinds_of(READERS[name][0])
        for part, hint in typing.get_type_hints(kind, include_extras=True).items()
        if not is_bounded(hint)
    ]
    assert not loose, loose


@pytest.mark.parametrize("name", READERS)
def test_a_frame_that_is_too_long_is_refused_by_its_head(name: str) -> None:
    _, most = READERS[name]
    with pytest.raises(FrameInvalid, match="announced"):
        wire.FrameReader(most).feed((most + 1).to_bytes(4, "big"))
    bomb = zlib.compress(bytes(64 * MIB), 9)
    head = (1 << 31 | len(bomb)).to_bytes(4, "big")
    with pytest.raises(FrameInvalid):
        wire.FrameReader(most).feed(head + bomb)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("depth", [10_000, 4_000_000])
def test_what_is_nested_deeply_is_refused(name: str, depth: int) -> None:
    union, most = READERS[name]
    for kind in kinds_of(union):
        tag = kind.__struct_config__.tag  # type: ignore[attr-defined]
        deep = b"\x91" * min(depth, most) + b"\0"
        for body in (deep, b"\x82\xa4type" + msgspec.msgpack.encode(tag) + b"\xa3new" + deep):
            with pytest.raises(FrameInvalid):
                wire.decode(body, union)


@pytest.mark.parametrize("name", READERS)
def test_what_says_more_than_it_may_costs_nothing(name: str) -> None:
    union, _ = READERS[name]
    for count in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"):
        with pytest.raises(FrameInvalid):
            wire.decode(count, union)
    if name == "catalog":
        hello = msgspec.to_builtins(
            messages.Hello(
                name="n", host="h", role="r", state="s", mode="m", version="1", addresses=()
            )
        )
        assert wire.decode(wire.encode(hello), union)
        for part, value in (
            ("name", "x" * 257), ("version", "x" * MIB), ("addresses", ["/ip4/1"] * 65),
            ("capabilities", ["x"] * 65), ("free_bytes", -1), ("free_bytes", 1 << 63),
        ):  # fmt: skip
            with pytest.raises(FrameInvalid):
                wire.decode(wire.encode(hello | {part: value}), union)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_garbage_is_refused_by_every_reader_with_its_own_error(data: bytes) -> None:
    for union, most in READERS.values():
        try:
            for body in wire.FrameReader(most).feed(data):
                wire.decode(body, union)
            wire.decode(data, union)
        except FrameInvalid:
            pass


LIBRARY = LibraryId(bytes(16))
_ME = Identity(bytes(32))
_CHANGE = changes.seal(
    _ME, LIBRARY, Change("photo", bytes(32), (), _ME.node, 1, 1 << 20, {"rating": 3})
).data
_CODE = Code(bytes(16), bytes(32), bytes(16), 10, ("/ip4/1.2.3.4/tcp/1",)).text()
# What else is made from a peer's bytes: a reader, the errors that it may raise, a good example.
PARSERS: dict[str, tuple[Any, tuple[type[Exception], ...], bytes]] = {
    "change": (lambda data: changes.admit(LIBRARY, data), (ChangeInvalid,), _CHANGE),
    "chunk list": (ChunkList.decode, (FrameInvalid,), b"\0" * 40),
    "update": (updates.parse, (UpdateInvalid,), b"\0\0"),
    "state vector": (updates.read_vector, (UpdateInvalid,), b"\1\1\1"),
    "sighting": (Sighting.decode, (ConnectionResetError,), b"\0" * 20),
    "invitation": (
        lambda data: parse_code(data.decode("latin-1")), (CodeInvalid,), _CODE.encode(),
    ),
    "address": (
        lambda data: parse_endpoint(data.decode("latin-1")), (AddressInvalid,), b"/ip4/1.2.3.4",
    ),
    "peer id": (lambda data: parse_peer_id(data.decode("latin-1")), (ValueError,), b"12D3KooW"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_of_a_peers_bytes_answers_or_raises_its_own_error(name: str) -> None:
    parse, errors, good = PARSERS[name]
    chance = random.Random(name)
    for _ in range(1_500):
        data = bytearray(good if chance.random() < 0.8 else chance.randbytes(chance.randint(0, 90)))
        for _ in range(chance.randint(0, 4)):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 6))
        with suppress(*errors):
            parse(bytes(data))


# --- how deep a change may be --------------------------------------------------------------------


def signed(body: bytes) -> bytes:
    return _ME.sign(changes.DOMAIN + LIBRARY + body) + body


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = [value] if number % 2 else {"k": value}
    return value


def test_a_value_may_be_so_deep_and_no_deeper_whoever_asks() -> None:
    def change(value: Any) -> bytes:
        one = Change("photo", bytes(32), (), _ME.node, 1, 1 << 20, {"rating": value})
        return signed(msgspec.msgpack.encode(one))

    assert changes.admit(LIBRARY, change(nested(limits.VALUE_DEPTH_MAX)))
    for depth in (limits.VALUE_DEPTH_MAX + 1, 300, 900, 5_000):
        body = _CHANGE[64:]
        flat = msgspec.msgpack.encode({"rating": 3})
        deep = b"\x81\xa6rating" + b"\x91" * depth + b"\x01"
        assert flat in body
        with pytest.raises(ChangeInvalid, match="nested"):
            changes.admit(LIBRARY, signed(body.replace(flat, deep)))


def test_what_a_newer_photonic_appended_may_not_be_deep_either() -> None:
    body = _CHANGE[64:]
    count = body[0] & 0x0F
    for depth, is_fine in ((1, True), (20, True), (400, False), (5_000, False), (60_000, False)):
        longer = bytes([0x90 | count + 1]) + body[1:] + b"\x91" * depth + b"\x01"
        if is_fine:
            assert changes.admit(LIBRARY, signed(longer))
        else:
            with pytest.raises(ChangeInvalid, match="nested"):
                changes.admit(LIBRARY, signed(longer))


@given(
    st.recursive(
        st.none() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.binary(max_size=300)
        | st.text(max_size=300) | st.booleans(),
        lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=60,
    )
)  # fmt: skip
@settings(deadline=None)
def test_depth_by_the_bytes_is_depth_by_the_values(value: Any) -> None:
    def depth(one: Any) -> int:
        inner = one.values() if isinstance(one, dict) else one if isinstance(one, list) else None
        return 0 if not inner else 1 + max(map(depth, inner))

    body = msgspec.msgpack.encode(value)
    for most in range(depth(value) + 2):
        assert wire.is_deeper(body, most) == (depth(value) > most)


@given(st.binary(max_size=200), st.integers(0, 10))
@settings(deadline=None)
def test_depth_of_garbage_ends(data: bytes, most: int) -> None:
    wire.is_deeper(data, most)
