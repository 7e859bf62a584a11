"""Keys at rest: files that hold a secret, readable by their owner only, maybe under a passphrase.

Without a passphrase a file is the secret itself. With one, the folder has a file `lock`: a random
key, sealed under what scrypt makes of the passphrase; and each secret is sealed with that key. So a
change of the passphrase replaces one file as a whole, and whatever moment a crash chooses, every
secret can be read: by the old passphrase or by the new one, for the lock is either.

A lock says, too, under which name the system's keyring keeps its passphrase, if it does
(`safekeeping.py`): so the two never disagree about which passphrase is the one.

Nothing here asks anybody: where a passphrase comes from is told to the constructor. Blocking.
"""

from __future__ import annotations

import enum
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from photonic import limits
from photonic.errors import KeyDamaged, PassphraseNeeded, PassphraseWrong
from photonic.ids import digest
from photonic.world import World

LOCK: Final = "lock"
_KEY_BYTES, _SALT_BYTES, _NONCE_BYTES, _CHECK_BYTES = 32, 16, 12, 8
_LOCK_FORMAT: Final = "photonic key lock 1"
_SEALED: Final = b"photonic sealed key 1\0"  # how a secret's file begins that is under the lock

Ask = Callable[[], str]
"""Gives the passphrase, asked when it is needed first. May raise PassphraseNeeded."""


class Kept(enum.Enum):
    """How a secret is kept."""

    MISSING = "missing"
    FILE = "file"
    PASSPHRASE = "passphrase"  # noqa: S105 - the word
    KEYRING = "keyring"  # under a passphrase that the system's keyring keeps


class _Lock(msgspec.Struct, frozen=True):
    """What the file `lock` says, before a checksum of it: msgpack."""

    format: str
    n: int
    r: int
    p: int
    salt: bytes
    nonce: bytes
    box: bytes
    keyring: str = ""  # the name under which the system's keyring keeps the passphrase

    @property
    def about(self) -> bytes:
        """What is authenticated beside the key: everything that it is made by."""
        made_by = (self.format, self.n, self.r, self.p, self.salt)
        return msgspec.msgpack.encode((*made_by, self.keyring) if self.keyring else made_by)


def _nobody() -> str:
    raise PassphraseNeeded


class Vault:
    """The secrets in one folder."""

    def __init__(self, folder: Path, world: World, ask: Ask = _nobody) -> None:
        self.folder, self._world, self._ask = folder, world, ask
        self._key: bytes | None = None  # of the lock, once it was opened
        self.repaired: list[str] = []  # what others could read, and cannot any more

    # --- secrets -----------------------------------------------------------------------------

    def read(self, path: Path) -> bytes | None:
        """Return the secret at `path`; None if there is none.

        Raises KeyDamaged, PassphraseNeeded, PassphraseWrong.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        self._close_to_others(path)
        if not data.startswith(_SEALED):
            return data
        inner = data[len(_SEALED) :]
        cipher = ChaCha20Poly1305(self._unlocked())
        try:
            return cipher.decrypt(inner[:_NONCE_BYTES], inner[_NONCE_BYTES:], _about(path))
        except (InvalidTag, ValueError) as error:
            raise KeyDamaged(str(path)) from error

    def write(self, path: Path, secret: bytes) -> None:
        """Keep a secret at `path`, durably and as all others here are kept.

        Raises PassphraseNeeded, PassphraseWrong, KeyDamaged.
        """
        self._make_folder()
        data = self._sealed(path, secret) if self.is_locked else secret
        self._world.files.write_durable(path, data, mode=0o600)

    def _sealed(self, path: Path, secret: bytes) -> bytes:
        nonce = self._world.entropy.token(_NONCE_BYTES)
        box = ChaCha20Poly1305(self._unlocked()).encrypt(nonce, secret, _about(path))
        return _SEALED + nonce + box

    def kept(self, path: Path) -> Kept:
        """Return how a secret is kept, without reading it."""
        try:
            with path.open("rb") as file:
                is_sealed = file.read(len(_SEALED)) == _SEALED
        except FileNotFoundError:
            return Kept.MISSING
        if not is_sealed:
            return Kept.FILE
        with suppress(KeyDamaged):
            return Kept.KEYRING if self.keyring_name() else Kept.PASSPHRASE
        return Kept.PASSPHRASE

    def files(self) -> list[Path]:
        """Return the files that hold a secret, sorted."""
        if not self.folder.is_dir():
            return []
        found = (path for path in self.folder.iterdir() if not path.name.startswith("."))
        return sorted(path for path in found if path.is_file() and path.name != LOCK)

    def check(self) -> None:
        """Take from others what they could read of this folder; `repaired` names it."""
        if self.folder.is_dir():
            self._close_to_others(self.folder)
            for path in [*self.files(), *([self._lock] if self.is_locked else [])]:
                self._close_to_others(path)

    def _close_to_others(self, path: Path) -> None:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            path.chmod(mode & 0o700)
            self.repaired.append(f"{path} could be read by others (mode {mode:03o})")

    def _make_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._close_to_others(self.folder)

    # --- the passphrase ----------------------------------------------------------------------

    @property
    def _lock(self) -> Path:
        return self.folder / LOCK

    @property
    def is_locked(self) -> bool:
        """Whether secrets are kept under a passphrase."""
        return self._lock.exists()

    def keyring_name(self) -> str:
        """Return the name under which the system's keyring keeps the passphrase; "" if it does not.

        Raises KeyDamaged.
        """
        return _read_lock(self._lock).keyring if self.is_locked else ""

    def protect(self, passphrase: str, *, keyring: str = "") -> None:
        """Keep every secret here under a passphrase: the first one, or another than until now.

        `keyring` is the name under which the system's keyring keeps that passphrase. May be
        repeated after a crash, and then ends what was begun. Raises what `read` raises.
        """
        key = self._unlocked() if self.is_locked else self._world.entropy.token(_KEY_BYTES)
        self._make_folder()
        self._world.files.write_durable(self._lock, _locked(self._world, key, passphrase, keyring))
        self._key = key
        self._keep_anew(self.files())

    def unprotect(self) -> None:
        """Keep every secret here in a file alone. May be repeated after a crash."""
        if not self.is_locked:
            return
        secrets = {path: self.read(path) for path in self.files()}
        for path, secret in secrets.items():
            if secret is not None and self.kept(path) is not Kept.FILE:
                self._world.files.write_durable(path, secret, mode=0o600)
        self._world.files.remove(self._lock)
        self._world.files.sync(self.folder)
        self._key = None

    def _keep_anew(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if self.kept(path) is Kept.FILE:
                secret = self.read(path)
                assert secret is not None
                self._world.files.write_durable(path, self._sealed(path, secret), mode=0o600)

    def unlock(self) -> None:
        """Ask for the passphrase now, if there is one. Raises PassphraseNeeded, PassphraseWrong."""
        if self.is_locked:
            self._unlocked()

    def _unlocked(self) -> bytes:
        if self._key is None:
            lock = _read_lock(self._lock)
            key = _derived(self._ask(), lock)
            try:
                self._key = ChaCha20Poly1305(key).decrypt(lock.nonce, lock.box, lock.about)
            except InvalidTag:
                raise PassphraseWrong(str(self._lock)) from None
        return self._key


def _about(path: Path) -> bytes:
    return _SEALED + path.name.encode()


def _locked(world: World, key: bytes, passphrase: str, keyring: str) -> bytes:
    """Return a lock's file: `key` under a passphrase, with parameters and salt of its own."""
    token = world.entropy.token
    n, r, p = limits.SCRYPT_N, limits.SCRYPT_R, limits.SCRYPT_P
    lock = _Lock(_LOCK_FORMAT, n, r, p, token(_SALT_BYTES), token(_NONCE_BYTES), b"", keyring)
    box = ChaCha20Poly1305(_derived(passphrase, lock)).encrypt(lock.nonce, key, lock.about)
    data = msgspec.msgpack.encode(msgspec.structs.replace(lock, box=box))
    return data + digest(data)[:_CHECK_BYTES]


def _read_lock(path: Path) -> _Lock:
    """Raises KeyDamaged: a checksum tells damage from a wrong passphrase."""
    with suppress(OSError, msgspec.MsgspecError):
        data = path.read_bytes()
        body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
        if digest(body)[:_CHECK_BYTES] == check:
            lock = msgspec.msgpack.decode(body, type=_Lock)
            is_bounded = lock.n <= limits.SCRYPT_N_MAX and max(lock.r, lock.p) <= 16
            if lock.format == _LOCK_FORMAT and is_bounded and len(lock.nonce) == _NONCE_BYTES:
                return lock
    raise KeyDamaged(str(path))


def _derived(passphrase: str, lock: _Lock) -> bytes:
    """Stretch a passphrase: a guess costs 128 MiB and some tenths of a second."""
    stretched = Scrypt(salt=lock.salt, length=_KEY_BYTES, n=lock.n, r=lock.r, p=lock.p)
    return stretched.derive(passphrase.encode())
