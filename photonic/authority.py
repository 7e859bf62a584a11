"""The library's authority key on this machine: where it was founded or recovered, until forgotten.

It is kept as all keys are (`vault.py`), asked for seldom, and may be taken away once its recovery
kit is on paper.
"""

from __future__ import annotations

import os

from photonic.errors import AuthorityAbsent
from photonic.identity import Identity
from photonic.layout import Layout, LibraryRecord
from photonic.recovery_kit import RecoveryKit


def keep_authority(layout: Layout, kit: RecoveryKit) -> None:
    """Keep the key here, as all others. Blocking. Raises as `Vault.write`."""
    layout.vault.write(layout.authority_key(kit.library), kit.seed)


def load_authority(layout: Layout, record: LibraryRecord) -> Identity | None:
    """Return the library's authority, if its key is on this machine. Raises as `Vault.read`."""
    return Identity.load(layout.authority_key(record.library), layout.vault)


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
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())  # before the name goes, or nothing was written over
        path.unlink()
