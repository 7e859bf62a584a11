"""The recovery kit: the library's authority key on paper, and how it is read again.

It has the 32 bytes of the key's seed and the library's name; the library's id follows from the key.
On paper it is numbered lines of groups of five letters, each with two letters that tell a slip of
the pen in that line, and a QR code of the same on one line. Letters are those of base32; what is
easily confused (0 and O, 1 and I, 8 and B) is read as the letter, for there is no such digit.
"""

from __future__ import annotations

import io
import re
from base64 import b32decode, b32encode
from dataclasses import dataclass

import msgspec
import segno

from photonic import limits
from photonic.errors import KitInvalid
from photonic.identity import SEED_BYTES, Identity
from photonic.ids import LibraryId, digest, library_id

_PREFIX = "photonic-kit-"
_VERSION = 1
_GROUP, _GROUPS = 5, 4
_LINE = re.compile(r"^\s*(\d+)[.)]\s+((?:[A-Z2-7]{1,5}\s+)+)([A-Z2-7]{2})\s*$")
_LIKE = str.maketrans("018", "OIB")

_WORTH = """\
RECOVERY KIT of the photonic library {name}
library {id}

Whoever has this page can make any machine an admin of the library, see every
photo in it, and shut every other machine out. Nobody can take that back.
Keep it on paper, away from the machines: in a safe, or with somebody you trust.
Do not photograph it, and do not keep it in a cloud.

If every admin's machine is lost, run on a new one:  photonic recover
and type these lines (or scan the code and paste it):
"""


@dataclass(frozen=True, slots=True)
class RecoveryKit:
    """What proves that somebody may decide about a library."""

    seed: bytes
    name: str

    @property
    def authority(self) -> Identity:
        return Identity(self.seed)

    @property
    def library(self) -> LibraryId:
        return library_id(self.authority.node)

    def __repr__(self) -> str:
        return f"RecoveryKit({self.library.hex()})"  # never the seed

    def _letters(self) -> str:
        raw = msgspec.msgpack.encode((_VERSION, self.seed, self.name))
        return b32encode(raw + digest(raw)[:4]).decode().rstrip("=")

    def line(self) -> str:
        """Return the kit on one line, as the QR code has it."""
        return _PREFIX + self._letters().lower()

    def lines(self) -> list[str]:
        """Return the numbered lines, as they are typed."""
        letters = self._letters()
        step = _GROUP * _GROUPS
        pieces = [letters[start : start + step] for start in range(0, len(letters), step)]
        return [
            f"{number}.  {' '.join(_grouped(piece))}  {_check(number, piece)}"
            for number, piece in enumerate(pieces, 1)
        ]

    def page(self) -> str:
        """Return what is printed: what it is worth, the lines, and the QR code."""
        picture = io.StringIO()
        segno.make(self.line().upper(), error="m").terminal(out=picture, compact=True)
        head = _WORTH.format(name=self.name, id=self.library.hex())
        lines = "\n".join(f"  {line}" for line in self.lines())
        return f"{head}\n{lines}\n\n{picture.getvalue()}"


def parse_kit(text: str) -> RecoveryKit:
    """Parse a kit: the one line, or all numbered lines, with whatever stands around them.

    Raises KitInvalid, which names the line with the slip.
    """
    if len(text) > limits.REQUEST_BODY_BYTES_MAX:
        raise KitInvalid("that is too long for a recovery kit")
    found = re.search(re.escape(_PREFIX) + r"([a-z2-7018]+)", text.lower())
    return _read(found[1].upper().translate(_LIKE) if found else _typed(text))


def _typed(text: str) -> str:
    """Return the letters of numbered lines, once each of them is right."""
    pieces: dict[int, str] = {}
    for line in text.splitlines():
        number, dot, rest = line.partition(".")
        match = _LINE.match(number + dot + rest.upper().translate(_LIKE))
        if match is None:
            continue
        count, piece = int(match[1]), "".join(match[2].split())
        if _check(count, piece) != match[3]:
            raise KitInvalid(f"line {count} has a slip in it")
        pieces[count] = piece
    if not pieces:
        raise KitInvalid("there is no line of a recovery kit in it")
    lacking = [str(n) for n in range(1, max(pieces) + 1) if n not in pieces]
    if lacking:
        raise KitInvalid(f"lines are lacking: {', '.join(lacking)}")
    return "".join(pieces[number] for number in sorted(pieces))


def _read(letters: str) -> RecoveryKit:
    try:
        raw = b32decode(letters + "=" * (-len(letters) % 8))
        body, check = raw[:-4], raw[-4:]
        if digest(body)[:4] != check:
            raise KitInvalid("the kit has a slip in it, or is not whole")
        version, seed, name = msgspec.msgpack.decode(body, type=tuple[int, bytes, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise KitInvalid("the kit has a slip in it, or is not whole") from error
    if version != _VERSION or len(seed) != SEED_BYTES:
        raise KitInvalid("the kit was made by a newer photonic, or by something else")
    return RecoveryKit(seed, name)


def _grouped(piece: str) -> list[str]:
    return [piece[start : start + _GROUP] for start in range(0, len(piece), _GROUP)]


def _check(number: int, piece: str) -> str:
    return b32encode(digest(f"{number}:{piece}".encode())).decode()[:2]


def is_typed_back(kit: RecoveryKit, number: int, typed: str) -> bool:
    """Whether somebody typed the line with this number, with or without its number and check."""
    wanted = re.sub(r"[^A-Z2-7]", "", kit.lines()[number - 1].partition(".")[2])
    bare = re.sub(r"^\s*\d+[.)]", "", typed).upper().translate(_LIKE)
    given = re.sub(r"[^A-Z2-7]", "", bare)
    return given in (wanted, wanted[:-2])
