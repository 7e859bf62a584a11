"""The limits of this node's transfers: read at the start, changed at run time, kept, and shown.

Until somebody changes them at run time they are what the settings say; from then on they are what
`limits.json` in the home folder says, also after a restart. They are this node's alone, and never
in the catalog. `p2p/throttle.py` makes them hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import trio

from photonic.errors import ConfigInvalid, HomeUnusable, LimitsInvalid, PeerUnknown
from photonic.events import Event, LimitsChanged
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p.rates import Bandwidth, Direction, PeerBandwidth, check
from photonic.p2p.throttle import Throttle
from photonic.world import Files

_NAME_CHARS_SHOWN = 80


@dataclass(frozen=True, slots=True)
class PeerLimitView:
    """The limits of one peer, in bytes per second; null: only those of all."""

    peer: str
    name: str | None
    in_bytes_s: int | None
    out_bytes_s: int | None


@dataclass(frozen=True, slots=True)
class LimitsView:
    """The limits of this node's transfers, in bytes per second; null: no limit.

    `now_in_bytes_s` and `now_out_bytes_s` are what counts at this time of the day. On a `metered`
    link originals wait, unless `metered_bytes_s` says at which rate everything goes on. `parallel`
    files are fetched at one time. `changed`: they are not those of the settings.
    """

    in_bytes_s: int | None
    out_bytes_s: int | None
    peers: list[PeerLimitView]
    schedule: str
    metered: bool
    metered_bytes_s: int | None
    parallel: int | None
    now_in_bytes_s: int | None
    now_out_bytes_s: int | None
    changed: bool


@dataclass(frozen=True, slots=True)
class PeerLimit:
    """What somebody wants for a peer, which is named by its peer ID or by its name."""

    peer: str
    in_bytes_s: int | None = None
    out_bytes_s: int | None = None


def read_limits(file: Path) -> Bandwidth | None:
    """Return what was changed at run time, None if nothing was. Raises ConfigInvalid.

    A file that cannot be read is no reason to use all of a link that somebody pays for.
    """
    try:
        bandwidth = check(msgspec.json.decode(file.read_bytes(), type=Bandwidth))
        for peer in bandwidth.peers:
            parse_peer_id(peer)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LimitsInvalid) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigInvalid([f"{file}: {reason}; correct or remove it"]) from error
    return bandwidth


class Limiter:
    """Changes the limits of one node. Used on the event loop's thread."""

    def __init__(
        self,
        throttle: Throttle,
        file: Path,
        settings: Bandwidth,
        files: Files,
        names: Callable[[], Mapping[NodeId, str]],
        announce: Callable[[Event], object],
        changed: Callable[[Bandwidth], object],
    ) -> None:
        """`settings` hold until somebody changes them; `throttle` is set to what holds.

        `names` are the other members; `changed` hears of new limits when they are durable. Raises
        ConfigInvalid.
        """
        self.throttle = throttle
        self._file, self._settings, self._files = file, settings, files
        self._names, self._announce, self._changed = names, announce, changed
        self._turn = trio.Lock()  # the file never has other limits than the throttle
        self._replace(read_limits(file) or settings)

    def _replace(self, bandwidth: Bandwidth) -> None:
        self.throttle.replace(bandwidth)
        self._is_changed = bandwidth != self._settings

    def view(self) -> LimitsView:
        """Return the limits as they are now."""
        now = self.throttle.bandwidth
        rates = {direction: self.throttle.rate(direction) for direction in Direction}
        names = self._names()
        peers = [
            PeerLimitView(peer, names.get(parse_peer_id(peer)), one.in_bytes_s, one.out_bytes_s)
            for peer, one in sorted(now.peers.items())
        ]
        return LimitsView(
            in_bytes_s=now.in_bytes_s,
            out_bytes_s=now.out_bytes_s,
            peers=peers,
            schedule=now.schedule,
            metered=now.metered,
            metered_bytes_s=now.metered_bytes_s,
            parallel=now.parallel,
            now_in_bytes_s=rates[Direction.IN],
            now_out_bytes_s=rates[Direction.OUT],
            changed=self._is_changed,
        )

    async def set(self, bandwidth: Bandwidth, peers: Sequence[PeerLimit]) -> LimitsView:
        """Make these the only limits, durably; those of peers are `peers`.

        Raises LimitsInvalid, PeerUnknown, HomeUnusable.
        """
        named = {
            self._find(one.peer): PeerBandwidth(one.in_bytes_s, one.out_bytes_s) for one in peers
        }
        if len(named) < len(peers):
            raise LimitsInvalid("peers: one of them stands there twice")
        limited = {peer: one for peer, one in named.items() if one != PeerBandwidth()}
        wanted = check(msgspec.structs.replace(bandwidth, peers=limited))
        data = msgspec.json.format(msgspec.json.encode(wanted), indent=2)
        return await self._change(wanted, partial(self._files.write_durable, self._file, data))

    async def reset(self) -> LimitsView:
        """Go back to what the settings say. Raises HomeUnusable."""
        return await self._change(self._settings, partial(self._files.remove, self._file))

    async def _change(self, bandwidth: Bandwidth, keep: Callable[[], object]) -> LimitsView:
        async with self._turn:
            try:
                await trio.to_thread.run_sync(keep)  # not abandoned if its client leaves
            except OSError as error:
                raise HomeUnusable(str(self._file), error.strerror or str(error)) from error
            self._replace(bandwidth)
        self._changed(bandwidth)
        self._announce(LimitsChanged(bandwidth.metered))
        return self.view()

    def _find(self, text: str) -> str:
        """Return the peer ID of the node with this peer ID or name. Raises PeerUnknown."""
        if text in self.throttle.bandwidth.peers:
            return text  # maybe it left the library: nobody needs to take its limits back first
        return peer_id(find_peer(self._names(), text))


def find_peer(names: Mapping[NodeId, str], text: str) -> NodeId:
    """Return the node with this peer ID or name, in any case of letters. Raises PeerUnknown."""
    found = [node for node, name in names.items() if text in (peer_id(node), name)]
    found = found or [n for n, name in names.items() if name.casefold() == text.casefold()]
    shown = text[:_NAME_CHARS_SHOWN]
    if not found:
        raise PeerUnknown(f"no other node of the library is called {shown!r}")
    if len(found) > 1:
        ids = ", ".join(sorted(peer_id(node) for node in found))
        raise PeerUnknown(f"{len(found)} nodes are called {shown!r}, say which: {ids}")
    return found[0]
