"""A change: the immutable, signed, content-addressed record that the whole catalog is made of.

Layout (docs/catalog-format.md): `signature (64 bytes) || body`, the body a msgpack array. The
signed bytes are `DOMAIN || library id || body`, and the id of a change is their BLAKE3, so a change
of one library is none in another. The bytes are kept and forwarded as they came: elements that a
newer photonic appended survive. What cannot be a change is `ChangeInvalid`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from photonic import limits, wire
from photonic.errors import ChangeInvalid
from photonic.identity import SIGNATURE_BYTES, Identity, is_signed_by
from photonic.ids import HASH_BYTES, ChangeId, LibraryId, NodeId, Subject, digest

DOMAIN = b"photonic change 1\0"
ACT_BYTES = 16
_INTEGER_END = 1 << 63
# Of msgpack: whatever can begin a list or a map. With so few of them a parser never gives up.
_NESTING_BYTES = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))
_NESTED_SURELY_READ = 256


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one author said about one subject at one moment."""

    kind: str
    key: bytes
    parents: tuple[bytes, ...]  # every head of the subject that the author knew, sorted
    author: bytes
    seq: int  # 1, 2, 3 ... for each author and library
    at: int  # hybrid logical clock: milliseconds << 16 | counter
    sets: dict[str, Any] = {}
    adds: dict[str, tuple[str, ...]] = {}
    removes: Mapping[str, Mapping[str, tuple[bytes, ...]]] = {}  # value -> the adds that it ends
    act: bytes = b""  # 16 bytes that changes made by one act of a person share; undone together

    @property
    def subject(self) -> Subject:
        return Subject(self.kind, self.key)


class SignedChange(NamedTuple):
    """A change that passed the door, with its id and the very bytes that were signed."""

    id: ChangeId
    change: Change
    data: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """What someone wants to say; the catalog adds parents, author, number and time.

    `seen`: what whoever says it knew, where that is less than the catalog does (a file that was
    written over an older version); None: every head.
    """

    subject: Subject
    sets: Mapping[str, Any] = field(default_factory=dict)
    adds: Mapping[str, Sequence[str]] = field(default_factory=dict)
    removes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    act: bytes = b""
    seen: frozenset[ChangeId] | None = None


_decoder = msgspec.msgpack.Decoder(Change)
_encoder = msgspec.msgpack.Encoder(order="deterministic")


def seal(identity: Identity, library: LibraryId, change: Change) -> SignedChange:
    """Sign `change` as `identity`, which must be its author.

    Raises ChangeInvalid for what no node would take: too large, or of another shape.
    """
    assert change.author == identity.node, "nobody signs for another"
    _check(change)
    body = _encoder.encode(change)
    if SIGNATURE_BYTES + len(body) > limits.CHANGE_BYTES_MAX:
        raise ChangeInvalid(f"a change of {len(body):,} bytes is longer than one may be")
    signed = DOMAIN + library + body
    return SignedChange(ChangeId(digest(signed)), change, identity.sign(signed) + body)


def signed_bytes(library: LibraryId, data: bytes) -> bytes:
    """Return what the signature at the head of `data` is a signature of."""
    return DOMAIN + library + data[SIGNATURE_BYTES:]


def read_body(data: bytes) -> Change:
    """Return what a change says, whoever signed it. Raises ChangeInvalid."""
    try:
        return _decoder.decode(memoryview(data)[SIGNATURE_BYTES:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise ChangeInvalid(f"not a change: {error}") from error


def read(library: LibraryId, data: bytes) -> SignedChange:
    """Parse a change that is known to be sound: one from our own journal. No signature check."""
    change = read_body(data)
    return SignedChange(ChangeId(digest(signed_bytes(library, data))), change, data)


def inspect(library: LibraryId, data: bytes) -> SignedChange:
    """Parse a foreign change and judge its shape, but not yet its signature.

    Raises ChangeInvalid. The caller must ask `is_signed` before it believes anything.
    """
    if not SIGNATURE_BYTES < len(data) <= limits.CHANGE_BYTES_MAX:
        raise ChangeInvalid(f"{len(data):,} bytes cannot be a change")
    _check_depth(memoryview(data)[SIGNATURE_BYTES:])
    found = read(library, data)
    _check(found.change)
    return found


def is_signed(library: LibraryId, signed: SignedChange) -> bool:
    """Whether the signature is that of the author. May be called from any thread."""
    author, data = NodeId(signed.change.author), signed.data
    return is_signed_by(author, data[:SIGNATURE_BYTES], signed_bytes(library, data))


def admit(library: LibraryId, data: bytes) -> SignedChange:
    """The door: parse and judge a foreign change by what every node judges alike.

    Whether its author was *allowed* to make it is not asked here but in `fold`, for that depends
    on what a node knows of the roster. Raises ChangeInvalid.
    """
    found = inspect(library, data)
    if not is_signed(library, found):
        raise ChangeInvalid("the signature is not that of the author")
    return found


def _check_depth(body: memoryview) -> None:
    """Judge how deep lists and maps stand in one another. Raises ChangeInvalid.

    By the bytes, before a parser that gives up sooner on one node than on another. Few bytes that
    could begin a list cannot be deep: most changes are known to be flat at once.
    """
    might = len(body) - len(bytes(body).translate(None, _NESTING_BYTES))
    if might > _NESTED_SURELY_READ and wire.is_deeper(body, limits.CHANGE_DEPTH_MAX):
        raise ChangeInvalid(f"it is nested more than {limits.CHANGE_DEPTH_MAX} deep")


def _depth(value: Any) -> int:
    """Return how deep a value is nested, or VALUE_DEPTH_MAX + 1 if it is deeper than that."""
    depth, level = 0, [value]
    while level and depth <= limits.VALUE_DEPTH_MAX:
        level = [part for one in level for part in _parts(one)]
        depth += 1
    return depth - 1 if not level else depth


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _check(change: Change) -> None:
    """Judge the shape. Raises ChangeInvalid."""
    fields = len(change.sets) + len(change.adds) + len(change.removes)
    is_right = (
        len(change.author) == HASH_BYTES
        and 0 < len(change.kind) <= limits.KIND_CHARS_MAX
        and 0 < len(change.key) <= limits.KEY_BYTES_MAX
        and len(change.parents) <= limits.CHANGE_PARENTS_MAX
        and all(len(parent) == HASH_BYTES for parent in change.parents)
        and 1 <= change.seq < _INTEGER_END
        and 0 <= change.at < _INTEGER_END
        and 0 < fields <= limits.FIELDS_PER_CHANGE_MAX
        and len(change.act) in (0, ACT_BYTES)
    )
    if not is_right:
        raise ChangeInvalid(_what_is_wrong(change, fields))
    if any(_depth(value) > limits.VALUE_DEPTH_MAX for value in change.sets.values()):
        raise ChangeInvalid(f"a value is nested more than {limits.VALUE_DEPTH_MAX} deep")
    try:
        _encoder.encode(change.sets)  # `fold` compares values by this: each must have one
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ChangeInvalid(f"a value cannot be compared: {error}") from error


def _what_is_wrong(change: Change, fields: int) -> str:
    problems = {
        "an author is a public key": len(change.author) != HASH_BYTES,
        "a kind has 1 to 32 letters": not 0 < len(change.kind) <= limits.KIND_CHARS_MAX,
        "a key has 1 to 128 bytes": not 0 < len(change.key) <= limits.KEY_BYTES_MAX,
        "a parent is a change id": any(len(p) != HASH_BYTES for p in change.parents),
        "too many parents": len(change.parents) > limits.CHANGE_PARENTS_MAX,
        "a number starts from 1": not 1 <= change.seq < _INTEGER_END,
        "a time is a hybrid clock": not 0 <= change.at < _INTEGER_END,
        "too many fields": fields > limits.FIELDS_PER_CHANGE_MAX,
        "a change says something": fields == 0,
        "an act has a name of 16 bytes": len(change.act) not in (0, ACT_BYTES),
    }
    return "; ".join(problem for problem, is_so in problems.items() if is_so)
