"""What a new member begins with: the root document, or what counts of it where it is too long.

Any member may write about members, and only what admins wrote counts. So a member could fill the
root document until it fits into no answer to an enrolment, and nobody could join any more. Then the
joiner gets what counts, and the rest by anti-entropy as everybody does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from photonic import limits
from photonic.crdt.changes import SignedChange
from photonic.crdt.keys import change_key
from photonic.crdt.updates import of_entries


def founding_update(
    whole: bytes, client: Callable[[], int], effective: Callable[[], Iterable[SignedChange]]
) -> bytes:
    """Return the update for a joiner, given the whole document; `client` was never used before."""
    if len(whole) <= limits.FOUNDING_BYTES_MAX:
        return whole
    return of_entries(client(), 0, {change_key(one.id): one.data for one in effective()})
