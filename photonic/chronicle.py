"""The history of a photo as people read it: who said what, and what was shown before. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from photonic.crdt.changes import SignedChange
from photonic.crdt.clock import stamp_ms
from photonic.crdt.fields import ORIGIN, ORIGINAL, Merge, merge_of
from photonic.crdt.fold import Field, IsEffective, SubjectState, Version, fold
from photonic.crdt.history import Record, records
from photonic.crdt.lineage import Lineage
from photonic.crdt.policy import Display
from photonic.ids import ChangeId, NodeId, Subject, peer_id
from photonic.photo_views import FieldChangeView, SaidView
from photonic.replay import is_mark, origins_of
from photonic.showing import NameOf, iso_utc, plain


class Chronicle:
    """One subject's history, the latest first; views are made of those that are asked for."""

    def __init__(
        self,
        subject: Subject,
        changes: Iterable[SignedChange],
        *,
        is_effective: IsEffective,
        display: Display,
        embedded: Callable[[str], Any],
    ) -> None:
        """`embedded` gives what the photo's own file says for a field."""
        some = list(changes)
        self._subject, self._display, self._embedded = subject, display, embedded
        self._origins = origins_of(some)
        self._records = [
            record
            for record in records(subject, some, is_effective)
            if not is_mark(record.change)  # it is told with the words that it belongs to
        ]
        self._state: SubjectState = fold(subject, some, is_effective)
        self._lineage = Lineage.of({signed.id: signed.change.parents for signed in some})
        self._writes: dict[str, list[Version]] = {}
        for record in self._records:
            for name, value in record.change.sets.items() if record.is_effective else ():
                version = Version(record.id, value, NodeId(record.change.author), record.change.at)
                self._writes.setdefault(name, []).append(version)

    def page(
        self, limit: int, behind: ChangeId | None, name_of: NameOf
    ) -> tuple[list[SaidView], ChangeId | None]:
        """Return at most `limit` changes behind one of them, and where the next page begins.

        A change that is not (any more) here begins at the top.
        """
        ids = [record.id for record in self._records]
        start = ids.index(behind) + 1 if behind in ids else 0
        shown = self._records[start : start + limit]
        has_more = len(self._records) > start + limit
        views = [self._said(record, name_of) for record in shown]
        return views, shown[-1].id if has_more and shown else None

    def _said(self, record: Record, name_of: NameOf) -> SaidView:
        change, author = record.change, NodeId(record.change.author)
        is_first = ORIGINAL in change.sets
        origin = self._origins.get(record.id)
        return SaidView(
            change=record.id.hex(),
            act=change.act.hex() or None,
            author=peer_id(author),
            author_name=name_of(author),
            origin=(origin.name or None) if origin else None,
            at=iso_utc(stamp_ms(change.at)),
            counts=record.is_effective,
            first=is_first,
            fields=[*self._registers(record, is_first), *self._sets(record)],
        )

    def _registers(self, record: Record, is_first: bool) -> list[FieldChangeView]:
        """What a machine read off the file is no news beside what a person said."""
        kind = self._subject.kind
        return [
            FieldChangeView(
                name, "set", self._before(record, name), plain(value), name in record.standing
            )
            for name, value in record.change.sets.items()
            if merge_of(kind, name) is not Merge.FACT and not (is_first and name == ORIGINAL)
        ]

    def _before(self, record: Record, name: str) -> Any:
        seen = [
            version
            for version in self._writes.get(name, ())
            if self._lineage.had_seen(record.id, version.change)
        ]
        if not seen:
            return plain(self._embedded(name))
        latest = self._lineage.latest(version.change for version in seen)
        left = sorted(
            (version for version in seen if version.change in latest),
            key=lambda version: (version.at, version.change),
            reverse=True,
        )
        shown = self._display.pick(name, Field(tuple(left)))
        return plain(shown.value) if shown else None

    def _sets(self, record: Record) -> list[FieldChangeView]:
        there = self._state.tags
        views = [
            FieldChangeView(
                name,
                "added",
                None,
                list(values),
                any(record.id in there.get(name, {}).get(value, ()) for value in values),
            )
            for name, values in record.change.adds.items()
            if name != ORIGIN
        ]
        views += [
            FieldChangeView(
                name,
                "removed",
                None,
                list(values),
                record.is_effective and any(self._is_gone(name, value) for value in values),
            )
            for name, values in record.change.removes.items()
        ]
        return views

    def _is_gone(self, name: str, value: str) -> bool:
        own: Sequence[str] = self._embedded(name) or ()
        shows_own = value in own and value not in self._state.ended_embedded(name)
        return value not in self._state.tags.get(name, {}) and not shows_own
