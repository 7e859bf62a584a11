"""Chunks that another held blob has are copied here, not fetched: an older version of the file, or
the same picture with other metadata.

Which blobs those may be, the ledger's anchors tell. Every chunk goes through the partial's door,
so what rotted here is simply fetched. The bytes are read and written, not shared as blocks: what
is equal lies at other offsets in the two files, hardly ever on the same block boundaries, and has
to be read to be verified in any case.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import BinaryIO

from photonic.blobs.chunks import ChunkList
from photonic.blobs.store import Partial
from photonic.errors import BlobCorrupt, BlobMissing, StoreFull
from photonic.ids import BlobId

log = logging.getLogger(__name__)


def fill(
    partial: Partial,
    kin: Iterable[BlobId],
    chunk_list: Callable[[BlobId], ChunkList],
    reader: Callable[[BlobId], BinaryIO],
) -> None:
    """Write into `partial` whatever chunks it lacks and one of `kin` has.

    A blob that is gone, damaged or unreadable is passed over, and so is a disk that fills up: what
    is missing then is missing still. Blocks for as long as the copying takes.
    """
    wanted: dict[bytes, list[int]] = {}
    for index in partial.missing():
        wanted.setdefault(partial.chunks.chunks[index].hash, []).append(index)
    for blob in kin:
        if not wanted:
            return
        try:
            chunks = chunk_list(blob)
            places = {c.hash: at for at, c in enumerate(chunks.chunks) if c.hash in wanted}
            if not places:
                continue
            with reader(blob) as file:
                for chunk_hash, at in sorted(places.items(), key=lambda item: item[1]):
                    file.seek(chunks.offsets[at])
                    data = file.read(chunks.chunks[at].size_bytes)
                    with suppress(BlobCorrupt):
                        for index in wanted[chunk_hash]:
                            partial.write(index, data)
                        del wanted[chunk_hash]
        except (BlobMissing, OSError) as error:
            log.warning("no chunks are taken from %s: %s", blob.hex(), error)
        except StoreFull:
            return
