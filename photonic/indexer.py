"""A process that makes a whole index beside the one in use, while the node goes on.

`python -m photonic.indexer`, started by `index_builders.BuilderApart`, speaks frames on its pipes
and ends when its standard input does. It reads the catalog's directory and the store's ledger and
writes nothing but the two files of `crdt/loader.py`. Whatever it cannot do it says, and ends: then
the node makes its index by itself.
"""

from __future__ import annotations

import logging
import os
import queue
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from photonic import limits, wire
from photonic.blobs.view import StoreView
from photonic.crdt.directory_view import DirectoryView
from photonic.crdt.keys import ROOT
from photonic.crdt.loader import Loader
from photonic.crdt.place_seal import PlaceSeal
from photonic.crdt.root import read_root
from photonic.crdt.sealing import KeyName, Sealing
from photonic.crdt.standpoint import Standpoint, by_subject, in_pieces
from photonic.errors import FrameInvalid
from photonic.ids import LibraryId
from photonic.index_messages import Begin, Build, Built, Failed, Merged, Order, Report, Said, Stage
from photonic.index_messages import Staged as StagedReport

_READ_BYTES = 64 * limits.KIB
_TEXT_CHARS_MAX = 4_096  # of one line for the node's log

Tell = Callable[[Report], None]


class Indexer:
    """Does what it is told, one order after another."""

    def __init__(self, begin: Begin, tell: Tell) -> None:
        self._library, self._tell, self._now_ms = LibraryId(begin.library), tell, begin.now_ms
        self._directory = DirectoryView(Path(os.fsdecode(begin.directory)), self._library)
        self._store = StoreView(Path(os.fsdecode(begin.store)))
        seal = PlaceSeal(begin.place_key)
        self._loader = Loader(Path(os.fsdecode(begin.index)), begin.now_ms, seal)
        secrets = {KeyName(name): secret for name, secret in begin.secrets.items()}
        self._sealing = Sealing(self._library, secrets)
        self._root = -1  # the newest row of the root shard that `_standpoint` knows of
        self._standpoint: Standpoint
        self._shards = 0

    def stage(self, number: int) -> None:
        """Take in a shard as it is now."""
        standpoint = self._look()
        self._loader.begin(number)
        self._loader.add(standpoint.holders(self._directory.holdings(number)))
        for piece in in_pieces(
            by_subject(map(self._sealing.opened, self._directory.changes(number)))
        ):
            self._loader.add(standpoint.batch(piece))
        self._shards += 1
        self._tell(StagedReport(self._shards))

    def _look(self) -> Standpoint:
        """Return who may say what by what is in the root now.

        Whoever becomes a member while shards are taken in was not heard of in those that were
        (else the node begins again), but may be in those that come.
        """
        last = self._directory.last(ROOT)
        if last != self._root:
            root = read_root(self._library, self._directory.changes(ROOT), ())
            stored = self._store.has_many
            self._standpoint = Standpoint(root.roster, root.display, stored, self._now_ms)
            self._root = last
        return self._standpoint

    def build(self) -> None:
        """Make the index of what was staged."""
        self._directory.close()
        self._store.close()
        self._loader.build(lambda done, of: self._tell(Merged(done, of)))
        self._loader.close()
        self._tell(Built())


def serve(orders: queue.SimpleQueue[Order], tell: Tell) -> None:
    """Follow orders up to the last."""
    begin = orders.get()
    assert isinstance(begin, Begin), "the first word says where everything is"
    indexer = Indexer(begin, tell)
    while not isinstance(order := orders.get(), Build):
        assert isinstance(order, Stage), "there is one beginning"
        for number in order.shards:
            indexer.stage(number)
    indexer.build()


def _listen(requests: BinaryIO, orders: queue.SimpleQueue[Order]) -> None:
    """Hand on what the node says; end with it, whatever is being done."""
    reader = wire.FrameReader()
    try:
        while data := os.read(requests.fileno(), _READ_BYTES):
            for body in reader.feed(data):
                orders.put(wire.decode(body, Order))  # type: ignore[arg-type]
    except FrameInvalid:
        os._exit(1)
    os._exit(0)


class _Teller(logging.Handler):
    """Lets the node log what happens here."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell_node = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell_node(Said(self.format(record)[:_TEXT_CHARS_MAX]))


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to answer
    os.nice(5)  # peers and pages are served first
    # Libraries print to standard output; the frames must stay alone on theirs.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def tell(report: Report) -> None:
        answers.write(wire.frame(wire.encode(report)))
        answers.flush()

    logging.getLogger().addHandler(_Teller(tell))
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    listener = threading.Thread(target=_listen, args=(sys.stdin.buffer, orders), daemon=True)
    listener.start()
    try:
        serve(orders, tell)
    except Exception as error:  # noqa: BLE001 - it is told, and the node goes on without
        traceback.print_exc()
        tell(Failed(f"{type(error).__name__}: {error}"[:_TEXT_CHARS_MAX]))
        answers.close()
        os._exit(1)
    listener.join()  # until the node has heard of it


if __name__ == "__main__":
    main()
