"""Ed25519 keys: who a node is, who founded a library, and who signed a change.

The private key of a node never leaves its home folder; it is a file of 32 bytes, readable by its
owner only. Losing it means joining again as a new member; no photo depends on it.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from photonic.errors import KeyDamaged
from photonic.ids import NodeId, peer_id
from photonic.world import World

SEED_BYTES = 32
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
    def load_or_create(cls, path: Path, world: World) -> Identity:
        """Return the identity kept at `path`, made now if there is none. Raises KeyDamaged."""
        if path.exists():
            seed = path.read_bytes()
            if len(seed) != SEED_BYTES:
                raise KeyDamaged(str(path))
            return cls(seed)
        identity = cls.generate(world)
        world.files.write_durable(path, identity.seed)
        return identity

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of `data`."""
        return self._key.sign(data)

    def __repr__(self) -> str:
        return f"Identity({peer_id(self.node)})"  # never the seed


def is_signed_by(node: NodeId, signature: bytes, data: bytes) -> bool:
    """Tell whether `signature` over `data` was made with the private key of `node`."""
    try:
        Ed25519PublicKey.from_public_bytes(node).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
