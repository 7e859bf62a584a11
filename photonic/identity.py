"""Ed25519 keys: who a node is, who founded a library, and who signed a change.

The private key of a node never leaves its home folder; `vault.py` says how it is kept there.
Losing it means joining again as a new member; no photo depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_box,
    crypto_box_NONCEBYTES,
    crypto_box_seed_keypair,
    crypto_sign_open,
)
from nacl.encoding import RawEncoder
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.hash import blake2b
from nacl.public import SealedBox
from nacl.signing import SigningKey, VerifyKey

from photonic import limits
from photonic.errors import KeyDamaged
from photonic.ids import NodeId, peer_id
from photonic.vault import Vault
from photonic.world import World

SEED_BYTES = NODE_BYTES = 32
SIGNATURE_BYTES = 64


class Identity:
    """One private key and what it can do."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"an Ed25519 seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.seed = seed
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.node = NodeId(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, world: World) -> Identity:
        return cls(world.entropy.token(SEED_BYTES))

    @classmethod
    def load_or_create(cls, path: Path, world: World, vault: Vault | None = None) -> Identity:
        """Return the identity kept at `path`, made now if there is none.

        Raises KeyDamaged, PassphraseNeeded, PassphraseWrong.
        """
        vault = vault or Vault(path.parent, world)
        known = cls.load(path, vault)
        if known is not None:
            return known
        identity = cls.generate(world)
        vault.write(path, identity.seed)
        return identity

    @classmethod
    def load(cls, path: Path, vault: Vault) -> Identity | None:
        """Return the identity kept at `path`, if there is one. Raises as `load_or_create`."""
        seed = vault.read(path)
        if seed is not None and len(seed) != SEED_BYTES:
            raise KeyDamaged(str(path))
        return cls(seed) if seed is not None else None

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of `data`."""
        return self._key.sign(data)

    def open_box(self, box: bytes) -> bytes | None:
        """Return what `box_for` closed for this identity; None if it did not, or it was changed."""
        try:
            return SealedBox(SigningKey(self.seed).to_curve25519_private_key()).decrypt(box)
        except (CryptoError, ValueError, TypeError):
            return None

    def derived(self, purpose: bytes, size_bytes: int) -> bytes:
        """Return a key that only the holder of this identity can make, another for each purpose."""
        return HKDF(SHA512(), size_bytes, salt=None, info=purpose).derive(self.seed)

    def __repr__(self) -> str:
        return f"Identity({peer_id(self.node)})"  # never the seed


def box_for(node: NodeId, data: bytes, once: bytes) -> bytes:
    """Close `data` so that only `node` can read it: X25519 and XSalsa20-Poly1305 of libsodium.

    It is libsodium's sealed box, made of its parts because that one asks the machine for the
    key that is used once, and here it comes from whoever asks (`once`: 32 random bytes, never used
    for anything else). Who closed it is not told by it: that is for the signature of the change
    that carries it. Raises ValueError for a node that is no proper key.
    """
    try:
        theirs = bytes(VerifyKey(node).to_curve25519_public_key())
        public, secret = crypto_box_seed_keypair(once)
        size = crypto_box_NONCEBYTES
        nonce = blake2b(public + theirs, digest_size=size, encoder=RawEncoder)
        return public + crypto_box(data, nonce, theirs, secret)
    except (CryptoError, RuntimeError) as error:
        raise ValueError(f"nothing can be sealed to {node.hex()}") from error


class Claim(NamedTuple):
    """That `signature` over `data` was made with the private key of `node`."""

    node: NodeId
    signature: bytes
    data: bytes


def is_signed_by(node: NodeId, signature: bytes, data: bytes) -> bool:
    """Tell whether `signature` over `data` was made with the private key of `node`.

    Strict, and so the same on every node: a key of small order, under which one signature fits
    many messages, or a number that is not reduced, is refused. May be called from any thread.
    """
    if len(node) != NODE_BYTES or len(signature) != SIGNATURE_BYTES:
        return False  # the library below reads as many bytes as there should be
    try:
        crypto_sign_open(signature + data, node)
    except BadSignatureError:
        return False
    return True


def are_signed(claims: Sequence[Claim]) -> list[bool]:
    """Tell of each claim whether it is true. Many are shared out among a few threads.

    The caller waits for all of them; the threads need the interpreter for a tenth of the work only.
    """
    count = min(_threads(), len(claims) // limits.SIGNATURES_PER_THREAD_MIN)
    if count < 2:
        return _verify(claims)
    step = -(-len(claims) // count)
    pieces = [claims[start : start + step] for start in range(step, len(claims), step)]
    others = [_pool().submit(_verify, piece) for piece in pieces]
    verdicts = _verify(claims[:step])  # this thread works, too
    for other in others:
        verdicts += other.result()
    return verdicts


def _verify(claims: Sequence[Claim]) -> list[bool]:
    return [is_signed_by(*claim) for claim in claims]


def _threads() -> int:
    return min(limits.SIGNATURE_THREADS_MAX, os.cpu_count() or 1)


@cache
def _pool() -> ThreadPoolExecutor:
    """Return the threads that verify, started when they are first needed; they hold no state."""
    return ThreadPoolExecutor(limits.SIGNATURE_THREADS_MAX - 1, thread_name_prefix="signatures")
