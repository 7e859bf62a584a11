"""The library's authority key on this machine: where it was founded or recovered, until forgotten.

The other keys are kept by whoever has them (`identity.py`); this one is asked for seldom, and may
be taken away once its recovery kit is on paper.
"""

from __future__ import annotations

from photonic.errors import AuthorityAbsent, KeyDamaged
from photonic.identity import SEED_BYTES, Identity
from photonic.layout import Layout, LibraryRecord
from photonic.recovery_kit import RecoveryKit
from photonic.world import Files


def keep_authority(layout: Layout, kit: RecoveryKit, files: Files) -> None:
    """Keep the key here. Blocking."""
    files.write_durable(layout.authority_key(kit.library), kit.seed)


def load_authority(layout: Layout, record: LibraryRecord) -> Identity | None:
    """Return the library's authority, if its key is on this machine. Raises KeyDamaged."""
    path = layout.authority_key(record.library)
    if not path.exists():
        return None
    seed = path.read_bytes()
    if len(seed) != SEED_BYTES:
        raise KeyDamaged(str(path))
    return Identity(seed)


def kit_of(layout: Layout, record: LibraryRecord, name: str) -> RecoveryKit:
    """Return the recovery kit of this home's library. Raises AuthorityAbsent, KeyDamaged."""
    authority = load_authority(layout, record)
    if authority is None:
        raise AuthorityAbsent(f"the authority key of {name} is not on this machine")
    return RecoveryKit(authority.seed, name)


def forget_authority(layout: Layout, record: LibraryRecord) -> None:
    """Take the key away from this machine; absent is fine.

    Its bytes are written over first, which does what it can: a disk may keep what was there.
    """
    path = layout.authority_key(record.library)
    if path.exists():
        with path.open("r+b") as file:
            file.write(bytes(SEED_BYTES))
            file.flush()
        path.unlink()
