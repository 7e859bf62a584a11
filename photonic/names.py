"""Names that others gave: of photos, folders, albums, nodes, libraries. They may do nothing.

A name is text of somebody else, and stays what it is in the catalog. Where it leaves the catalog it
is made harmless: for a terminal and a log (`visible`), for a download (`download_name`), and for a
path below a folder of ours (`path_below`). Pure.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from photonic import limits
from photonic.ids import digest

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# They turn the order of what stands beside them: gpj.exe reads as exe.jpg.
_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_FORBIDDEN = frozenset('/\\:*?"<>|')  # by one file system or another
_NO_TEXT = ("Cc", "Cs", "Cn", "Zl", "Zp")  # controls, halves, what is nothing, ends of lines
# What Windows takes for a device, whatever follows the dot.
_NUMBERS = "0123456789\u00b9\u00b2\u00b3"
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
    | {f"{device}{number}" for device in ("com", "lpt") for number in _NUMBERS}
)


def visible(text: str) -> str:
    """Return `text` on one line, with every character that a terminal would obey made visible."""
    return "".join(one if one.isprintable() else _REPLACEMENT for one in text)


def download_name(text: str) -> str:
    """Return a name for a file that a browser keeps: the same to the eye, and no path."""
    safe = "".join("_" if _is_harmful(one) else one for one in text)
    safe = safe.encode("utf-8", "replace").decode()
    bare = safe.strip(". ")
    return _shortened(safe.lstrip(". ") if bare else "unnamed", text)


def part(text: str) -> str:
    """Return a text as a name that every file system takes, never "", "." or ".."

    Two texts that are the same in another spelling (NFC, NFD) are one name; one that is long ends
    with its hash.
    """
    composed = unicodedata.normalize("NFC", text)
    safe = "".join("_" if _is_harmful(one) else one for one in composed).strip()
    safe = safe.encode("utf-8", "replace").decode()
    if safe.startswith("-"):  # an option, to whoever writes `rm *`
        safe = "_" + safe[1:]
    if safe.endswith((".", " ")):  # Windows forgets them
        safe = safe[:-1] + "_"
    if safe.partition(".")[0].strip().casefold() in _RESERVED:
        safe = "_" + safe
    safe = _shortened(safe, text)
    return safe if safe.strip(". ") else "_"


def path_below(folder: str, name: str) -> PurePosixPath:
    """Return a relative path of parts that each are a `part`: it leads down and nowhere else."""
    given = [one for one in folder.split("/") if one not in ("", ".", "..")]
    parts = [part(one) for one in given[: limits.PATH_PARTS_MAX]]
    size_bytes = sum(len(one.encode()) + 1 for one in parts)
    if len(given) > len(parts) or size_bytes > limits.PATH_BYTES_MAX:
        parts = [f"deep~{digest(folder.encode('utf-8', 'replace')).hex()[:16]}"]
    return PurePosixPath(*parts, part(name or "unnamed"))


def _is_harmful(one: str) -> bool:
    return one in _FORBIDDEN or one in _TURNING or unicodedata.category(one) in _NO_TEXT


def _shortened(safe: str, text: str) -> str:
    if len(safe.encode()) <= limits.EXPORT_NAME_BYTES_MAX:
        return safe
    kept = safe.encode()[: limits.EXPORT_NAME_BYTES_MAX - 11].decode("utf-8", "ignore")
    return f"{kept}~{digest(text.encode('utf-8', 'replace')).hex()[:10]}"
