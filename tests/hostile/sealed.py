"""What a member that has the library key seals, and what anybody writes as a key: any bytes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.msgpack import Ext

from photonic.crdt.changes import Change, seal
from photonic.crdt.fields import GPS, KEY_PREFIX
from photonic.crdt.library_keys import read_keys
from photonic.crdt.roster import Roster
from photonic.crdt.sealing import Sealing, is_sealed, key_named_by, name_of
from photonic.errors import ChangeInvalid
from photonic.identity import Identity, box_for
from photonic.ids import BlobId, LibraryId, library_id, member_subject, photo_subject

ADMIN = Identity(bytes([9]) * 32)
LIBRARY: LibraryId = library_id(ADMIN.node)
SECRET = bytes(range(32))
SEALING = Sealing(LIBRARY, {name_of(LIBRARY, SECRET): SECRET}, name_of(LIBRARY, SECRET))
PHOTO = photo_subject(BlobId(bytes(32)))

_AS_SEALED: Ext = SEALING.seal(PHOTO, GPS, [64.1, -21.9])
SEALED_SEEDS = [bytes(_AS_SEALED.data)]
KEY_SEEDS = [
    msgspec.msgpack.encode([1, box_for(ADMIN.node, SECRET, bytes(range(32)))]),
    msgspec.msgpack.encode([1 << 62, bytes(80)]),
    msgspec.msgpack.encode(None),
]


def open_sealed(data: bytes) -> None:
    """Open what says that it is sealed, and stands where a place does."""
    value = Ext(_AS_SEALED.code, data)
    assert is_sealed(value)
    key_named_by(value)
    SEALING.open(PHOTO, GPS, value)


def read_gift(data: bytes) -> None:
    """Read what an admin says is a library key, under a name that is none, too."""
    try:
        value: Any = msgspec.msgpack.decode(data)
        names = (KEY_PREFIX + data[:16].hex(), KEY_PREFIX + data[:9].decode("latin-1"))
        sets = dict.fromkeys(names, value)
        change = Change(*member_subject(ADMIN.node), (), ADMIN.node, 1, 1, sets)
        signed = seal(ADMIN, LIBRARY, change)
    except (ChangeInvalid, msgspec.DecodeError, ValueError, OverflowError, RecursionError):
        return
    read_keys(LIBRARY, Roster(ADMIN.node), [signed], [ADMIN])
