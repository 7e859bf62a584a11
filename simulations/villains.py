"""What somebody does who means harm, or whose script does: acts that no honest node commits.

`forge` and `lie` speak over the real transport of a member whose key was stolen; `purge` writes
through its catalog, without the question that `photonic` asks people first.
"""

from __future__ import annotations

from collections.abc import Mapping

import trio

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Change, Draft, SignedChange, seal
from photonic.crdt.fields import RATING, TRASHED
from photonic.crdt.keys import change_key, shard_of
from photonic.crdt.sync import Push
from photonic.crdt.updates import of_entries
from photonic.errors import PhotonicError
from photonic.identity import SIGNATURE_BYTES
from photonic.ids import NodeId, Subject, digest
from photonic.journal.journal import CHANGES
from photonic.node import Node
from photonic.p2p.frames import send_message
from photonic.p2p.messages import CATALOG_PROTOCOL
from simulations.acts import Act
from simulations.cluster import Cluster
from simulations.looking import short

_FORGED_RATING = 4
