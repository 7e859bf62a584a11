"""What an admin's node writes so that every member has the library keys that it should have.

Called on the catalog's thread: when a library is made, when a member is admitted, and whenever
roster or keys are others than before (`key_custody.py`). Two nodes that do it at one time both
write what is right; what is written twice is good for nothing and harms nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import CERTIFICATE, KEY_PREFIX
from photonic.crdt.library_keys import must_rotate, provisions
from photonic.crdt.roster import Roster
from photonic.errors import NotAllowed
from photonic.ids import NodeId, member_subject
from photonic.scopes import CATALOG_READ, CATALOG_UNSEAL, MEMBERS_ADMIN
from photonic.world import World

log = logging.getLogger(__name__)


class Provided(NamedTuple):
    """What was written: the names of keys that are new, and who was given some key."""

    made: frozenset[str] = frozenset()
    given: frozenset[NodeId] = frozenset()
    is_first: bool = False
    after_revocation: bool = False


def provide(catalog: Catalog, me: NodeId, world: World, *, rotates: bool = False) -> Provided:
    """Stage what is due; nothing from a node that is no admin, or where nothing is.

    Raises NotAllowed if a new key is asked for (`rotates`) from a node that may make none.
    """
    keys, roster = catalog.keys, catalog.roster
    drafts = provisions(
        keys, roster, me, world.clock.now_ms(), world.entropy.token, rotates=rotates
    )
    if not drafts:
        if rotates:
            raise NotAllowed(f"a new library key needs the scope {MEMBERS_ADMIN}")
        return Provided()
    is_first = keys.newest is None
    if is_first:
        drafts += _wider(roster)
    catalog.write(drafts)
    names = {name for draft in drafts for name in draft.sets if name.startswith(KEY_PREFIX)}
    known = {KEY_PREFIX + name.hex() for name, key in keys.keys.items() if key.counts}
    given = {NodeId(draft.subject.key) for draft in drafts}
    made = frozenset(name.removeprefix(KEY_PREFIX) for name in names - known)
    if must_rotate(keys, roster) and not made:
        log.error("the library has so many keys that no other can be made")
    return Provided(made, frozenset(given), is_first, must_rotate(keys, roster))


def _wider(roster: Roster) -> Iterable[Draft]:
    """Return certificates with the right to unseal for who may read, where there was no key yet.

    A library that was made before there were seals has members without that right; none of them
    was meant to go without.
    """
    for node, member in roster.members.items():
        if member.may(CATALOG_READ) and not member.may(CATALOG_UNSEAL) and member.cut is None:
            scopes = (*member.certificate.scopes, CATALOG_UNSEAL)
            value = msgspec.to_builtins(replace(member.certificate, scopes=scopes))
            yield Draft(member_subject(node), {CERTIFICATE: value})
