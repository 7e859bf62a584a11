"""How a command line names one photo or one album: by an id, by its beginning, or by words."""

from __future__ import annotations

import re

from photonic import limits
from photonic.cli import output
from photonic.cli.client import Answer, NodeClient
from photonic.errors import AlbumAmbiguous, AlbumUnknown, PhotoAmbiguous, PhotoUnknown, UsageInvalid

_ID = re.compile(r"[0-9a-fA-F]{6,64}")
_CANDIDATES_MAX = 10


def query_of(text: str) -> str:
    """Return a query as it was given. It may begin with one minus; two are an option's.

    Raises UsageInvalid.
    """
    if text.startswith("--"):
        raise UsageInvalid(f"No such option: {text.partition('=')[0]}")
    return text


def find_photo(node: NodeClient, text: str) -> Answer:
    """Return the one photo that `text` names: an id, six or more digits of one, or a query.

    Raises PhotoUnknown, PhotoAmbiguous, QueryInvalid.
    """
    found: list[Answer] = []
    if _ID.fullmatch(text):
        # By its id a photo is found in the trash, too.
        found = _some(node, f"id:{text.lower()} (is:trashed or -is:trashed)")
    found = found or _some(node, query_of(text))
    if not found:
        raise PhotoUnknown(text)
    if len(found) > 1:
        shown = [_candidate(photo) for photo in found[:_CANDIDATES_MAX]]
        raise PhotoAmbiguous(text, [*shown, "..."] if len(found) > len(shown) else shown)
    return found[0]


def find_album(node: NodeClient, text: str) -> Answer:
    """Return the one album with this id or this name. Raises AlbumUnknown, AlbumAmbiguous."""
    albums: list[Answer] = node.get("/albums")["items"]
    found = [album for album in albums if album["id"] == text.lower()]
    found = found or [album for album in albums if album["name"] == text]
    found = found or [one for one in albums if one["name"].casefold() == text.casefold()]
    if not found:
        raise AlbumUnknown(f"there is no album {text!r}")
    if len(found) > 1:
        ids = ", ".join(album["id"] for album in found)
        raise AlbumAmbiguous(f"{len(found)} albums are called {text!r}: {ids}")
    return found[0]


def _some(node: NodeClient, query: str) -> list[Answer]:
    found: list[Answer] = node.get("/photos", {"q": query, "limit": _CANDIDATES_MAX + 1})["items"]
    return found


def _candidate(photo: Answer) -> str:
    taken = (photo.get("taken") or "")[:19].replace("T", " ")
    return output.clean(f"  {photo['id'][:12]}  {taken}  {photo['name']}")


assert limits.PAGE_ITEMS_MAX > _CANDIDATES_MAX
