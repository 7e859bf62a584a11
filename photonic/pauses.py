"""What this node leaves alone: everything, some peers, or the photos of some albums and shoots.

Nothing is fetched of what is paused; what was asked for before still comes, and what others take
from this node goes on (`photonic limits --out` is for that). Pauses are this node's alone: kept in
its home folder over restarts, and never in the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import trio

from photonic import limits
from photonic.errors import AlbumUnknown, ConfigInvalid, HomeUnusable, PauseInvalid
from photonic.events import Event, PausesChanged
from photonic.finder import Finder
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.limiter import find_peer
from photonic.search.criteria import Equals, Tree, any_of
from photonic.world import Files

LIBRARY, PEER, ALBUM, SHOOT = KINDS = ("library", "peer", "album", "shoot")
_ID_CHARS_MAX: Final = 128


class Paused(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is paused, as pauses.json has it."""

    library: bool = False
    peers: tuple[str, ...] = ()  # peer IDs
    albums: tuple[str, ...] = ()  # in hex, as are shoots
    shoots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PauseView:
    """One thing that is left alone: the library, a peer, an album or a shoot."""

    kind: str
    id: str | None  # None of the library
    name: str | None


def read_paused(file: Path) -> Paused:
    """Return what is paused. Raises ConfigInvalid: what was paused must not begin by itself."""
    try:
        paused = msgspec.json.decode(file.read_bytes(), type=Paused)
        for peer in paused.peers:
            parse_peer_id(peer)
        for text in (*paused.albums, *paused.shoots):
            bytes.fromhex(text)
    except FileNotFoundError:
        return Paused()
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigInvalid([f"{file}: {error}; correct or remove it"]) from error
    return paused


class Pauses:
    """Changes what is paused. Used on the event loop's thread."""

    def __init__(
        self,
        file: Path,
        files: Files,
        finder: Finder,
        names: Callable[[], Mapping[NodeId, str]],
        announce: Callable[[Event], object],
        apply: Callable[[bool, frozenset[NodeId]], object],
    ) -> None:
        """`names` are the other members; `apply` hears whether all is paused, and which peers.

        Raises ConfigInvalid.
        """
        self._file, self._files, self._finder = file, files, finder
        self._names, self._announce, self._apply = names, announce, apply
        self._turn = trio.Lock()  # the file never has other pauses than hold
        self.paused = read_paused(file)
        self._hold()

    def _hold(self) -> None:
        self._apply(
            self.paused.library, frozenset(parse_peer_id(peer) for peer in self.paused.peers)
        )

    def left_alone(self) -> Tree | None:
        """Return which photos are paused; None: none. Asks the index, so it may block."""
        parts = [Equals("album", album) for album in self.paused.albums]
        parts += [Equals("shoot", shoot) for shoot in self.paused.shoots]
        return self._finder.with_albums(any_of(*parts)) if parts else None

    async def views(self) -> list[PauseView]:
        """Return what is paused: everything first, then peers, albums and shoots."""
        paused, names = self.paused, self._names()
        albums = {}
        if paused.albums:
            albums = await self._finder.album_names()
        views = [PauseView(LIBRARY, None, None)] if paused.library else []
        views += [PauseView(PEER, peer, names.get(parse_peer_id(peer))) for peer in paused.peers]
        views += [PauseView(ALBUM, album, albums.get(album)) for album in paused.albums]
        return [*views, *(PauseView(SHOOT, shoot, None) for shoot in paused.shoots)]

    async def pause(self, kind: str, text: str | None) -> list[PauseView]:
        """Pause something: the library, or a peer, album or shoot by its id (a peer by its name).

        Raises PauseInvalid, PeerUnknown, AlbumUnknown, HomeUnusable.
        """
        named = await self._named(kind, text)
        async with self._turn:
            return await self._set(kind, named, is_paused=True)

    async def resume(self, kind: str | None, text: str | None) -> list[PauseView]:
        """Let something go on that was paused; `kind` None: everything.

        Resuming what is not paused changes nothing. Raises as `pause` does.
        """
        async with self._turn:
            if kind is None:
                return await self._keep(Paused())
            # What is gone from the library can be taken off the list.
            is_listed = text is not None and text in self._listed(kind)
            named = text if is_listed else await self._named(kind, text)
            return await self._set(kind, named, is_paused=False)

    def _listed(self, kind: str) -> tuple[str, ...]:
        lists = {PEER: self.paused.peers, ALBUM: self.paused.albums, SHOOT: self.paused.shoots}
        return lists.get(kind, ())

    async def _named(self, kind: str, text: str | None) -> str | None:
        """Return the id that is meant."""
        if kind not in KINDS:
            raise PauseInvalid(f"{kind[:_ID_CHARS_MAX]!r} is none of {', '.join(KINDS)}")
        if (kind == LIBRARY) != (text is None):
            raise PauseInvalid("the library has no id here, and everything else has one")
        if text is None:
            return None
        if kind == PEER:
            return peer_id(find_peer(self._names(), text))
        if kind == ALBUM:
            if text not in await self._finder.album_names():
                raise AlbumUnknown(f"there is no album {text[:_ID_CHARS_MAX]}")
            return text
        if not text or len(text) > _ID_CHARS_MAX or set(text) - set("0123456789abcdef"):
            raise PauseInvalid(f"{text[:_ID_CHARS_MAX]!r} is no id of a shoot")
        return text

    async def _set(self, kind: str, named: str | None, *, is_paused: bool) -> list[PauseView]:
        if named is None:
            return await self._keep(msgspec.structs.replace(self.paused, library=is_paused))
        others = tuple(one for one in self._listed(kind) if one != named)
        some = (*others, named) if is_paused else others
        if len(some) > limits.PAUSES_MAX:
            raise PauseInvalid(f"no more than {limits.PAUSES_MAX} of a kind are paused at one time")
        return await self._keep(msgspec.structs.replace(self.paused, **{f"{kind}s": some}))

    async def _keep(self, paused: Paused) -> list[PauseView]:
        data = msgspec.json.format(msgspec.json.encode(paused), indent=2)
        try:
            await trio.to_thread.run_sync(self._files.write_durable, self._file, data)
        except OSError as error:
            raise HomeUnusable(str(self._file), error.strerror or str(error)) from error
        is_new, self.paused = paused != self.paused, paused
        if is_new:
            self._hold()
            views = await self.views()
            self._announce(PausesChanged(len(views)))
            return views
        return await self.views()
