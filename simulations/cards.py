"""Memory cards with photos for real daemons to take in: small pictures, as large as one asks."""

from __future__ import annotations

import random
from pathlib import Path

from blake3 import blake3
from PIL import Image

_SIZE = (160, 120)


class Cards:
    """All photos that were shot in a history, by number; the files stay where they were made."""

    def __init__(self, folder: Path, size_bytes: int, seed: int) -> None:
        self._folder, self._size_bytes, self._seed = folder, size_bytes, seed
        self._paths: list[Path] = []
        self.ids: list[str] = []  # as the catalog calls them

    def shoot(self, count: int) -> tuple[Path, list[str]]:
        """Make photos that nobody has made before; return a card with them, and their ids."""
        first = len(self.ids)
        card = self._folder / f"card{first}"
        card.mkdir(parents=True)
        for number in range(first, first + count):
            path = card / f"IMG_{number:04}.JPG"
            self._draw(path, number)
            self._paths.append(path)
            self.ids.append(blake3(path.read_bytes()).hexdigest())
        return card, self.ids[first:]

    def again(self, photo: int, count: int) -> tuple[Path, list[str]]:
        """Return a card with copies of photos that were made before."""
        numbers = [n % len(self.ids) for n in range(photo, photo + min(count, len(self.ids)))]
        card = self._folder / f"copies{random.getrandbits(64):016x}"
        card.mkdir(parents=True)
        for number in numbers:
            (card / self._paths[number].name).write_bytes(self._paths[number].read_bytes())
        return card, [self.ids[number] for number in numbers]

    def named(self, photo: int) -> str | None:
        """Return the id of a photo by its number, counted round; None if there is none."""
        return self.ids[photo % len(self.ids)] if self.ids else None

    def names(self) -> list[str]:
        return [path.name for path in self._paths]

    def pieces(self) -> list[bytes]:
        """Return some bytes of every photo, by which one would know it."""
        return [path.read_bytes()[1_000:1_032] for path in self._paths]

    def _draw(self, path: Path, number: int) -> None:
        dice = random.Random(f"{self._seed} {number}")
        Image.frombytes("RGB", _SIZE, dice.randbytes(_SIZE[0] * _SIZE[1] * 3)).save(path, "JPEG")
        missing = self._size_bytes - path.stat().st_size
        with path.open("ab") as file:  # behind the end of the picture, where nobody looks
            file.write(dice.randbytes(max(0, missing)))
