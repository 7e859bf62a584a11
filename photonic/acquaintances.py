"""Which members this node knows: what they are called, and where they were last reached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from photonic.admission import Admissions
from photonic.ids import NodeId, parse_peer_id, peer_id
from photonic.p2p.peers import PeerBook
from photonic.world import Files

log = logging.getLogger(__name__)


class Acquaintances:
    """See the module. `found` may be called from any task, the rest on the event loop's thread."""

    def __init__(
        self,
        book: PeerBook,
        admissions: Admissions,
        own_name: str,
        path: Path,
        files: Files,
        on_found: Callable[[], None],
    ) -> None:
        """`path` keeps addresses while the node is not running."""
        self._book, self._admissions, self._own_name = book, admissions, own_name
        self._path, self._files, self._on_found = path, files, on_found

    def load(self, addresses: Iterable[str]) -> None:
        """Learn what was kept, and addresses that somebody named: ".../p2p/ID"."""
        if self._path.exists():
            self._book.load(self._path.read_bytes())
        for address in addresses:
            bare, _, name = address.rpartition("/p2p/")
            self._book.learn(parse_peer_id(name), (bare,))

    def save(self, dump: bytes) -> None:
        """Keep the addresses of peers. Blocking; the dump is made on the event loop."""
        try:
            self._files.write_durable(self._path, dump)
        except OSError as error:
            log.warning("addresses of peers could not be kept: %s", error)

    def found(self, node: NodeId, addresses: tuple[str, ...]) -> None:
        """Hear where a node is; who is no member is not remembered."""
        if node in self._admissions.members() and self._book.learn(node, addresses):
            self._on_found()

    def name_of(self, node: NodeId) -> str | None:
        """What a node is called: by itself if it said so, else by its certificate."""
        if node == self._book.me:
            return self._own_name
        hello, member = self._book.get(node).hello, self._admissions.member(node)
        return hello.name if hello else (member.certificate.name if member else None)

    def names(self) -> dict[NodeId, str]:
        """What the other members are called."""
        others = set(self._admissions.members()) - {self._book.me}
        return {node: self.name_of(node) or peer_id(node) for node in others}
