"""Sealed fields: values that only whoever has the library key can read. Pure.

What a photo says about places is sealed where it is written and opened where it is read, so that
documents, journal and directory hold it sealed and everything above sees it as it is. AES-256 in
SIV mode (RFC 5297), with library, subject and field as associated data: a value that is moved to
another photo, field or library, or of which any bit is another one, does not open. It knows no
nonce, so equal values of one field that are sealed apart with one key are equal bytes, and do not
contest on a node without the key; on one with the keys, values are compared as they are.

A sealed value is a msgpack extension (docs/catalog-format.md). In `facts` it stands under a name of
its own, so that a node which knows no seals reads the other facts. What does not open, because the
key is not here or because somebody forged it, stays as it came: it is held, merged and forwarded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NewType

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec.msgpack import Ext
from msgspec.structs import replace

from photonic import limits
from photonic.crdt.changes import SignedChange
from photonic.crdt.fields import FACTS, GPS
from photonic.crdt.fold import SubjectState
from photonic.ids import PHOTO, POLICY, LibraryId, Subject, digest

KeyName = NewType("KeyName", bytes)
"""What a library key is called: a hash of it, so two keys never have one name."""

SECRET_BYTES: Final = 32
NAME_BYTES: Final = 16
SEALING_POLICY = Subject(POLICY, b"sealing")
"""The subject whose field `fields` lists what is sealed; without it that is DEFAULT."""

POLICY_FIELDS: Final = "fields"
SEALABLE: Final = (GPS,)  # fields of photos that may be sealed; GPS is that of the facts, too
DEFAULT: Final = frozenset((GPS,))
SEALED_FACTS: Final = "sealed"  # what of the facts is sealed stands under this name in them

_DOMAIN: Final = b"photonic sealed field 1"
_KEY_DOMAIN: Final = b"photonic library key 1\0"
_CODE, _VERSION, _SIV_BYTES = 0x53, b"\x01", 16
_HEAD_BYTES: Final = 1 + NAME_BYTES
_POSITION: Final = "position"
_PADDED_TO: Final = 64  # so that lengths do not tell whether there is an altitude
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_UNREADABLE: Final = (
    InvalidTag, msgspec.DecodeError, TypeError, ValueError, OverflowError, RecursionError,
)  # fmt: skip
_decoder = msgspec.msgpack.Decoder()


def name_of(library: LibraryId, secret: bytes) -> KeyName:
    """Return what a library key is called."""
    assert len(secret) == SECRET_BYTES
    return KeyName(digest(_KEY_DOMAIN + library + secret)[:NAME_BYTES])


def is_sealed(value: object) -> bool:
    """Whether a value, or a part of facts, is sealed and has not been opened."""
    if isinstance(value, Ext):
        return value.code == _CODE
    return isinstance(value, Mapping) and is_sealed(value.get(SEALED_FACTS))


def key_named_by(value: object) -> KeyName | None:
    """Return the name of the key that a sealed value was sealed with; None if it names none."""
    if isinstance(value, Mapping):
        value = value.get(SEALED_FACTS)
    if not isinstance(value, Ext) or value.code != _CODE:
        return None
    data = bytes(value.data)
    is_whole = len(data) >= _HEAD_BYTES + _SIV_BYTES and data[:1] == _VERSION
    return KeyName(data[1:_HEAD_BYTES]) if is_whole else None


def fields_of(state: SubjectState) -> frozenset[str]:
    """Return which fields are sealed, by the state of SEALING_POLICY."""
    said = state.fact(POLICY_FIELDS)
    if not isinstance(said, list | tuple):
        return DEFAULT
    return frozenset(name for name in said if name in SEALABLE)


@dataclass(frozen=True, slots=True)
class Sealing:
    """The keys of one library that are here, and what is done with them."""

    library: LibraryId
    secrets: Mapping[KeyName, bytes] = field(default_factory=dict, repr=False)
    writes_with: KeyName | None = None
    fields: frozenset[str] = DEFAULT
    _ciphers: dict[KeyName, AESSIV] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ciphers = {name: self._cipher(secret) for name, secret in self.secrets.items()}
        object.__setattr__(self, "_ciphers", ciphers)
        assert self.writes_with is None or self.writes_with in ciphers

    def _cipher(self, secret: bytes) -> AESSIV:
        # SIV takes two keys of 256 bits; no other purpose derives the same.
        derived = HKDF(SHA512(), 64, salt=self.library, info=_DOMAIN).derive(secret)
        return AESSIV(derived)

    # --- values ------------------------------------------------------------------------------

    def seal(self, subject: Subject, name: str, value: Any) -> Any:
        """Return `value` sealed for one field; as it is where there is no key to write with."""
        if self.writes_with is None:
            return value
        plain = _encoder.encode(value) + b"\x80"
        plain += bytes(-len(plain) % _PADDED_TO)
        box = self._ciphers[self.writes_with].encrypt(plain, self._about(subject, name))
        return Ext(_CODE, _VERSION + self.writes_with + box)

    def open(self, subject: Subject, name: str, value: Any) -> Any:
        """Return what was sealed for this field; `value` itself if it does not open here."""
        key = key_named_by(value)
        cipher = self._ciphers.get(key) if key is not None else None
        if cipher is None or not isinstance(value, Ext):
            return value
        try:
            plain = cipher.decrypt(bytes(value.data)[_HEAD_BYTES:], self._about(subject, name))
            opened = _decoder.decode(plain.rstrip(b"\0")[:-1])
            _encoder.encode(opened)  # `fold` compares values by this, and the door saw the seal
        except _UNREADABLE:
            return value
        return opened

    def _about(self, subject: Subject, name: str) -> list[bytes]:
        return [_DOMAIN, self.library, subject.kind.encode(), subject.key, name.encode()]

    # --- what is written ---------------------------------------------------------------------

    def sealed(self, subject: Subject, sets: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a change sets, with what is to be sealed sealed. What is sealed stays."""
        found = dict(sets)
        if subject.kind != PHOTO or self.writes_with is None:
            return found
        for name in self.fields & found.keys():
            # That nothing is known any more is no secret, and a contest with it must be seen.
            if found[name] is not None and not is_sealed(found[name]):
                found[name] = self.seal(subject, name, found[name])
        facts = found.get(FACTS)
        if GPS in self.fields and isinstance(facts, Mapping) and facts.get(_POSITION) is not None:
            kept = {name: value for name, value in facts.items() if name != _POSITION}
            hidden = {_POSITION: facts[_POSITION]}
            found[FACTS] = {**kept, SEALED_FACTS: self.seal(subject, FACTS, hidden)}
        return found

    # --- what is read ------------------------------------------------------------------------

    def opened(self, signed: SignedChange) -> SignedChange:
        """Return a change as it is read: its id and its bytes as they came, its words opened."""
        change = signed.change
        sealed = [name for name, value in change.sets.items() if is_sealed(value)]
        if not sealed or not self._ciphers:
            return signed
        sets = dict(change.sets)
        for name in sealed:
            sets[name] = self._opened(change.subject, name, sets[name])
        return signed._replace(change=replace(change, sets=sets))

    def _opened(self, subject: Subject, name: str, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return self.open(subject, name, value)
        hidden = self.open(subject, name, value.get(SEALED_FACTS))
        if not isinstance(hidden, Mapping):
            return value
        return {**{n: v for n, v in value.items() if n != SEALED_FACTS}, **hidden}

    def all_opened(self, some: Iterable[SignedChange]) -> list[SignedChange]:
        """Return changes as they are read."""
        return [self.opened(signed) for signed in some]


assert limits.CHANGE_BYTES_MAX > 16 * _PADDED_TO, "a sealed change is hardly longer"
