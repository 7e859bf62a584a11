"""The files of a home folder, and the lock that keeps a second process out of it.

    library.json            which library this node belongs to, and as what
    keys/node               the node's private key
    keys/library-ID         the library's authority, where it was founded
    keys/https.pem          the certificate that the node made for HTTPS, with its key
    keys/lock               what a passphrase opens, and the keys with it, where there is one
    libraries/ID/journal.db every change: the catalog
    libraries/ID/index.db   derived from the journal; may be deleted, as may directory.db
    libraries/ID/seen.db    which files were taken in; may be deleted
    libraries/ID/grace.json how long the trash was counted; without it the days begin anew
    blobs/                  originals, previews and sidecars: plain files, small ones packed
    libraries/ID/tree.db    what the exported tree shows; may be deleted
    exports.json            who may mount it, once somebody changed that at run time
    nfs/                    what NFS-Ganesha is told, and its log
    pauses.json             what is left alone, once somebody paused something
    limits.json             limits of transfers, once somebody changed them at run time
    scrub-paused            there while stored files are not verified by themselves
    tokens.json             hashes of the tokens that may use the REST face
    peers.json              where members were last reached
    invitations             open invitations
    audit/                  what was done that matters for security; each entry holds the next
    suspects.json           files that ended the processes that read them; may be deleted
    restoring/              there while the home is restored from an archive's folder
    lacking.txt             what that folder had not, or had damaged
    node.json               how to reach the running node; there only while it runs

docs/operations.md says which of them to back up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from photonic.errors import HomeInUse, HomeUnusable
from photonic.home import NODE_FILE
from photonic.ids import LibraryId
from photonic.vault import Ask, Vault
from photonic.world import Files, World


class LibraryRecord(msgspec.Struct, frozen=True):
    """What library.json says. Written last when a library is made or joined: the commit point."""

    id: str
    name: str
    role: str

    @property
    def library(self) -> LibraryId:
        return LibraryId(bytes.fromhex(self.id))


class Layout:
    """Where things are in one home folder."""

    def __init__(self, home: Path, world: World | None = None, ask: Ask | None = None) -> None:
        """`ask` gives the passphrase of the keys, if they are under one."""
        self.home = home
        vault = partial(Vault, home / "keys", world or World())
        self.vault = vault(ask) if ask else vault()
        self.record = home / "library.json"
        self.node_key = home / "keys" / "node"
        self.blobs = home / "blobs"
        self.peers = home / "peers.json"
        self.invitations = home / "invitations"
        self.limits = home / "limits.json"
        self.pauses = home / "pauses.json"
        self.exports = home / "exports.json"
        self.nfs = home / "nfs"
        self.scrub_paused = home / "scrub-paused"
        self.suspects = home / "suspects.json"
        self.audit = home / "audit"
        self.node_file = home / NODE_FILE
        self.restoring = home / "restoring"
        self.tokens = home / "tokens.json"
        self.https = home / "keys" / "https.pem"
        self._lock = home / "lock"

    def authority_key(self, library: LibraryId) -> Path:
        return self.home / "keys" / f"library-{library.hex()}"

    def journal(self, library: LibraryId) -> Path:
        return self.home / "libraries" / library.hex() / "journal.db"

    def index(self, library: LibraryId) -> Path:
        return self.home / "libraries" / library.hex() / "index.db"

    def directory(self, library: LibraryId) -> Path:
        return self.home / "libraries" / library.hex() / "directory.db"

    def tree(self, library: LibraryId) -> Path:
        return self.home / "libraries" / library.hex() / "tree.db"

    def grace(self, library: LibraryId) -> Path:
        return self.home / "libraries" / library.hex() / "grace.json"

    def read_record(self) -> LibraryRecord | None:
        """Return the library of this home, or None if it keeps none yet. Raises HomeUnusable."""
        try:
            return msgspec.json.decode(self.record.read_bytes(), type=LibraryRecord)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise HomeUnusable(str(self.record), str(error)) from error

    def write_record(self, record: LibraryRecord, files: Files) -> None:
        files.write_durable(self.record, msgspec.json.encode(record))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other process out of this home. Raises HomeInUse, HomeUnusable."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HomeUnusable(str(self.home), error.strerror or str(error)) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                text = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
                raise HomeInUse(str(self.home), int(text) if text.isdigit() else None) from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)  # the lock goes with it
