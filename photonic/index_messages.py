"""What a node and the process that makes its index say to each other, in frames on two pipes."""

from __future__ import annotations

import msgspec


class Begin(msgspec.Struct, frozen=True, tag=True):
    """Where everything is: paths as bytes, as the system has them.

    The keys go over the pipe and nowhere else: `secrets` open what is sealed in the catalog,
    `place_key` seals places in the index.
    """

    library: bytes
    directory: bytes
    store: bytes
    index: bytes
    now_ms: int
    place_key: bytes
    secrets: dict[bytes, bytes]


class Stage(msgspec.Struct, frozen=True, tag=True):
    """These shards are to be taken in as they are now, again if they were."""

    shards: tuple[int, ...]


class Build(msgspec.Struct, frozen=True, tag=True):
    """All that was to be staged was told."""


class Staged(msgspec.Struct, frozen=True, tag=True):
    """So many shards were taken in since the beginning."""

    shards: int


class Merged(msgspec.Struct, frozen=True, tag=True):
    """So many photos are in the new index, of how many."""

    photos: int
    of: int


class Said(msgspec.Struct, frozen=True, tag=True):
    """Something for the log."""

    text: str


class Built(msgspec.Struct, frozen=True, tag=True):
    """The new index is whole and durable, beside the old one."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """It cannot be made, and the process ends."""

    text: str


Order = Begin | Stage | Build
Report = Staged | Merged | Said | Built | Failed
