"""Albums that are saved queries: their queries take the place of their names in a tree.

`album:NAME` in a tree stands for all albums of that name: manual ones, to which photos say that
they belong, and saved queries. After `with_saved` only what photos say is asked. The trash is
hidden afterwards, by `with_defaults`, so that `is:trashed album:NAME` finds an album's trash. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import TypeAlias

from photonic import limits
from photonic.errors import QueryInvalid
from photonic.search.criteria import (
    NOTHING,
    And,
    Equals,
    Named,
    Not,
    Or,
    Tree,
    Words,
    all_of,
    any_of,
    has_phrase,
    negated,
)
from photonic.search.grammar import parse
from photonic.search.words import fold, words

_Naming: TypeAlias = Words | Named | Equals


@dataclass(frozen=True, slots=True)
class Album:
    """An album that was not deleted; `query` is None for one to which photos are added by hand."""

    album: str  # hex id
    name: str
    query: str | None = None


def with_saved(tree: Tree, albums: Sequence[Album], today: date, zone: tzinfo = UTC) -> Tree:
    """Return `tree` with each album that it names replaced by what is in it.

    A saved query that comes back to itself finds nothing there. Raises QueryInvalid if the query of
    an album that is named cannot be read, or if there is too much of it all.
    """
    expansion = _Expansion(albums, today, zone)
    return expansion.of(tree, frozenset(), depth=0)


class _Expansion:
    """Replaces album conditions, within the bound on all conditions together."""

    def __init__(self, albums: Sequence[Album], today: date, zone: tzinfo) -> None:
        self._albums, self._today, self._zone = albums, today, zone
        self._trees: dict[str, Tree] = {}
        self._named: dict[_Naming, list[Album]] = {}
        self._terms = 0

    def of(self, tree: Tree, inside: frozenset[str], depth: int) -> Tree:
        if depth > limits.QUERY_DEPTH_EXPANDED_MAX:
            raise QueryInvalid("the albums that the query names are nested too deeply")
        match tree:
            case And(items):
                return all_of(*(self.of(item, inside, depth + 1) for item in items))
            case Or(items):
                return any_of(*(self.of(item, inside, depth + 1) for item in items))
            case Not(item):
                return negated(self.of(item, inside, depth + 1))
            case Words(field="album") | Named(field="album") | Equals(field="album"):
                if tree not in self._named:
                    means = _chooser(tree)
                    self._named[tree] = [album for album in self._albums if means(album)]
                found = (self._contents(one, inside, depth + 1) for one in self._named[tree])
                return any_of(*found)
            case _:
                self._count()
                return tree

    def _contents(self, album: Album, inside: frozenset[str], depth: int) -> Tree:
        self._count()
        if album.query is None:
            return Equals("album", album.album)
        if album.album in inside:
            return NOTHING
        return self.of(self._saved(album, album.query), inside | {album.album}, depth)

    def _saved(self, album: Album, query: str) -> Tree:
        if album.album not in self._trees:
            try:
                tree = parse(query, self._today, self._zone).tree
            except QueryInvalid as error:
                raise QueryInvalid(f"the album {album.name}: {error}") from None
            self._trees[album.album] = tree
        return self._trees[album.album]

    def _count(self) -> None:
        self._terms += 1
        if self._terms > limits.QUERY_TERMS_EXPANDED_MAX:
            raise QueryInvalid(
                f"with the albums that it names the query has more than"
                f" {limits.QUERY_TERMS_EXPANDED_MAX} terms"
            )


def _chooser(condition: _Naming) -> Callable[[Album], bool]:
    match condition:
        case Words(wanted, whole):
            return lambda album: has_phrase(words(album.name), wanted, whole)
        case Named(_, name):
            return lambda album: fold(album.name) == name
        case Equals(_, value):
            return lambda album: album.album == value
