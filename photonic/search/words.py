"""Words of a text: what is the same to somebody who searches.

Case, accents and the way in which a character was typed do not matter: `fold` makes "Tromsø",
"TROMSO" and "tromso" one text. `words` are the runs of letters and digits of a folded text; in
writing without spaces (Han, Kana) each character is a word, so that a part of a name is found.

A full text index agrees with `words` if it stores `searchable(texts)` and splits it at whatever
is ASCII and neither letter nor digit (the tokenizer `ascii` of SQLite's FTS5), for nothing else is
left to be split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import category, normalize

_ASCII_WORD = re.compile("[a-z0-9]+")
_UNSPACED = re.compile(
    "([\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff])"
)
_BETWEEN = "\u00b7"  # no word has it, and it is no ASCII: a phrase never reaches from text to text

_ACCENTS = [
    *range(0x0300, 0x0370), *range(0x1AB0, 0x1B00), *range(0x1DC0, 0x1E00),
    *range(0x20D0, 0x2100), *range(0xFE20, 0xFE30),
    *range(0x0591, 0x05BE), 0x05BF, 0x05C1, 0x05C2, 0x05C4, 0x05C5, 0x05C7,  # Hebrew points
    *range(0x064B, 0x0660), 0x0670,  # Arabic vowel signs
]  # fmt: skip
_UNSEEN = [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065),
           *range(0xFE00, 0xFE10), 0xFEFF]  # fmt: skip
# Letters with a stroke and ligatures, which no normal form takes apart.
_PLAIN = {
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "\u0131": "i",
    "æ": "ae", "œ": "oe", "þ": "th",
}  # fmt: skip
_TABLE: dict[int, str | None] = dict.fromkeys((*_ACCENTS, *_UNSEEN)) | {
    ord(letter): plain for letter, plain in _PLAIN.items()
}


def fold(text: str) -> str:
    """Return `text` without case and accents, its parts one space apart. Folding twice is once."""
    if not text.isascii():
        text = normalize("NFKD", normalize("NFKD", text).casefold()).translate(_TABLE)
        text = normalize("NFC", text)
    return " ".join(text.lower().split())


def words(text: str) -> tuple[str, ...]:
    """Return the words of `text`, folded, in their order; none if it has no letter and no digit."""
    folded = fold(text)
    if folded.isascii():
        return tuple(_ASCII_WORD.findall(folded))
    spaced = "".join(char if category(char)[0] in "LNM" else " " for char in folded)
    return tuple(_UNSPACED.sub(r" \1 ", spaced).split())


def searchable(texts: Iterable[str]) -> str:
    """Return what a full text index stores for `texts`: words with spaces between them."""
    return f" {_BETWEEN} ".join(" ".join(words(text)) for text in texts)


def path_key(path: str, separators: str = "/") -> str:
    """Return the folded levels of a path with "/" between them; "" if there are none.

    What is under a level begins with its key and "/".
    """
    folded = fold(path)
    for separator in separators:
        folded = folded.replace(separator, "/")
    return "/".join(level for part in folded.split("/") if (level := part.strip()))


def stem_key(name: str) -> str:
    """Return the folded name of a file without its extension."""
    return fold(name.rpartition(".")[0] or name)


def tag_key(tag: str) -> str:
    """Return the folded levels of a tag, "travel/iceland": programs write "/" or "|" between."""
    return path_key(tag, "/|")
