"""Stand-ins for camera files: bytes that do not compress, every file another."""

from __future__ import annotations

import os
from pathlib import Path


def make_files(folder: Path, count: int, size_bytes: int) -> Path:
    """Write `count` files of `size_bytes` random bytes, named as a camera would."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"IMG_{number:06}.CR3").write_bytes(os.urandom(size_bytes))
    return folder
