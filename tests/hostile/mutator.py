"""Bends bytes into other bytes, seeded, so that what it found is found again."""

from __future__ import annotations

import random
from collections.abc import Sequence

from photonic import limits


class Mutator:
    """Bends bytes, seeded."""

    _SPECIAL = (0, 1, 0x7F, 0x80, 0x81, 0x90, 0xA0, 0xC0, 0xC1, 0xD9, 0xDC, 0xDD, 0xDE, 0xDF, 0xFF)

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def bend(self, corpus: Sequence[bytes]) -> bytes:
        bent = bytearray(self.dice.choice(corpus))
        for _ in range(self.dice.choice((1, 1, 2, 3, 8))):
            at = self.dice.randrange(len(bent) + 1)
            match self.dice.randrange(8):
                case 0 if bent:
                    bent[at % len(bent)] ^= 1 << self.dice.randrange(8)
                case 1 if bent:
                    bent[at % len(bent)] = self.dice.choice(self._SPECIAL)
                case 2:
                    del bent[at : at + self.dice.randint(1, 32)]
                case 3:
                    other = self.dice.choice(corpus)
                    start = self.dice.randrange(len(other) + 1)
                    bent[at:at] = other[start : start + self.dice.randint(1, 64)]
                case 4:
                    bent[at:at] = bent[at : at + 16] * self.dice.choice((1, 2, 30, 300))
                case 5:
                    size = self.dice.choice((1, 2, 4, 8))
                    value = self.dice.choice((0, 1, (1 << 8 * size - 1) - 1, (1 << 8 * size) - 1))
                    bent[at : at + size] = value.to_bytes(size, "big")
                case 6:
                    del bent[at:]
                case _:
                    bent[at:at] = self.dice.randbytes(self.dice.randint(1, 16))
        return bytes(bent[: 256 * limits.KIB])
