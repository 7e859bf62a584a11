"""What happened between two rosters, in the words of the audit log. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from photonic.crdt.roster import Member, Roster
from photonic.ids import peer_id

Facts = dict[str, str]


def news_between(before: Roster, now: Roster) -> Iterator[tuple[str, Facts]]:
    """Yield what became of members, as an act and its facts, in the order of their keys."""
    for node in sorted(before.members.keys() | now.members.keys()):
        old, new = before.members.get(node), now.members.get(node)
        if old == new:
            continue
        some = new or old
        assert some is not None, "it is in one of them"
        facts = {"node": peer_id(node), "name": some.certificate.name}
        if new is None:
            yield "member.removed", facts  # who admitted it had no right to
        elif old is None:
            yield "member.admitted", facts | {"scopes": " ".join(new.certificate.scopes)}
        else:
            yield from _news_of(old, new, facts)


def _news_of(old: Member, new: Member, facts: Facts) -> Iterator[tuple[str, Facts]]:
    if old.ends != new.ends:
        if new.ends is None:
            yield "member.restored", facts
        else:
            act = "member.revoked" if old.ends is None else "member.cut-moved"
            yield act, facts | {"cut": str(new.ends.seq)}
    before, now = old.certificate, new.certificate
    if before.scopes != now.scopes:
        yield "member.rights-changed", facts | {"scopes": " ".join(now.scopes)}
    elif before.expires_ms != now.expires_ms:
        yield "member.renewed", facts | {"expires_ms": str(now.expires_ms)}
