"""Every decoder of a peer's bytes, with anything at all: it returns, or raises what it says.

Bounded in the common run; `tox -e fuzz-peers` goes on for ten minutes (see `fuzz.py`).
"""

from __future__ import annotations

import ast
import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import wire
from photonic.crdt.document import DocumentFault, MapDocument
from photonic.errors import FrameInvalid
from photonic.ids import NodeId, parse_peer_id
from photonic.p2p.messages import Hello
from photonic.p2p.peers import PeerBook
from simulations.daemons import forget_peaks, peaks_mb
from tests.crdt.replicas import Cluster
from tests.hostile.decoders import DECODERS, Decoder
from tests.hostile.mutator import Mutator
from tests.source import sources

# Calls by which bytes become values.
DECODING = {
    "Decoder", "FrameReader", "a2b_base64", "ask_once", "b32decode", "b58decode", "b64decode",
    "convert", "decode", "decompress", "decompressobj", "from_bytes", "fromhex", "iter_unpack",
    "load_pem_x509_certificates", "loads", "message_batches", "messages", "parse",
    "read_message", "read_question", "unpack", "unpack_from",
}  # fmt: skip
SOURCES = sources("photonic")
ROOMS = {"crdt", "p2p", "blobs"}
# Modules that decode what this node wrote itself, what its own processes say, or what the
# operating system says: no peer's bytes come this way without having come another way first.
OURS: Mapping[str, str] = {
    "blobs.aside": "names of this store's own files",
    "blobs.claims": "this store's own files",
    "blobs.files": "this store's own files",
    "blobs.incoming": "chunk lists that chunks.py judged",
    "blobs.ledger": "this store's own ledger",
    "blobs.notes": "this store's own notes",
    "blobs.packs": "this store's own packs",
    "blobs.partial": "chunk lists that chunks.py judged",
    "blobs.shelf": "names of this store's own files",
    "crdt.acts": "this index's own rows",
    "crdt.author": "this journal's own facts",
    "crdt.cursors": "what HTTP clients send; tests/api/test_fuzz.py",
    "crdt.digests": "this node's own sums",
    "crdt.directory": "this node's own rows, each judged against its name",
    "crdt.directory_view": "this node's own rows",
    "crdt.lexicon": "this index's own rows",
    "crdt.loader": "this index's own rows",
    "crdt.new_shelf": "this index's own rows",
    "crdt.matching": "this index's own rows",
    "crdt.place_seal": "this index's own rows",
    "crdt.places": "this index's own rows",
    "crdt.query": "this index's own rows",
    "crdt.root": "a digest that it made itself",
    "crdt.rows": "this index's own rows",
    "crdt.shelf": "this index's own rows",
    "crdt.twins": "this index's own rows",
    "crdt.upkeep": "this journal's own entries",
    "crdt.wants": "this index's own rows",
    "p2p.carriage": "what this node's carrier says over a socket pair",
    "p2p.carrier": "what this node's daemon says over a socket pair",
    "p2p.gateway": "its own command line; a router's answers are read by miniupnpc, apart",
    "p2p.lane_sockets": "heads of frames, after the ticket; tests/p2p/test_lane_gate.py",
    "p2p.lane_streams": "what this node's carrier says over a socket pair",
    "p2p.mailbox": "what this node's own processes say over a socket pair",
    "p2p.portmap": "what this node's gateway program printed",
}

BENT_EACH = 300
SECONDS_EACH_MAX = 2.0  # for one input; a decoder that took longer would hold everybody up


def _modules_that_decode() -> set[str]:
    found = set()
    for source in SOURCES:
        parts = source.module.split(".")[1:]
        if not parts or not (parts[0] in ROOMS or parts in (["wire"], ["ids"])):
            continue
        for node in ast.walk(ast.parse(source.text)):
            if isinstance(node, ast.Call):
                called = node.func
                name = getattr(called, "attr", getattr(called, "id", ""))
                if name in DECODING:
                    found.add(".".join(parts))
    return found


def test_every_module_that_decodes_is_a_peers_way_in_or_said_not_to_be() -> None:
    known = {module for decoder in DECODERS for module in decoder.modules}
    found = _modules_that_decode()
    assert found >= {"wire", "crdt.changes", "p2p.exchange", "blobs.chunks"}, "it sees something"
    assert not found - known - OURS.keys(), "add a decoder to tests/hostile/decoders.py"
    assert not OURS.keys() - found, "it decodes nothing any more"
    there = {source.module.partition(".")[2] for source in SOURCES}
    assert not known - there, "no such module"
    assert not known & OURS.keys()


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_honest_bytes_are_understood(decoder: Decoder) -> None:
    """So that what is bent below is bent from something that gets in."""
    outcomes = []
    for seed in decoder.seeds:
        try:
            decoder.run(seed)
            outcomes.append(True)
        except decoder.raises:
            outcomes.append(False)
    assert any(outcomes)


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_bent_bytes_are_refused_in_time_by_what_is_promised_and_nothing_else(
    decoder: Decoder,
) -> None:
    mutator = Mutator(len(decoder.name))
    for _ in range(BENT_EACH):
        data = mutator.bend(decoder.seeds)
        began_s = time.process_time()
        try:
            decoder.run(data)
        except decoder.raises:
            pass
        except BaseException as error:
            raise AssertionError(f"{decoder.name}: {error!r} for {data.hex()}") from error
        assert time.process_time() - began_s < SECONDS_EACH_MAX, data.hex()


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.name)
def test_any_bytes_are_refused_by_what_is_promised_and_nothing_else(decoder: Decoder) -> None:
    @settings(max_examples=40, database=None)
    @given(st.binary(max_size=400))
    def check(data: bytes) -> None:
        with contextlib.suppress(*decoder.raises):
            decoder.run(data)

    check()


# --- what was found ----------------------------------------------------------------------------


def test_a_peer_id_of_megabytes_costs_nothing() -> None:
    """Base 58 takes time with the square of the length: one message held a node up for hours."""
    name = "z" * 4_000_000
    began_s = time.process_time()
    with pytest.raises(ValueError, match="peer ID"):
        parse_peer_id(name)
    book = PeerBook(Cluster(1).identities[0].node)
    assert not book.learn_neighbours({name: ("/ip4/10.0.0.1/tcp/1",)})
    assert time.process_time() - began_s < 1


def test_what_a_peer_says_of_itself_is_refused_where_it_is_long() -> None:
    hello = Hello(
        name="n", host="h", role="r", state="s", mode="m", version="1", addresses=(),
    )  # fmt: skip
    assert wire.decode(wire.encode(hello), Hello) == hello
    long, many = "x" * 1_000_000, ("a",) * 1_000
    wrongs: list[dict[str, Any]] = [{"addresses": (long,)}, {"addresses": many}]
    wrongs += [{"capabilities": (long,)}, {"capabilities": many}]
    wrongs += [{name: long} for name in ("name", "host", "role", "state", "mode", "version")]
    for wrong in wrongs:
        with pytest.raises(FrameInvalid):
            wire.decode(wire.encode(msgspec.structs.replace(hello, **wrong)), Hello)
    assert not PeerBook(NodeId(bytes(32))).hear(Cluster(1).identities[0].node, (long,))


def test_a_vector_that_announces_clients_without_number_costs_no_memory() -> None:
    document, me = MapDocument([]), os.getpid()
    forget_peaks(me)
    before_mb = peaks_mb(me)["daemon"]
    for announced in ("ffffffff01", "ffffff7f", "ffffffff03", "ffffffff0f"):
        with pytest.raises(DocumentFault):
            document.missing_for(bytes.fromhex(announced))
    assert peaks_mb(me)["daemon"] - before_mb < 100
